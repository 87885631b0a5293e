# SPDX-License-Identifier: Apache-2.0
"""What an operator meets before any task runs: starting, ending, access keys, two stacks on one host."""
import json
import os
import socket
import subprocess
import unittest

from api import Api
from stack import BIN, Scene, Stack, run, until


class Operator(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.addCleanup(self.scene.check_closed)

    def stack(self, name, config=""):
        directory = f"{self.scene.directory}/{name}"
        os.mkdir(directory, 0o711)
        stack = Stack(directory, config)
        self.addCleanup(stack.down)
        return stack

    def test_down_of_nothing_is_no_error(self):
        done = run([BIN + "/berth", "down", "--data-dir", self.scene.directory + "/none"])
        self.assertIn("nothing was started", done.stdout)
        done = run([BIN + "/berth", "--output", "json", "down", "--data-dir", self.scene.directory + "/none"])
        self.assertEqual(json.loads(done.stdout)["stopped_tasks"], 0)
        self.assertFalse(os.path.exists(self.scene.directory + "/none"))

    def test_the_command_that_up_prints_works_as_it_stands(self):
        stack = self.stack("first")
        said = stack.up().stdout
        command = next(line.removeprefix("try").strip() for line in said.splitlines() if line.startswith("try"))
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        done = run(["sh", "-c", command], env={**env, "HOME": self.scene.directory, "AWS_EC2_METADATA_DISABLED": "true"})
        self.assertEqual(len(json.loads(done.stdout)["containerInstanceArns"]), 1)
        stack.down()
        again = run([BIN + "/berth", "down", "--data-dir", stack.data, "--config", stack.config_file])
        self.assertEqual(again.stdout, f"nothing ran in {stack.data}\n")

    def test_a_mistake_in_the_agents_table_is_told_of_the_file_it_stands_in(self):
        stack = self.stack("agent", '[agent]\nsubnett = "x"\n')
        up = stack.up(check=False)
        self.assertEqual(up.returncode, 1)
        self.assertIn(f"{stack.config_file}: [agent]: unknown key 'subnett'", up.stderr)
        self.assertFalse(os.path.exists(stack.data + "/berthd.pid"))
        with open(stack.config_file, "w", encoding="utf-8") as out:
            out.write("")

    def test_the_api_may_be_named_by_localhost(self):
        stack = self.stack("named", 'api = "localhost:0"\n')
        run([BIN + "/berth", "up", "--detach", "--data-dir", stack.data, "--config", stack.config_file])
        self.assertEqual(len(stack.aws("list-clusters")["clusterArns"]), 1)

    def test_the_api_may_be_named_as_the_operator_names_it(self):
        stack = self.stack("hostname", f'api = "{socket.gethostname()}:0"\n')
        try:
            loopback = socket.gethostbyname(socket.gethostname()).startswith("127.")
        except OSError:
            loopback = False
        if not loopback:
            self.skipTest("this host's name is not of loopback")
        run([BIN + "/berth", "up", "--detach", "--data-dir", stack.data, "--config", stack.config_file])
        run([BIN + "/berth", "--api", f"http://{socket.gethostname()}:{stack.port()}", "ps"])

    def test_up_after_a_down_that_was_cut_short_brings_services_on_again(self):
        stack = self.stack("rest")
        stack.up()
        doctor = [BIN + "/berth", "doctor", "--data-dir", stack.data, "--config", stack.config_file]
        Api(stack.port()).call("Berth.RestServices")
        done = run(doctor, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a `berth down` was cut short", done.stdout)
        port = stack.port()
        self.assertIn("a `berth down` was cut short", stack.up().stderr)
        self.assertEqual(stack.port(), port)
        self.assertNotIn("cut short", run(doctor, check=False).stdout)

    def test_without_root_it_starts_nothing(self):
        as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        directory = self.scene.directory + "/none"
        up = run(as_nobody + [BIN + "/berth", "up", "-d", "--data-dir", directory], check=False)
        self.assertEqual((up.returncode, up.stderr), (1, "berth: run it as root: the agent makes namespaces, mounts and networks\n"))

    def test_wrong_usage_ends_every_program_alike(self):
        for program in ("berth", "berthd", "berth-agent"):
            self.assertEqual(run([f"{BIN}/{program}", "--no-such"], check=False).returncode, 2, program)
        for arguments in (["run", "x", "--cpu", "-5"], ["logs", "x", "--tail", "-1"], ["plan", "--cpu", "-1"]):
            refused = run([BIN + "/berth", *arguments], check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("must not be negative", refused.stderr)
        refused = run([BIN + "/berth", "run", "--task-definition", "web", "--", "echo"], check=False)
        self.assertIn("neither an IMAGE nor a command", refused.stderr)

    def test_two_stacks_know_nothing_of_each_other(self):
        one, other = self.stack("one"), self.stack("other")
        one.up()
        other.up()
        self.assertNotEqual(one.port(), other.port())
        one.call("CreateCluster", clusterName="mine")
        self.assertEqual(len(one.call("ListClusters")["clusterArns"]), 2)
        self.assertEqual(len(other.call("ListClusters")["clusterArns"]), 1)
        self.assertNotEqual(one.call("ListContainerInstances"), other.call("ListContainerInstances"))
        done = run([BIN + "/berth", "--output", "json", "down", "--data-dir", one.data])
        self.assertEqual(json.loads(done.stdout), {"data_dir": one.data, "stopped_tasks": 0, "tasks_on_hosts_away": 0})
        self.assertEqual(len(other.call("ListContainerInstances")["containerInstanceArns"]), 1)

    def test_down_does_not_wait_for_a_host_that_is_away(self):
        stack = self.stack("away")
        stack.up()
        # A second agent, on which a task waits for a registry that never answers.
        with open(stack.data + "/agent.toml", encoding="utf-8") as own:
            lines = [line for line in own if line.split(" ")[0] in ("server", "join_token_file", "cluster")]
        directory = self.scene.directory + "/away/second"
        os.mkdir(directory)
        config = directory + "/agent.toml"
        with open(config, "w", encoding="utf-8") as out:
            out.write("".join(lines) + f'data_dir = "{directory}"\nbridge = "bthsecond"\ncgroup_parent = "berth-second"\n'
                      'subnet = "10.251.0.0/20"\n[attributes]\nplace = "second"\n')
        agent = subprocess.Popen([BIN + "/berth-agent", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        api = Api(stack.port())
        until("both are connected", lambda: len(api.call("ListContainerInstances", filter="agentConnected == true")["containerInstanceArns"]) == 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            stack.register("waits", [{"name": "main", "image": f"127.0.0.1:{silent.getsockname()[1]}/x:1", "memory": 32}])
            task = stack.run_task("waits", placementConstraints=[{"type": "memberOf", "expression": "attribute:place == second"}])[0]
            silent.accept()[0].close()  # the agent is at it
            agent.kill()
            until("it is away", lambda: api.call("DescribeTasks", tasks=[task])["tasks"][0]["connectivity"] == "DISCONNECTED")
            down = run([BIN + "/berth", "--output", "json", "down", "--data-dir", stack.data], timeout=60)
        self.assertEqual(json.loads(down.stdout), {"data_dir": stack.data, "stopped_tasks": 1, "tasks_on_hosts_away": 1})

    def test_a_mistake_in_a_plugins_table_is_told_and_leaves_nothing_running(self):
        stack = self.stack("mistake")
        stack.up()
        stack.kill("agent")
        with open(stack.config_file, "w", encoding="utf-8") as out:
            out.write('[plugins.ec2]\nlistne = "x"\n')
        stack.kill("berthd")
        up = stack.up(check=False)
        self.assertEqual(up.returncode, 1)
        self.assertIn("unknown key 'listne'", up.stderr)
        self.assertFalse(os.path.exists(stack.data + "/berthd.pid"))
        down = stack.down(check=False)
        self.assertEqual(down.returncode, 1)
        self.assertIn("unknown key 'listne'", down.stderr)
        self.assertIn("the control plane is ended", down.stderr)
        self.assertFalse(os.path.exists(stack.data + "/berthd.pid"))
        with open(stack.config_file, "w", encoding="utf-8") as out:
            out.write("")

    def test_a_stack_keeps_its_address(self):
        stack = self.stack("address")
        stack.up()
        port = stack.port()
        refused = run([BIN + "/berth", "up", "-d", "--data-dir", stack.data, "--api", "localhost:0"], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"runs at 127.0.0.1:{port} already", refused.stderr)
        self.assertIn("berth down", refused.stderr)
        before = run([BIN + "/berth", "--api", "localhost:0", "up", "-d", "--data-dir", stack.data], check=False)
        self.assertEqual((before.returncode, before.stderr), (refused.returncode, refused.stderr))
        url = run([BIN + "/berth", "--api", stack.url, "up", "-d", "--data-dir", stack.data], check=False)
        self.assertEqual(url.returncode, 2)
        self.assertIn("HOST:PORT to listen at", url.stderr)
        down = run([BIN + "/berth", "--api", stack.url, "down", "--data-dir", stack.data], check=False)
        self.assertEqual(down.returncode, 2)
        self.assertIn("say --data-dir", down.stderr)
        stack.kill("berthd")
        run([BIN + "/berth", "down", "--data-dir", stack.data])
        self.assertEqual(stack.port(), port)

    def test_access_keys_bind_all_but_who_reads_the_configuration(self):
        stack = self.stack("keys", '[[access_key]]\nid = "AKIDX"\nsecret = "hunter2"\n')
        stack.up()  # the environment's keys are others
        self.assertIn("UnrecognizedClientException", stack.refused("list-clusters"))
        refused = stack.berth("ps", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("AWS_ACCESS_KEY_ID", refused.stderr)
        stack.env.update(AWS_ACCESS_KEY_ID="AKIDX", AWS_SECRET_ACCESS_KEY="wrong")
        self.assertIn("InvalidSignatureException", stack.refused("list-clusters"))
        stack.env.update(AWS_SECRET_ACCESS_KEY="hunter2")
        self.assertEqual(len(stack.aws("list-clusters")["clusterArns"]), 1)
        self.assertEqual(stack.berth("ps").returncode, 0)
        stack.env.update(AWS_ACCESS_KEY_ID="other")
        stack.down()

    def test_a_machine_that_reaches_only_the_api_uses_it_by_tls_and_keys(self):
        pem = self.scene.directory + "/api"
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=control.example",
             "-addext", "subjectAltName=DNS:control.example,DNS:localhost", "-keyout", pem + ".key", "-out", pem + ".pem"])
        stack = self.stack("tls", f'tls_certificate = "{pem}.pem"\ntls_key = "{pem}.key"\n'
                                  '[[access_key]]\nid = "AKIDX"\nsecret = "hunter2"\n')
        stack.up()  # on the host itself, by an address that the certificate does not name
        env = {**stack.env, "AWS_ACCESS_KEY_ID": "AKIDX", "AWS_SECRET_ACCESS_KEY": "hunter2"}

        def berth(host, *arguments, check=True):
            return run([BIN + "/berth", "--api", f"https://{host}:{stack.port()}", *arguments], check=check, env=env)
        self.assertIn("TASK", berth("localhost", "--ca", pem + ".pem", "ps").stdout)
        self.assertEqual(berth("localhost", "ps", check=False).returncode, 1)
        strange = berth("127.0.0.1", "--ca", pem + ".pem", "ps", check=False)
        self.assertEqual(strange.returncode, 1)
        self.assertIn("cannot reach the API at https://127.0.0.1", strange.stderr)
        nothing = berth("localhost", "--ca", pem + ".pem", "logs", "0" * 32, check=False)
        self.assertIn("0" * 32, nothing.stderr)
        self.assertIn("control plane", run([BIN + "/berth", "doctor", "--data-dir", stack.data, "--config", stack.config_file],
                                           check=False).stdout)
        stack.down()

    def elsewhere(self, port):
        """How to begin a command on a machine that reaches this port of 198.51.100.1 and nothing else, no file of the stack's either."""
        name = f"elsewhere-{os.getpid()}"
        run(["ip", "netns", "add", name])
        self.addCleanup(run, ["ip", "netns", "del", name])
        inside = ["ip", "netns", "exec", name]
        link = f"op{os.getpid()}"
        run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name])
        run(["ip", "addr", "add", "198.51.100.1/30", "dev", link])
        run(["ip", "link", "set", link, "up"])
        for command in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", "198.51.100.2/30", "dev", "eth0"], ["ip", "link", "set", "eth0", "up"],
                        ["nft", "add table ip only; add chain ip only out { type filter hook output priority 0 ; policy drop ; }"],
                        ["nft", f"add rule ip only out ip daddr 198.51.100.1 tcp dport {port} accept"]):
            run([*inside, *command])
        return [*inside, "unshare", "--mount", "--propagation", "private", "sh", "-c",
                f"mount -t tmpfs none {self.scene.directory}/far && exec \"$@\"", "sh"]

    def test_ps_logs_and_run_work_from_a_machine_that_reaches_only_the_api(self):
        pem = self.scene.directory + "/api"
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=control.example",
             "-addext", "subjectAltName=IP:198.51.100.1", "-keyout", pem + ".key", "-out", pem + ".pem"])
        registry = self.scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        there = self.elsewhere(port)
        stack = self.stack("far", f'api = "198.51.100.1:{port}"\ntls_certificate = "{pem}.pem"\ntls_key = "{pem}.key"\n'
                                  '[[access_key]]\nid = "AKIDX"\nsecret = "hunter2"\n')
        run([BIN + "/berth", "up", "--detach", "--data-dir", stack.data, "--config", stack.config_file], env=stack.env)
        env = {**stack.env, "AWS_ACCESS_KEY_ID": "AKIDX", "AWS_SECRET_ACCESS_KEY": "hunter2"}

        def berth(*arguments, check=True):
            return run([*there, BIN + "/berth", "--api", f"https://198.51.100.1:{port}", "--ca", pem + ".pem", *arguments], check=check, env=env)
        ran = berth("run", "--entrypoint", "/bin/sh", f"{registry.host}/tools:1", "--", "-c", "echo hello; echo oh >&2; exit 3", check=False)
        self.assertEqual((ran.returncode, ran.stdout), (3, "hello\n"), ran.stderr)
        row = berth("ps", "-a").stdout.splitlines()[1]
        self.assertIn("STOPPED", row)
        task = row.split()[0]
        self.assertEqual(berth("logs", "-f", task).stdout, "hello\n")
        self.assertEqual(berth("logs", task[:8]).stdout, "hello\n")
        arn = json.loads(berth("--output", "json", "ps", "-a").stdout)[0]["taskArn"]
        self.assertEqual(berth("logs", arn).stdout, "hello\n")
        stack.down()

    def test_doctor_names_what_a_host_lacks_and_how_to_mend_it(self):
        done = run([BIN + "/berth", "doctor", "--data-dir", self.scene.directory + "/none"], check=False,
                   env={**os.environ, "PATH": self.scene.directory})
        self.assertEqual(done.returncode, 1)
        crun = next(line for line in done.stdout.splitlines() if line.startswith("crun"))
        self.assertRegex(crun, r"(?i)fail")
        self.assertRegex(crun, r"(?i)apt|install")

    def test_wrong_configuration_is_named_with_its_line(self):
        stack = Stack(self.scene.directory, '\nlog_level = "loud"\n')
        refused = stack.up(check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("berth.toml:2: log_level: must be one of", refused.stderr)

    def test_beyond_loopback_it_demands_tls_and_keys(self):
        stack = Stack(self.scene.directory, 'api = "0.0.0.0:0"\n')
        refused = run([BIN + "/berth", "up", "--detach", "--data-dir", stack.data, "--config", stack.config_file], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("does not listen on 0.0.0.0 without TLS", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
