# SPDX-License-Identifier: Apache-2.0
"""Several agents of one fleet: who they are, what sets them apart, and what becomes of their tasks when one is cut off, killed or removed."""
import json
import os
import signal
import subprocess
import time
import unittest

from leftovers import Leftovers
from stack import BIN, Scene, run, until


def process_of(command):
    """The id of the process with exactly this command line, or None."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
                if line.read() == command:
                    return int(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


class Agent:
    """One more agent on this machine, beside the stack's own."""

    def __init__(self, test, name, **settings):
        self.stack = test.stack
        self.directory = f"{test.scene.directory}/{name}"
        os.mkdir(self.directory, 0o711)
        self.config = self.directory + "/agent.toml"
        number = os.getpid() % 10_000
        with open(test.stack.data + "/ec2.port", encoding="ascii") as port:
            server = "127.0.0.1:" + port.read().strip()
        mine = {"server": server, "join_token_file": test.stack.data + "/plugins/ec2/join-token", "data_dir": self.directory + "/data",
                "cluster": "default", "bridge": f"b{name}{number}", "cgroup_parent": f"b{name}{number}", "cpu": 512, "memory": 256,
                **settings}
        tables = {key: value for key, value in mine.items() if isinstance(value, dict)}
        with open(self.config, "w", encoding="utf-8") as out:
            for key, value in mine.items():
                if key not in tables:
                    out.write(f"{key} = {json.dumps(value)}\n")
            for key, table in tables.items():
                out.write(f"[{key}]\n" + "".join(f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in table.items()))
        self.process = None
        self.log = self.directory + "/log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN + "/berth-agent", "--config", self.config], stdout=log, stderr=log)
        return self

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def id(self):
        found = until(f"{self.config} joined\n{self.said()}", lambda: [line for line in self.said().splitlines() if "as node " in line])
        return found[-1].split("as node ")[1].split()[0]

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def clear(self):
        """Ends its tasks, however the test has gone, then it, and takes away what it has on the host."""
        if Leftovers(self.config, run).of_finished([]):
            if self.process.poll() is not None:
                self.start()
            for task in self.stack.call("ListTasks")["taskArns"]:
                self.stack.call("StopTask", task=task)
            until("its tasks have ended", lambda: not Leftovers(self.config, run).of_finished([]), 60)
        self.stop()
        run([BIN + "/berth-agent", "--config", self.config, "--remove-leftovers"])


class Agents(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.addCleanup(self.scene.check_closed)
        registry = self.scene.registry()
        self.image = f"{registry.host}/tools:1"
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        self.stack = self.scene.start("""
[plugins.ec2]
heartbeat_ms = 200
dead_after_ms = 2000
certificate_lifetime_seconds = 6
""")

    def agent(self, name, **settings):
        agent = Agent(self, name, **settings).start()
        self.addCleanup(agent.clear)
        return agent

    def listed(self):
        return {agent["id"]: agent for agent in json.loads(self.stack.berth("--output", "json", "agent", "list").stdout)}

    def task_on(self, agent, script="trap 'exit 0' TERM; sleep 1000 & wait"):
        self.stack.register("pinned", [{"name": "main", "image": self.image, "memory": 32, "stopTimeout": 5,
                                        "command": ["/bin/sh", "-c", script]}], networkMode="none")
        self.instance(agent)
        started = self.stack.call("StartTask", taskDefinition="pinned", containerInstances=[agent])
        self.assertEqual(started["failures"], [])
        return started["tasks"][0]["taskArn"]

    def instance(self, agent):
        return until("it has joined", lambda: self.stack.call("DescribeContainerInstances", containerInstances=[agent])["containerInstances"])[0]

    def test_each_has_its_certificate_which_is_renewed_while_it_works(self):
        second = self.agent("two")
        first_expiry = until("it is listed", lambda: self.listed().get(second.id()))["certificateExpiresAt"]
        task = self.task_on(second.id())
        self.stack.await_status(task, "RUNNING")
        # Three lives of a certificate, and never away.
        until("it has had three more", lambda: self.listed()[second.id()]["certificateExpiresAt"] > first_expiry + 10, 60)
        self.assertNotIn("disconnected", second.said())
        self.assertEqual(second.said().count("connected to"), 1, second.said())
        self.assertEqual(self.stack.task(task)["lastStatus"], "RUNNING")
        agents = self.listed()
        self.assertEqual(len(agents), 2)
        self.assertTrue(all(agent["connected"] and agent["address"] == "127.0.0.1" for agent in agents.values()))
        self.assertIn(second.id(), self.stack.berth("agent", "list").stdout)
        self.stack.call("StopTask", task=task)
        self.stack.await_status(task, "STOPPED")

    def test_away_beyond_its_certificate_it_comes_back_as_itself(self):
        second = self.agent("two")
        node, task = second.id(), self.task_on(second.id())
        self.stack.await_status(task, "RUNNING")
        second.kill()
        until("its certificate has expired", lambda: self.listed()[node]["certificateExpiresAt"] < time.time(), 30)
        second.start()
        until(f"it is back\n{second.said()}", lambda: self.listed()[node]["connected"], 30)
        self.assertEqual(self.stack.task(task)["lastStatus"], "RUNNING")
        self.stack.call("StopTask", task=task)
        self.stack.await_status(task, "STOPPED")

    def test_they_offer_what_is_declared_and_placement_sees_their_attributes(self):
        second = self.agent("two", attributes={"rack": "r7"}, cpu=300, memory=200)
        instance = self.instance(second.id())
        amounts = {resource["name"]: resource["integerValue"] for resource in instance["registeredResources"]}
        self.assertEqual((amounts["CPU"], amounts["MEMORY"]), (300, 200))
        target = instance["containerInstanceArn"]
        self.assertIn({"name": "rack", "value": "r7"}, instance["attributes"])
        self.stack.aws("put-attributes", "--attributes", f"name=stack,value=blue,targetId={target}")
        listed = self.stack.aws("list-attributes", "--target-type", "container-instance", "--attribute-name", "stack")["attributes"]
        self.assertEqual(listed, [{"name": "stack", "value": "blue", "targetId": target}])
        self.stack.register("blue", [{"name": "main", "image": self.image, "memory": 32, "command": ["true"]}], networkMode="none",
                            placementConstraints=[{"type": "memberOf", "expression": "attribute:stack == blue and attribute:rack == r7"}])
        task = self.stack.task(self.stack.run_task("blue")[0])
        self.assertEqual(task["containerInstanceArn"], target)
        self.stack.await_status(task["taskArn"], "STOPPED")
        self.stack.aws("delete-attributes", "--attributes", f"name=stack,targetId={target}")
        self.assertIn("MemberOf placement constraint unsatisfied", json.dumps(self.stack.aws("run-task", "--task-definition", "blue")["failures"]))
        self.assertIn("TargetNotFoundException", self.stack.refused(
            "put-attributes", "--attributes", f"name=a,targetId={'0' * 32},targetType=container-instance"))

    def test_two_that_share_a_name_or_a_directory_are_refused_clearly(self):
        second = self.agent("two")
        second.id()
        third = Agent(self, "three", bridge=f"btwo{os.getpid() % 10_000}").start()
        self.assertEqual(third.process.wait(20), 1)
        self.assertRegex(third.said(), r"bridge 'btwo\d+' is used by another agent of this machine, that of .*/two/data: give each agent its own")
        same = subprocess.run([BIN + "/berth-agent", "--config", second.config], capture_output=True, text=True, timeout=20)
        self.assertEqual(same.returncode, 1)
        self.assertIn("Another agent uses ", same.stderr)

    def test_cut_off_it_keeps_its_tasks_and_catches_up_afterwards(self):
        second = self.agent("two")
        node = second.id()
        mark = f"20{os.getpid():07d}"
        kept, ended, stopped = self.task_on(node), self.task_on(node, f"sleep {mark}; exit 9"), self.task_on(node)
        for task in (kept, ended, stopped):
            self.stack.await_status(task, "RUNNING")
        table = f"berth_partition_{os.getpid()}"
        with open(self.stack.data + "/ec2.port", encoding="ascii") as port:
            fleet = port.read().strip()
        run(["nft", "-f", "-"], stdin="\n".join([
            f"table inet {table} {{", "chain cut {", "type filter hook input priority -300; policy accept;",
            f"tcp dport {fleet} drop", f"tcp sport {fleet} drop", "}", "}", ""]))
        self.addCleanup(run, ["nft", "delete", "table", "inet", table], check=False)
        until("it counts as away", lambda: not self.instance(node)["agentConnected"], 30)
        self.assertEqual(self.stack.task(kept)["connectivity"], "DISCONNECTED")
        os.kill(until("its program runs", lambda: process_of(f"sleep\0{mark}\0")), signal.SIGKILL)
        self.assertEqual(self.stack.task(ended)["lastStatus"], "RUNNING")
        self.stack.call("StopTask", task=stopped)
        refused = self.stack.call("StartTask", taskDefinition="pinned", containerInstances=[node])
        self.assertEqual([failure["reason"] for failure in refused["failures"]], ["AGENT"])
        run(["nft", "delete", "table", "inet", table])
        until("it is back", lambda: self.instance(node)["agentConnected"], 60)
        self.assertEqual(self.stack.await_status(ended, "STOPPED")["containers"][0]["exitCode"], 9)
        self.stack.await_status(stopped, "STOPPED")
        self.assertEqual(self.stack.task(kept)["lastStatus"], "RUNNING")
        self.stack.call("StopTask", task=kept)
        self.stack.await_status(kept, "STOPPED")

    def test_a_killed_host_tells_on_its_return_that_all_has_ended(self):
        second = self.agent("two")
        node = second.id()
        tasks = [self.task_on(node), self.task_on(node)]
        for task in tasks:
            self.stack.await_status(task, "RUNNING")
        # As a power cut: everything at once.
        second.kill()
        parent = f"btwo{os.getpid() % 10_000}"
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cgroup", encoding="ascii") as group, open(f"/proc/{pid}/cmdline", "rb") as command:
                    if f"/{parent}/" in group.read() or f"{second.directory}/".encode() in command.read():
                        os.kill(int(pid), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue
        second.start()
        for task in tasks:
            self.stack.await_status(task, "STOPPED")
        leftovers = Leftovers(second.config, run)
        until(f"nothing is left: {leftovers.of_finished([])}", lambda: leftovers.of_finished([]) == {}, 20)

    def test_removed_it_says_so_ends_its_tasks_and_leaves_nothing(self):
        second = self.agent("two")
        node, task = second.id(), self.task_on(second.id())
        self.stack.await_status(task, "RUNNING")
        refused = self.stack.berth("agent", "remove", node, check=False)
        self.assertNotEqual(refused.returncode, 0, "it has a task")
        self.assertEqual(self.stack.berth("agent", "remove", "--force", node[:12]).stdout.strip(), node)
        self.assertNotIn(node, self.listed())
        self.stack.await_status(task, "STOPPED")
        self.assertEqual(second.process.wait(30), 0, second.said())
        self.assertIn("this host was removed from the fleet", second.said())
        leftovers = Leftovers(second.config, run)
        self.assertEqual(leftovers.of_finished([]), {})
        # It stays out, with its old certificate and with the token; a new identity is a new host.
        again = subprocess.run([BIN + "/berth-agent", "--config", second.config], capture_output=True, text=True, timeout=30)
        self.assertEqual(again.returncode, 0)
        self.assertIn(f"to join anew, remove {second.directory}/data/identity", again.stdout + again.stderr)
        os.unlink(second.directory + "/data/identity")
        os.unlink(second.log)
        second.start()
        self.assertNotEqual(second.id(), node)

    def test_removed_while_it_is_away_it_hears_so_when_it_comes_back(self):
        second = self.agent("two")
        node, task = second.id(), self.task_on(second.id())
        self.stack.await_status(task, "RUNNING")
        second.kill()
        until("it counts as away", lambda: not self.listed()[node]["connected"], 30)
        self.stack.berth("agent", "remove", "--force", node)
        self.assertNotEqual(Leftovers(second.config, run).of_finished([]), {}, "its task runs on")
        second.start()
        self.assertEqual(second.process.wait(30), 0, second.said())
        self.assertEqual(Leftovers(second.config, run).of_finished([]), {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
