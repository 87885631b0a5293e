# SPDX-License-Identifier: Apache-2.0
"""Commands in running containers, and what containers use, by the command line on a real stack."""
import fcntl
import hashlib
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import termios
import threading
import unittest

from stack import BIN, Scene, until

KEYS = """
[[access_key]]
id = "AKIDEXEC"
secret = "exec-secret"
"""


class Exec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # As from a login: the agent has to raise what it may open itself.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.registry = cls.scene.registry()
        cls.registry.client.image("box", "1")
        cls.image = f"{cls.registry.host}/box:1"
        cls.stack = cls.scene.start(KEYS)
        cls.stack.env.update(AWS_ACCESS_KEY_ID="AKIDEXEC", AWS_SECRET_ACCESS_KEY="exec-secret")
        box = {"image": cls.image, "memory": 64, "stopTimeout": 2, "command": ["sleep", "1000"]}
        cls.stack.register("one", [{"name": "main", "user": "app", "workingDirectory": "/tmp",
                                    "environment": [{"name": "COLOUR", "value": "green"}], **box}])
        cls.stack.register("two", [{"name": "left", **box}, {"name": "right", **box}])
        cls.task = cls.running("one")
        cls.pair = cls.running("two")

    @classmethod
    def running(cls, family):
        arn = cls.stack.run_task(family)[0]
        # The bare client signs nothing, so here the AWS CLI waits.
        until(f"{family} runs", lambda: cls.stack.task(arn)["lastStatus"] == "RUNNING", 60)
        return arn.rsplit("/", 1)[1]

    def argv(self, *arguments):
        return [BIN + "/berth", "--api", self.stack.url, "exec", *arguments]

    def exec(self, *arguments, stdin=b"", env=None):
        return subprocess.run(self.argv(*arguments), input=stdin, capture_output=True, timeout=60, env=env or self.stack.env)

    def spawn(self, *arguments, **options):
        child = subprocess.Popen(self.argv(*arguments), env=self.stack.env, **options)
        self.addCleanup(lambda: child.poll() is None and (child.kill(), child.wait()))
        return child

    def left(self, mark):
        """Processes on this host, in whichever container, with this word on their command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as line:
                    words = line.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if mark.encode() in words and b"exec" not in words:
                found.append(int(pid))
        return found

    def started(self, mark):
        return until(f"{mark} runs", lambda: self.left(mark))

    def gone(self, mark):
        until(f"{mark} is gone", lambda: not self.left(mark), 60)

    def test_output_errors_and_exit_code_come_apart(self):
        done = self.exec(self.task[:12], "--", "sh", "-c", "id -un; pwd; echo $COLOUR; echo oops >&2; exit 42")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (42, b"app\n/tmp\ngreen\n", b"oops\n"))
        self.assertEqual(self.exec(self.task, "--", "sh", "-c", "kill -KILL $$").returncode, 137)

    def test_ten_megabytes_go_through_unbroken(self):
        data = os.urandom(10_000_000)
        done = self.exec("-i", self.task, "--", "cat", stdin=data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), hashlib.sha256(data).hexdigest())

    def test_input_may_be_a_file_and_is_not_read_unasked(self):
        path = self.scene.directory + "/input"
        with open(path, "wb") as out:
            out.write(b"from a file\n")
        with open(path, "rb") as file:
            done = subprocess.run(self.argv("-i", self.task, "--", "cat"), stdin=file, capture_output=True, timeout=60, env=self.stack.env)
        self.assertEqual((done.returncode, done.stdout), (0, b"from a file\n"))
        self.assertEqual(self.exec(self.task, "--", "cat", stdin=b"unasked").stdout, b"")

    def test_a_command_that_ends_before_its_input_leaves_the_agent_alive(self):
        agent = self.stack.pid("agent")
        # More than the pipe holds, several times: some write meets a pipe that nobody reads any more.
        for _ in range(3):
            done = self.exec("-i", self.task, "--", "head", "-c1", stdin=b"x" * 5_000_000)
            self.assertEqual((done.returncode, done.stdout), (0, b"x"))
            self.assertTrue(os.path.exists(f"/proc/{agent}/fd/0"), self.stack.tail())

    def test_the_agent_may_open_as_many_files_as_the_machine_lets_it(self):
        with open(f"/proc/{self.stack.pid('agent')}/limits", encoding="ascii") as limits:
            soft, hard = next(line.split()[3:5] for line in limits if line.startswith("Max open files"))
        self.assertEqual(soft, hard)

    def test_a_reader_that_is_slow_or_gone_stops_the_command(self):
        slow = self.spawn(self.task, "--", "sh", "-c", "yes slowmark", stdout=subprocess.PIPE)
        self.assertEqual(slow.stdout.read(9), b"slowmark\n")
        slow.stdout.close()
        self.assertNotEqual(slow.wait(30), 0)
        self.gone("slowmark")

    def test_signals_go_to_the_command(self):
        for number, name in ((signal.SIGINT, "INT"), (signal.SIGTERM, "TERM")):
            # The inner shell hears it too, so that the outer one need not wait for it.
            child = self.spawn(self.task, "--", "sh", "-c", f"trap 'echo heard {name}; exit 7' {name}; sh -c 'echo ready; exec sleep 1000'",
                               stdout=subprocess.PIPE)
            self.assertEqual(child.stdout.readline(), b"ready\n")
            child.send_signal(number)
            self.assertEqual(child.wait(30), 7)
            self.assertEqual(child.stdout.read(), f"heard {name}\n".encode())
            child.stdout.close()

    def test_a_terminal_has_the_clients_size_keys_and_end(self):
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 97, 0, 0))
            os.execve(BIN + "/berth", self.argv("-it", self.task, "--", "sh", "-c",
                                                "echo size $(stty size); "
                                                "trap 'echo caught; exit 8' INT; echo ready; while :; do sleep 1; done"),
                      self.stack.env)
        self.addCleanup(os.close, master)
        seen = bytearray()

        def read():
            while True:
                try:
                    piece = os.read(master, 4096)
                except OSError:
                    return
                if not piece:
                    return
                seen.extend(piece)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        until("the shell is ready", lambda: b"ready\r\n" in seen)
        self.assertIn(b"size 31 97", seen)
        os.write(master, b"\x03")
        _, status = os.waitpid(pid, 0)
        reader.join(10)
        self.assertEqual(os.waitstatus_to_exitcode(status), 8)
        self.assertIn(b"caught", seen)

    def test_refusals_say_what_to_do_and_give_125(self):
        def refused(*arguments, env=None):
            done = self.exec(*arguments, env=env)
            self.assertEqual(done.returncode, 125, done)
            return done.stderr.decode()
        self.assertIn("no task begins with 'zzz'", refused("zzz", "--", "ls"))
        self.assertIn("The referenced task was not found", refused("0" * 32, "--", "ls"))
        self.assertIn("container must name one of them: left, right", refused(self.pair, "--", "ls"))
        self.assertIn("no container 'middle'", refused("-c", "middle", self.pair, "--", "ls"))
        self.assertIn("leave -t out", refused("-t", self.task, "--", "ls"))
        self.assertIn("nonsense", refused(self.task, "--", "nonsense"))
        wrong = {**self.stack.env, "AWS_SECRET_ACCESS_KEY": "wrong"}
        self.assertIn("AWS_SECRET_ACCESS_KEY", refused(self.task, "--", "ls", env=wrong))
        self.assertEqual(self.exec("-c", "right", self.pair, "--", "true").returncode, 0)
        stopped = self.running("one")
        self.stack.call("StopTask", task=stopped)
        until("it has stopped", lambda: self.stack.task(stopped)["lastStatus"] == "STOPPED", 60)
        self.assertIn("STOPPED", refused(stopped, "--", "ls"))

    def test_the_aws_cli_is_told_what_to_use(self):
        # Without this program the AWS CLI does not even ask.
        program = self.scene.directory + "/session-manager-plugin"
        with open(program, "w", encoding="ascii") as out:
            out.write("#!/bin/sh\nexit 0\n")
        os.chmod(program, 0o755)
        before = self.stack.env["PATH"]
        self.addCleanup(self.stack.env.update, PATH=before)
        self.stack.env["PATH"] = self.scene.directory + ":" + before
        text = self.stack.refused("execute-command", "--task", self.task, "--command", "ls", "--interactive")
        self.assertIn("berth exec TASK", text)
        self.assertIn("SSM", text)

    def test_nothing_is_left_when_client_agent_or_control_plane_is_killed(self):
        for round_number, victim in enumerate(("client", "berthd", "agent") * 3):
            mark = f"killmark{round_number}"
            script = f"(sh -c 'while :; do sleep 1; done' {mark}) & sh -c 'while :; do sleep 1; done' {mark}"
            child = self.spawn(self.task, "--", "sh", "-c", script, stderr=subprocess.PIPE)
            until("both run", lambda: len(self.left(mark)) >= 2)  # pylint: disable=cell-var-from-loop
            if victim == "client":
                child.kill()
            else:
                self.stack.kill(victim)
            code = child.wait(20)  # it says so, and waits for nothing
            text = child.stderr.read().decode()
            child.stderr.close()
            self.gone(mark)
            if victim != "client":
                self.assertEqual(code, 125, text)
                self.assertNotEqual(text, "")
                self.stack.up()
                until("the agent is back", lambda: self.stack.call("ListContainerInstances")["containerInstanceArns"])
            until("exec works again", lambda: self.exec(self.task, "--", "true").returncode == 0, 60)
            self.assertEqual(self.stack.task(self.task)["lastStatus"], "RUNNING")

    def test_top_shows_what_containers_use(self):
        busy = self.spawn("-c", "left", self.pair, "--", "sh", "-c", "while :; do :; done")
        done = self.stack.berth("top", "--output", "json", self.pair)
        containers = {one["container"]: one for one in json.loads(done.stdout)["containers"]}
        self.assertEqual(set(containers), {"left", "right"})
        self.assertGreater(containers["left"]["cpuPercent"], 10)
        self.assertLess(containers["right"]["cpuPercent"], 5)
        for one in containers.values():
            self.assertEqual(one["memoryLimitBytes"], 64 << 20)
            self.assertGreater(one["memoryBytes"], 0)
            self.assertGreaterEqual(one["pids"], 1)
            self.assertEqual(one["oomKills"], 0)
            self.assertIn("networkReceivedBytes", one)
        busy.kill()
        busy.wait()
        table = self.stack.berth("top", "--once").stdout.splitlines()
        self.assertRegex(table[0], r"^TASK +CONTAINER +CPU +THROTTLED +MEMORY / LIMIT +OOM +NET RX / TX +IO READ / WRITE +PIDS$")
        self.assertGreaterEqual(len(table), 4)
        self.assertTrue(any(line.startswith(self.task[:12]) and "main" in line and "64MiB" in line for line in table), table)
        unknown = self.stack.berth("top", "--once", "0" * 32, check=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("MISSING", unknown.stderr)


if __name__ == "__main__":
    unittest.main()
