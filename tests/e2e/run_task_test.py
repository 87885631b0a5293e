# SPDX-License-Identifier: Apache-2.0
"""From the AWS CLI to real containers and back."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import unittest
import urllib.request

import images
from api import Api, Refused
from stack import BIN, Scene, free_port, run, until


class RunTask(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.plain = cls.scene.registry("plain")
        cls.secured = cls.scene.registry("secured", tls=True, user="reader", password="s3cret pass")
        cls.image = f"{cls.plain.host}/tools:1"
        cls.plain.client.image("tools", "1", Env=["PATH=/bin", "FROM_IMAGE=yes"], Cmd=["/bin/sh"])
        cls.secured.client.image("private/web", "1", Entrypoint=["/bin/sh", "-c"], Cmd=["echo private"])
        cls.stack = cls.scene.start(f'''
[plugins.registry-ecr.registries."{cls.secured.host}"]
username = "reader"
password = "s3cret pass"
ca_file = "{cls.secured.ca}"
[plugins.roles.role."arn:aws:iam::000000000000:role/task"]
access_key_id = "AKIDTASK"
secret_access_key = "secret"
''')

    def sh(self, script, name="main", **members):
        return {"name": name, "image": self.image, "memory": 32, "stopTimeout": 2, "command": ["/bin/sh", "-c", script], **members}

    def run_one(self, family, containers, status="STOPPED", overrides=None, **members):
        self.stack.register(family, containers, **members)
        arn = self.stack.run_task(family, **({"overrides": overrides} if overrides else {}))[0]
        return self.stack.await_status(arn, status)

    def logs(self, task, *arguments):
        return self.stack.berth("logs", task["taskArn"], *arguments).stdout

    def test_runs_a_container_to_its_end(self):
        # As its users do, all the way by the AWS CLI.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as definition:
            json.dump({"family": "simple", "containerDefinitions": [self.sh("echo out; echo err >&2; exit 3")]}, definition)
            definition.flush()
            self.stack.aws("register-task-definition", "--cli-input-json", f"file://{definition.name}")
        started = self.stack.aws("run-task", "--cluster", "default", "--task-definition", "simple:1", "--count", "1")
        self.assertEqual((started["failures"], len(started["tasks"])), ([], 1))
        self.stack.await_status(started["tasks"][0]["taskArn"], "STOPPED")
        task = self.stack.aws("describe-tasks", "--tasks", started["tasks"][0]["taskArn"])["tasks"][0]
        self.assertEqual(task["stopCode"], "EssentialContainerExited")
        self.assertEqual(task["stoppedReason"], "Essential container in task exited")
        container = task["containers"][0]
        self.assertEqual((container["lastStatus"], container["exitCode"]), ("STOPPED", 3))
        self.assertRegex(container["imageDigest"], "^sha256:[0-9a-f]{64}$")
        self.assertRegex(task["taskArn"], r"^arn:aws:ecs:us-east-1:000000000000:task/default/[0-9a-f]{32}$")
        for member in ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "executionStoppedAt", "stoppedAt"):
            self.assertIn(member, task)
        logs = self.stack.berth("logs", task["taskArn"])
        self.assertEqual((logs.stdout, logs.stderr), ("out\n", "err\n"))

    def test_pulls_over_tls_with_basic_credentials(self):
        task = self.run_one("private", [{"name": "web", "image": f"{self.secured.host}/private/web:1", "memory": 32}])
        self.assertEqual(task["containers"][0].get("exitCode"), 0, task)
        self.assertEqual(self.logs(task), "private\n")

    def test_picks_the_platform_from_an_index_and_reports_its_digest(self):
        ours = self.plain.client.image("multi", "amd64", Cmd=["/bin/echo", "right"])
        other = self.plain.client.image("multi", "arm64", layers=[images.layer([("x", b"x", 0o644)], applets=False)],
                                        architecture="arm64", Cmd=["/x"])
        digest, _ = self.plain.client.index("multi", "1", {("linux", "arm64"): other, ("linux", "amd64"): ours})
        task = self.run_one("multi", [{"name": "main", "image": f"{self.plain.host}/multi:1", "memory": 32}])
        self.assertEqual(task["containers"][0]["imageDigest"], digest)
        self.assertEqual(self.logs(task), "right\n")

    def test_publishes_ports_in_bridge_mode(self):
        serve = "echo hello from $NAME > /tmp/index.html; httpd -f -p 80 -h /tmp"
        # Two containers of one task may both listen on port 80: each has a namespace of its own.
        task = self.run_one("ports", [
            self.sh(serve, "a", portMappings=[{"containerPort": 80}], environment=[{"name": "NAME", "value": "a"}]),
            self.sh(serve, "b", portMappings=[{"containerPort": 80, "hostPort": 0}], environment=[{"name": "NAME", "value": "b"}])],
            status="RUNNING")
        for container in task["containers"]:
            binding = container["networkBindings"][0]
            self.assertEqual((binding["containerPort"], binding["protocol"]), (80, "tcp"))
            text = until("the container answers", lambda: fetch(binding["hostPort"]))
            self.assertEqual(text, f"hello from {container['name']}\n")
        self.stack.aws("stop-task", "--task", task["taskArn"], "--reason", "enough")
        task = self.stack.await_status(task["taskArn"], "STOPPED")
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("UserInitiated", "enough"))
        self.assertEqual([fetch(c["networkBindings"][0]["hostPort"]) for c in task["containers"] if "networkBindings" in c and c["networkBindings"]],
                         [None] * len([c for c in task["containers"] if c.get("networkBindings")]))

    def test_fixed_host_ports_are_taken_once(self):
        port = free_port()
        self.stack.register("fixed", [self.sh("httpd -f -p 80", portMappings=[{"containerPort": 80, "hostPort": port}])])
        arn = self.stack.run_task("fixed")[0]
        self.stack.await_status(arn, "RUNNING")
        answer = self.stack.aws("run-task", "--task-definition", "fixed")
        self.assertEqual(answer["tasks"], [])
        self.assertEqual(answer["failures"][0]["reason"], "RESOURCE:PORTS")
        self.stack.call("StopTask", task=arn)
        self.stack.await_status(arn, "STOPPED")
        again = self.stack.run_task("fixed")[0]
        self.stack.await_status(again, "RUNNING")
        self.stack.call("StopTask", task=again)

    def test_network_modes_none_and_host(self):
        task = self.run_one("none", [self.sh("cat /proc/net/dev | tail -n +3 | wc -l 2>/dev/null; ls /sys/class/net")], networkMode="none")
        self.assertEqual(self.logs(task).split()[-1], "lo")
        task = self.run_one("host", [self.sh("ls /sys/class/net")], networkMode="host")
        self.assertEqual(set(self.logs(task).split()), set(os.listdir("/sys/class/net")) & set(self.logs(task).split()))
        self.assertGreater(len(self.logs(task).split()), 1)

    def test_network_mode_awsvpc_with_the_default_subnet_and_group(self):
        self.stack.register("own", [self.sh("mkdir /tmp/w; echo own > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w", "web"),
                                    self.sh("until nc -w 1 127.0.0.1 8080 </dev/null; do sleep 1; done; echo met; sleep 1000", "side",
                                            stopTimeout=1)], networkMode="awsvpc")
        arn = self.stack.run_task("own", networkConfiguration={"awsvpcConfiguration": {
            "subnets": ["subnet-default"], "securityGroups": ["sg-default"]}})[0]
        task = self.stack.await_status(arn, "RUNNING")
        until("the containers meet on localhost", lambda: self.logs(task, "--container", "side") == "met\n")
        address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
        self.assertEqual(task["containers"][1]["networkInterfaces"][0]["privateIpv4Address"], address)
        with urllib.request.urlopen(f"http://{address}:8080/", timeout=5) as page:
            self.assertEqual(page.read(), b"own\n", "from the host")
        self.stack.call("StopTask", task=arn)
        self.assertEqual(self.stack.await_status(arn, "STOPPED")["attachments"][0]["status"], "DELETED")

    def test_environment_user_directory_and_entry_point(self):
        task = self.run_one("process", [{
            "name": "main", "image": self.image, "memory": 32, "entryPoint": ["/bin/sh", "-c"],
            "command": ["id -u; id -g; pwd; echo $FROM_IMAGE $MINE $OVER"], "user": "app", "workingDirectory": "/tmp/made",
            "environment": [{"name": "MINE", "value": "1"}, {"name": "OVER", "value": "definition"}]}],
            overrides={"containerOverrides": [{"name": "main", "environment": [{"name": "OVER", "value": "call"}]}]})
        self.assertEqual(self.logs(task).split("\n")[:4], ["1000", "1000", "/tmp/made", "yes 1 call"])

    def test_command_override_replaces_the_command(self):
        task = self.run_one("override", [self.sh("echo definition")],
                            overrides={"containerOverrides": [{"name": "main", "command": ["/bin/echo", "call"]}]})
        self.assertEqual(self.logs(task), "call\n")

    def test_tells_oom_apart(self):
        task = self.run_one("oom", [self.sh("tail /dev/zero", memory=16)])
        container = task["containers"][0]
        self.assertEqual(container["exitCode"], 137)
        self.assertIn("OutOfMemoryError: Container killed due to memory usage", container["reason"])

    def test_task_memory_limits_all_its_containers(self):
        task = self.run_one("taskoom", [{"name": "main", "image": self.image, "command": ["/bin/sh", "-c", "tail /dev/zero"]}], memory="24", cpu="128")
        self.assertEqual(task["containers"][0]["exitCode"], 137)
        self.assertIn("OutOfMemoryError", task["containers"][0]["reason"])

    def test_orders_containers_by_their_dependencies(self):
        task = self.run_one("ordered", [
            self.sh("echo last $(date +%s%N)", "last", dependsOn=[{"containerName": "first", "condition": "SUCCESS"},
                                                                  {"containerName": "second", "condition": "COMPLETE"}]),
            self.sh("echo first", "first", essential=False),
            self.sh("echo second; exit 9", "second", essential=False, dependsOn=[{"containerName": "first", "condition": "START"}])])
        codes = {c["name"]: c.get("exitCode") for c in task["containers"]}
        self.assertEqual(codes, {"last": 0, "first": 0, "second": 9})
        lines = self.logs(task).splitlines()
        self.assertIn("last |", lines[-1])

    def test_failed_dependency_fails_the_task(self):
        task = self.run_one("unmet", [
            self.sh("echo never", "app", dependsOn=[{"containerName": "init", "condition": "SUCCESS"}]),
            self.sh("exit 1", "init", essential=False)])
        self.assertEqual(task["lastStatus"], "STOPPED")
        app = next(c for c in task["containers"] if c["name"] == "app")
        self.assertEqual(app["exitCode"], 143)
        self.assertNotIn("never", self.logs(task))

    def test_stops_gently_then_by_force(self):
        task = self.run_one("gentle", [self.sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done", stopTimeout=20)], status="RUNNING")
        until("it is ready", lambda: "ready" in self.logs(task))
        self.stack.aws("stop-task", "--task", task["taskArn"])
        task = self.stack.await_status(task["taskArn"], "STOPPED")
        self.assertEqual(task["containers"][0]["exitCode"], 5)
        self.assertEqual(task["stoppedReason"], "Task stopped by user")
        self.assertIn("bye", self.logs(task))
        task = self.run_one("deaf", [self.sh("trap '' TERM; echo ready; while :; do sleep 0.1; done", stopTimeout=2)], status="RUNNING")
        until("it is ready", lambda: "ready" in self.logs(task))
        self.stack.aws("stop-task", "--task", task["taskArn"])
        self.assertEqual(self.stack.await_status(task["taskArn"], "STOPPED")["containers"][0]["exitCode"], 137)

    def test_names_what_kept_a_task_from_starting(self):
        task = self.run_one("noimage", [{"name": "main", "image": f"{self.plain.host}/absent:1", "memory": 32}])
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertRegex(task["stoppedReason"] + task["containers"][0].get("reason", ""), r"CannotPull\w+Error: ")
        self.assertNotIn("exitCode", task["containers"][0])
        task = self.run_one("noprogram", [{"name": "main", "image": self.image, "memory": 32, "command": ["/bin/absent"]}])
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertRegex(task["stoppedReason"] + task["containers"][0].get("reason", ""), r"Cannot(Start|Create)ContainerError: ")

    def test_keeps_and_shows_roles(self):
        roles = {"taskRoleArn": "arn:aws:iam::000000000000:role/task", "executionRoleArn": "arn:aws:iam::000000000000:role/exec"}
        shown = self.stack.register("roles", [self.sh("true")], **roles)
        self.assertEqual({k: shown[k] for k in roles}, roles)
        described = self.stack.aws("describe-task-definition", "--task-definition", "roles")["taskDefinition"]
        self.assertEqual({k: described[k] for k in roles}, roles)
        self.assertIn("com.amazonaws.ecs.capability.task-iam-role", [a["name"] for a in described["requiresAttributes"]])
        task = self.stack.await_status(self.stack.run_task("roles", overrides=roles)[0], "STOPPED")
        self.assertEqual(task["containers"][0]["exitCode"], 0)
        self.assertEqual({k: task["overrides"][k] for k in roles}, roles)

    def test_rotates_logs(self):
        task = self.run_one("rotate", [self.sh("seq 1 20000", logConfiguration={"logDriver": "json-file", "options": {"max-size": "100k", "max-file": "2"}})])
        lines = self.logs(task).split()
        self.assertEqual(lines[-1], "20000")
        self.assertLess(len(lines), 20000)
        self.assertEqual(lines, [str(n) for n in range(int(lines[0]), 20001)])
        self.assertEqual(self.logs(task, "--tail", "3").split(), ["19998", "19999", "20000"])

    def test_shows_the_health_of_containers_and_of_the_task(self):
        check = {"command": ["CMD-SHELL", "test -e /tmp/ready"], "interval": 5, "timeout": 2, "retries": 10}
        self.stack.register("checked", [self.sh("touch /tmp/ready; exec sleep 1000", healthCheck=check)])
        arn = self.stack.run_task("checked")[0]
        self.stack.await_status(arn, "RUNNING")
        api = Api(self.stack.port())
        statuses = []

        def healthy():
            task = api.call("DescribeTasks", tasks=[arn])["tasks"][0]
            statuses.append((task["healthStatus"], task["containers"][0]["healthStatus"]))
            return statuses[-1] == ("HEALTHY", "HEALTHY")

        until("the task is healthy", healthy)
        self.assertEqual(statuses[0], ("UNKNOWN", "UNKNOWN"))
        self.stack.call("StopTask", task=arn)
        self.stack.await_status(arn, "STOPPED")

    def test_a_host_without_gpus_is_no_place_for_a_task_that_asks_for_one(self):
        self.stack.register("gpus", [self.sh("true", resourceRequirements=[{"type": "GPU", "value": "1"}])])
        answer = self.stack.aws("run-task", "--task-definition", "gpus")
        self.assertEqual((answer["tasks"], [failure["reason"] for failure in answer["failures"]]), ([], ["RESOURCE:GPU"]))

    def test_refuses_by_name_what_it_does_not_act_on(self):
        self.stack.register("labels", [self.sh("true", dockerSecurityOptions=["label:disable"])])
        self.assertIn("dockerSecurityOptions", self.stack.refused("run-task", "--task-definition", "labels"))
        for operation in ("list-account-settings",):
            error = self.stack.refused(operation)
            self.assertIn("".join(word.title() for word in operation.split("-")), error)

    def test_same_client_token_runs_once(self):
        self.stack.register("token", [self.sh("true")])
        # By the bare client: Debian's AWS CLI does not know the member yet.
        api = Api(self.stack.port())
        first = api.call("RunTask", taskDefinition="token", clientToken="once")["tasks"][0]["taskArn"]
        self.assertEqual(api.call("RunTask", taskDefinition="token", clientToken="once")["tasks"][0]["taskArn"], first)
        with self.assertRaises(Refused) as conflict:
            api.call("RunTask", taskDefinition="token", clientToken="once", count=2)
        self.assertIn("ConflictException", str(conflict.exception))

    def test_lists_instances_with_resources(self):
        arns = self.stack.aws("list-container-instances")["containerInstanceArns"]
        self.assertEqual(len(arns), 1)
        instance = self.stack.aws("describe-container-instances", "--container-instances", arns[0])["containerInstances"][0]
        self.assertTrue(instance["agentConnected"])
        self.assertEqual(instance["status"], "ACTIVE")
        total = {r["name"]: r for r in instance["registeredResources"]}
        self.assertEqual(total["CPU"]["integerValue"], os.cpu_count() * 1024)
        self.assertIn("22", total["PORTS"]["stringSetValue"])
        self.assertIn({"name": "ecs.os-type", "value": "linux"},
                      [{k: a[k] for k in ("name", "value") if k in a} for a in instance["attributes"]])

    def test_run_says_that_its_task_goes_on_without_the_control_plane(self):
        attached = subprocess.Popen(
            [BIN + "/berth", "--api", self.stack.url, "run", "--entrypoint", "/bin/sh", self.image, "--", "-c", "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.stack.env)
        self.addCleanup(attached.wait)
        self.addCleanup(attached.kill)
        self.assertEqual(attached.stdout.readline(), "here\n")
        self.stack.kill("berthd")
        _, errors = attached.communicate(timeout=20)
        self.stack.up()
        self.assertEqual(attached.returncode, 125, errors)
        self.assertIn("The task goes on", errors)
        task = re.search("berth logs -f ([0-9a-f]{32})", errors)[1]
        self.assertEqual(self.stack.berth("logs", task).stdout, "here\n")
        self.stack.berth("stop", "--wait", task)

    def test_a_terminal_shows_how_far_a_pull_is(self):
        noise = images.layer([("noise", os.urandom(32 << 20), 0o644)], (), applets=False)
        self.plain.client.image("large", "1", [images.layer(), noise], Env=["PATH=/bin"])
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
            os.execve(BIN + "/berth", ["berth", "--api", self.stack.url, "run", "--entrypoint", "/bin/sh", f"{self.plain.host}/large:1",
                                       "--", "-c", "echo done"], self.stack.env)
        self.addCleanup(os.close, master)
        seen = b""
        try:
            while piece := os.read(master, 4096):
                seen += piece
        except OSError:
            pass  # how a terminal tells its end
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, seen)
        self.assertRegex(seen.decode(), r"pulling \S+/large:1 [0-9.]+/3[2-9]\.\d MiB, [01]/2 layers")
        self.assertTrue(seen.endswith(b"\r\x1b[Kdone\r\n"), seen[-80:])

    def test_stop_of_an_unknown_id_says_where_to_look(self):
        refused = self.stack.berth("stop", "0" * 32, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("`berth ps -a` lists them", refused.stderr)

    def test_command_line_runs_and_follows(self):
        done = self.stack.berth("run", "--entrypoint", "/bin/sh", self.image, "--", "-c", "echo from run; exit 7", check=False)
        self.assertEqual((done.returncode, done.stdout), (7, "from run\n"), done.stderr)
        task = self.stack.berth("run", "-d", "--entrypoint", "/bin/sh", self.image, "--", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done").stdout.strip()
        self.assertRegex(task, "^[0-9a-f]{32}$")
        self.assertEqual(self.stack.berth("logs", "-f", task[:10]).stdout, "1\n2\n3\n")
        self.assertIn(task[:12], self.stack.berth("ps", "-a").stdout)
        self.assertEqual(self.stack.berth("logs", task, "--since", "1h").stdout, "1\n2\n3\n")
        self.assertEqual(self.stack.berth("logs", task, "--since", "2000-01-01T00:00:00+02:00").stdout, "1\n2\n3\n")
        self.assertEqual(self.stack.berth("logs", task, "--since", "2999-01-01T00:00:00Z").stdout, "")
        self.assertIn("want 90s", self.stack.berth("logs", task, "--since", "yesterday", check=False).stderr)
        records = [json.loads(line) for line in self.stack.berth("--output", "json", "logs", task).stdout.splitlines()]
        self.assertEqual([(r["log"], r["stream"], r["container"]) for r in records], [(n, "stdout", "tools") for n in "123"])
        lines = self.stack.berth("--output", "json", "run", self.image, "--", "/bin/echo", "json").stdout.splitlines()
        self.assertEqual([json.loads(line).get("log", json.loads(line).get("lastStatus")) for line in lines], ["json", "STOPPED"])
        self.assertIn("no task begins with ''", self.stack.berth("logs", "", check=False).stderr)
        missing = self.stack.berth("run", f"{self.plain.host}/absent:9", check=False)
        self.assertEqual(missing.returncode, 125)
        self.assertRegex(missing.stderr, r"CannotPull\w+Error")
        plugins = json.loads(self.stack.berth("--output", "json", "plugin", "list").stdout)["plugins"]
        self.assertEqual({p["name"] for p in plugins}, {"ec2", "fargate", "gpu", "registry-ecr", "roles"})
        self.assertIn("0.1.0", self.stack.berth("version").stdout)


def fetch(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
