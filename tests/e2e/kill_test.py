# SPDX-License-Identifier: Apache-2.0
"""kill -9 of control plane, agent and monitor at named points: nothing acknowledged is lost, nothing runs twice, nothing is left.

A process is armed by BERTH_FAILPOINT=NAME and kills itself with SIGKILL when it passes that point, so each round has the named
step under way. That no container ran twice is told by the containers themselves: each writes one line outside Berth when it starts,
to a server, or where it has a network of its own, to a file of the host's.

kill_test.py [--rounds N] [--first N]: N rounds, over all points again and again, from one on; by default each point once.
"""
import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import unittest

import images
from api import Api, Refused
from leftovers import Leftovers
from stack import BIN, Scene, run, until

# Points that a task passes on its way up and down, by the process that passes them. Each counts from the moment when the
# round's task is asked for (BERTH_FAILPOINT_GATE), so that what dies has it under way.
CONTROL_PLANE = ["store.before_commit", "store.after_commit", "control.before_plugin_call", "control.after_plugin_call",
                 "control.before_event", "control.before_answer",
                 "fleet.before_frame", "fleet.after_frame", "fleet.before_send", "fleet.after_send"]
AGENT = ["agent.before_frame", "agent.after_frame", "agent.before_send", "agent.after_send",
         "task.before_commit", "task.after_commit", "task.before_pull", "task.after_pull",
         "task.before_create", "task.after_create", "task.before_launch", "task.after_launch",
         "task.before_signal", "task.after_signal", "task.before_remove", "task.after_remove",
         "task.before_cleanup", "task.after_cleanup"]
# In the middle of a pull (the round's image is new), and of making and taking apart a network.
PULL = ["image.after_draft", "image.before_layer", "image.after_layer", "image.before_record"]
NETWORK = ["task.before_attach", "network.after_reserve", "network.after_netns", "network.after_veth", "network.after_rules",
           "task.after_attach", "network.after_removal"]
# The same of a task with an address of its own, and of its end.
INTERFACE = ["network.before_namespace", "network.after_namespace", "network.after_link", "network.after_rules", "network.before_whole",
             "network.after_whole", "network.after_rules_removed"]
# Of the container's monitor, which dies alone: before its program runs, or may have run, it is not begun again.
MONITOR = ["monitor.before_create", "monitor.after_create", "monitor.before_start", "monitor.after_start", "monitor.before_exit",
           "monitor.after_exit"]
# The names of definitions by kind, where it is not "marked".
DEFINITIONS = {"bridged": "bridged", "own-address": "own-address", "checked": "checked", "shipped": "shipped"}
# (who dies, where, at which passage, what the round's task is). The second passage of a point is another step of the same task.
ROUNDS = [("berthd", point, 1, "plain") for point in CONTROL_PLANE] + \
         [("berthd", point, 2, "plain") for point in CONTROL_PLANE[:4]] + \
         [("agent", point, 1, "plain") for point in AGENT] + \
         [("agent", point, nth, "plain") for point in ("agent.before_send", "task.before_commit", "task.after_commit")
          for nth in (2, 3)] + \
         [("agent", point, 1, "fresh") for point in PULL] + \
         [("agent", point, 1, "bridged") for point in NETWORK] + \
         [("agent", point, 1, "own-address") for point in INTERFACE] + \
         [("agent", point, 1, "checked") for point in ("task.before_health_check", "task.after_health_check")] + \
         [("agent", point, 1, "shipped") for point in ("logship.before_send", "logship.after_send", "logship.after_cursor")] + \
         [("monitor", "while it runs", 1, kind) for kind in ("plain", "bridged", "own-address")] + \
         [("monitor", point, 1, "plain") for point in MONITOR] + \
         [("agent", "task.after_create", 1, "orphaned")] + \
         [("agent", "task.after_exec", 1, "exec-begun"), ("exec monitor", "while a command runs in it", 1, "exec")] + \
         [(victim, "while a command runs in it", 1, "exec") for victim in ("agent", "berthd")]
# From the command line.
WANTED = {"rounds": len(ROUNDS), "first": 0}


class KillNine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.registry = cls.scene.registry()
        cls.image = f"{cls.registry.host}/tools:1"
        cls.registry.client.image("tools", "1", Env=["PATH=/bin"])
        cls.marks = cls.scene.marks()
        cls.marked_files = cls.scene.directory + "/marked"
        os.mkdir(cls.marked_files)
        cls.stack = cls.scene.start()

    def api(self):
        return Api(self.stack.port())

    def launch(self, number, kind, script):
        """RunTask as a client with patience does it: the same token again until it is answered, a new one where nothing was placed
        (the agent may not be back yet after a restart of the control plane)."""
        attempt = 0
        own_network = kind in ("bridged", "own-address")
        tell = ">>/marked/lines" if own_network else f"| nc 127.0.0.1 {self.marks.port}"
        network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-default"]}}} if kind == "own-address" else {}

        def answered():
            nonlocal attempt
            try:
                answer = self.api().call(
                    "RunTask", taskDefinition=f"fresh-{number}" if kind == "fresh" else DEFINITIONS.get(kind, "marked"),
                    clientToken=f"round-{number}-{attempt}", **network,
                    overrides={"containerOverrides": [{"name": "main", "command": [
                        "/bin/sh", "-c", f"echo {number} {tell}; {script}"]}]})
            except OSError:
                return None
            if answer["failures"]:
                self.assertEqual((answer["tasks"], answer["failures"][0]["reason"]), ([], "AGENT"))
                attempt += 1
                return None
            return answer
        return until("RunTask is answered", answered, 60)["tasks"][0]["taskArn"]

    def marked(self):
        """What containers have written at their start."""
        try:
            with open(self.marked_files + "/lines", encoding="ascii") as lines:
                return self.marks.lines() + lines.read().split()
        except FileNotFoundError:
            return self.marks.lines()

    def describe(self, arn):
        try:
            return self.api().call("DescribeTasks", tasks=[arn])["tasks"][0]
        except OSError:
            return None

    def await_status(self, arn, status):
        return until(f"{arn} is {status}: {self.describe(arn)}\n{self.stack.tail()}",
                     lambda: (lambda task: task if task and task["lastStatus"] == status else None)(self.describe(arn)), 60)

    def arm(self, victim, point, nth):
        self.gate = f"{self.scene.directory}/gate"
        if victim == "monitor":
            self.stack.kill("agent")
            self.stack.up(failpoint=point, gate=self.gate, of_monitors=True)
            return None
        self.stack.kill(victim)
        self.stack.up(failpoint=f"{point}:{nth}", gate=self.gate)
        return self.stack.pid(victim)

    def test_rounds(self):
        main = {"name": "main", "image": self.image, "memory": 32, "stopTimeout": 5}
        self.stack.register("marked", [main], networkMode="host")
        self.stack.register("bridged", [{**main, "portMappings": [{"containerPort": 80}],
                                         "mountPoints": [{"sourceVolume": "marked", "containerPath": "/marked"}]}],
                            networkMode="bridge", volumes=[{"name": "marked", "host": {"sourcePath": self.marked_files}}])
        self.stack.register("own-address", [{**main, "mountPoints": [{"sourceVolume": "marked", "containerPath": "/marked"}]}],
                            networkMode="awsvpc", volumes=[{"name": "marked", "host": {"sourcePath": self.marked_files}}])
        self.stack.register("checked", [{**main, "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 5}}], networkMode="host")
        drain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(drain.close)
        drain.bind(("127.0.0.1", 0))
        self.stack.register("shipped", [{**main, "logConfiguration": {"logDriver": "syslog", "options": {
            "syslog-address": f"udp://127.0.0.1:{drain.getsockname()[1]}"}}}], networkMode="host")
        steady = self.launch("steady", "plain", "sleep 1000")
        before = self.await_status(steady, "RUNNING")
        self.leftovers = Leftovers(self.stack.data + "/agent.toml", run)
        alive = [steady.rsplit("/", 1)[1]]
        self.assertNotEqual(self.leftovers.of_finished([]), {}, "the checker sees what runs")
        expected = ["steady"]
        for number in range(WANTED["first"], WANTED["first"] + WANTED["rounds"]):
            victim, point, nth, kind = ROUNDS[number % len(ROUNDS)]
            with self.subTest(round=number, victim=victim, point=point, nth=nth, kind=kind):
                if kind == "fresh":
                    self.new_image(number, main)
                if self.one_round(number, victim, point, nth, kind):
                    expected.append(str(number))
                self.assertEqual(self.describe(steady)["lastStatus"], "RUNNING")
                self.assertEqual(sorted(self.marked()), sorted(expected), "each container started exactly once")
                until(f"nothing is left of round {number}: {self.leftovers.of_finished(alive)}",
                      lambda: self.leftovers.of_finished(alive) == {}, 20)
        after = self.describe(steady)
        for member in ("startedAt", "createdAt", "desiredStatus"):
            self.assertEqual(after[member], before[member], "a running task that nothing happened to has not changed")
        self.assertEqual(after["containers"][0]["runtimeId"], before["containers"][0]["runtimeId"])

    def new_image(self, number, main):
        """One that this host has not got: its own layer is noise."""
        noise = images.layer([("noise", random.Random(number).randbytes(1 << 20), 0o644)], (), applets=False)
        self.registry.client.image("fresh", str(number), [images.layer(), noise], Env=["PATH=/bin"])
        self.stack.register(f"fresh-{number}", [{**main, "image": f"{self.registry.host}/fresh:{number}"}], networkMode="host")

    def one_round(self, number, victim, point, nth, kind):
        """Whether its container is to have run."""
        dies_alone = victim == "monitor" and point in MONITOR
        armed = dies_alone or (victim != "monitor" and kind != "exec")
        pid = self.arm(victim, point, nth) if armed else None  # orphaned: its monitor dies with it
        result = {}

        def whole_life():
            """Up, then stopped by the caller: passes every point."""
            result["task"] = self.launch(number, kind, "trap 'exit 0' TERM; echo up; sleep 1000 & wait")
            if dies_alone:
                until(f"it has run or failed: {self.describe(result['task'])}\n{self.stack.tail()}",
                      lambda: self.describe(result["task"])["lastStatus"] in ("RUNNING", "STOPPED"), 60)
            else:
                self.await_status(result["task"], "RUNNING")
            if kind == "checked":
                until("its check has run", lambda: (self.describe(result["task"]) or {}).get("healthStatus") == "HEALTHY", 60)
            if victim == "monitor" and not dies_alone:
                self.kill_monitor(result["task"])
            if kind == "exec":
                self.kill_during_exec(result["task"], victim, number)
            if kind == "exec-begun":
                self.begin_exec(result["task"], number)
            until("StopTask is answered", lambda: self.stop_task(result["task"]), 60)
            result["end"] = self.await_status(result["task"], "STOPPED")
        client = threading.Thread(target=whole_life)
        if armed:
            open(self.gate, "w", encoding="ascii").close()
        client.start()
        if pid is not None:
            until(f"{victim} passes {point} for the {nth}. time\n{self.stack.tail()}", lambda: _gone(pid), 60)
            os.unlink(self.gate)
            if kind == "orphaned":
                self.kill_monitor(until("RunTask is answered", lambda: result.get("task"), 30))
            self.stack.up()
        client.join(180)
        self.assertFalse(client.is_alive(), "the client got through")
        self.assertIn("end", result, self.stack.tail())
        if not dies_alone:
            self.assertEqual(result["end"]["stopCode"], "UserInitiated")
            return True
        self.assertFalse(os.path.exists(self.gate), f"a monitor has passed {point}")
        self.assertIn(result["end"]["stopCode"], ("UserInitiated", "EssentialContainerExited", "TaskFailedToStart"))
        ran = str(number) in self.marked()
        if point in MONITOR[:2]:
            self.assertFalse(ran, "nobody was there to begin it")
        return ran

    def kill_during_exec(self, arn, victim, number):
        """The command that ran in the container ends with whoever led to it."""
        mark = f"10{number:06d}"
        client = subprocess.Popen([BIN + "/berth", "--api", self.stack.url, "exec", arn, "--", "sleep", mark], env=self.stack.env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("the command runs", lambda: _processes(mark.encode(), "sleep"), 30)
            if victim == "exec monitor":
                self.kill_monitor(arn, b"/execs/")
            else:
                self.stack.kill(victim)
                self.stack.up()
            until("the command has ended", lambda: not _processes(mark.encode(), "sleep"), 30)
        finally:
            client.kill()
            client.wait(10)

    def begin_exec(self, arn, number):
        """The agent dies at its beginning."""
        mark = f"10{number:06d}"
        with subprocess.Popen([BIN + "/berth", "--api", self.stack.url, "exec", arn, "--", "sleep", mark], env=self.stack.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            client.wait(60)
        self.assertNotEqual(client.returncode, 0)
        until("the command has ended", lambda: not _processes(mark.encode(), "sleep"), 30)

    def kill_monitor(self, arn, part=b""):
        """Those of the task with this on their command line."""
        task = arn.rsplit("/", 1)[1].encode()

        found = until("the task has a monitor", lambda: [pid for pid in _processes(task, "berth-monitor")
                                                         if not part or pid in _processes(part)], 20)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        until("it is gone", lambda: all(_gone(pid) for pid in found))

    def stop_task(self, arn):
        try:
            self.api().call("StopTask", task=arn)
            return True
        except OSError:
            return False
        except Refused as refused:
            raise AssertionError(f"an acknowledged task is not known any more: {refused}") from refused


def _processes(part, name=""):
    """Ids of those with these bytes on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/cmdline", "rb") as command:
                if comm.read().startswith(name) and part in command.read():
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


if __name__ == "__main__":
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--rounds", type=int, default=len(ROUNDS))
    options.add_argument("--first", type=int, default=0)
    known, rest = options.parse_known_args()
    WANTED.update(rounds=known.rounds, first=known.first)
    unittest.main(verbosity=2, argv=sys.argv[:1] + rest)
