# SPDX-License-Identifier: Apache-2.0
"""A host with four devices beside a container instance that has none: the AWS CLI's GPUs, as ECS has them.

The devices are a test plugin's (tests/sdk/runtime/devices/scripted_host.cpp): it does as it is told, and its devices are nodes of
drivers that this machine may have or not; opening one tells which the device cgroup lets through.
"""
import hosts

hosts.own_network()  # before anything starts a thread

import os
import re
import unittest

from api import Api
from stack import BIN, until

CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
[plugins.gpu]
listen = "10.253.0.1:5083"
heartbeat_ms = 300
dead_after_ms = 1500
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
[[subnet]]
id = "subnet-default"
cidr = "10.70.0.0/24"
[[security_group]]
id = "sg-shut"
ingress = [{{ protocol = "tcp", from_port = 1, to_port = 1, group = "sg-shut" }}]
"""
PLUGIN = BIN + "/../tests/plugins/libscripted-host.so"
MINORS = (229, 200, 237, 242)  # of the plugin's devices
# Which of all devices can be opened, by nodes that the container makes itself.
LOOK = ("echo devices=$SCRIPTED_DEVICES; ls /dev | grep scripted; head -c 5 /scripted-driver; echo; mkdir -p /n; "
        + "".join(f"mknod /n/{n} c 10 {minor}; (: < /n/{n}) 2>&1 | grep -q 'not permitted' && echo closed {n} || echo open {n}; "
                  for n, minor in enumerate(MINORS)))


class Gpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.open_plane(cls, CONFIG)
        cls.api = Api(cls.plane.port())
        cls.orders, cls.journal = cls.directory + "/orders", cls.directory + "/journal"
        os.mkfifo(cls.orders, 0o600)
        cls.plain = hosts.Host(cls.directory, 1, cls.plane)
        cls.host = hosts.Host(cls.directory, 2, cls.plane, fleet="gpu", **{"plugins.scripted": {
            "path": os.path.realpath(PLUGIN), "orders": cls.orders, "journal": cls.journal,
            "rules": ["tcp dport 8080 accept"]}})
        cls.addClassCleanup(lambda: hosts.stop_all(cls.api, [cls.plain, cls.host]))
        for host in (cls.plain, cls.host):
            host.start()
        until("both hosts are there", lambda: len(cls.instances()) == 2)
        for name, gpus in (("one", "1"), ("two", "2"), ("four", "4"), ("half", "0.5")):
            cls.register(name, "exec sleep 1000", gpus)
        until("the devices are there", lambda: cls.free() == 4)

    @classmethod
    def instances(cls):
        arns = cls.api.call("ListContainerInstances")["containerInstanceArns"]
        return cls.api.call("DescribeContainerInstances", containerInstances=arns)["containerInstances"] if arns else []

    @classmethod
    def register(cls, family, script, gpus):
        return cls.plane.register(family, [{"name": "main", "image": f"{cls.registry.host}/tools:1", "memory": 32, "stopTimeout": 2,
                                            "command": ["/bin/sh", "-c", script],
                                            "resourceRequirements": [{"type": "GPU", "value": gpus}]}])

    @classmethod
    def free(cls):
        """How many whole devices could be given now."""
        return cls.api.call("Berth.PlanTask", taskDefinition="one", count=4).get("placedCount", 0)

    @classmethod
    def order(cls, text):
        """Obeyed when this returns: what the plugin then tells is on its way."""
        def obeyed():
            return cls.calls().count("obeyed " + text)
        before = obeyed()
        with open(cls.orders, "w", encoding="ascii") as out:
            out.write(text + "\n")
        until(text, lambda: obeyed() > before)

    @classmethod
    def calls(cls):
        if not os.path.exists(cls.journal):
            return []
        with open(cls.journal, encoding="ascii") as file:
            return file.read().splitlines()

    def describe(self, arn):
        return self.api.call("DescribeTasks", tasks=[arn])["tasks"][0]

    def reach(self, arn, status):
        def there():
            task = self.describe(arn)
            self.assertTrue(task["lastStatus"] in (status, "PROVISIONING", "PENDING") or status == "STOPPED", task)
            return task if task["lastStatus"] == status else None
        return until(f"{arn} is {status}\n" + self.plane.tail() + self.host.log(), there, 60)

    def run_task(self, family, **members):
        answer = self.api.call("RunTask", taskDefinition=family, **members)
        self.assertEqual(answer["failures"], [])
        return answer["tasks"][0]["taskArn"]

    def gpus(self, arn):
        return self.describe(arn)["containers"][0]["gpuIds"]

    def stop(self, *tasks):
        for task in tasks:
            self.api.call("StopTask", task=task)
        for task in tasks:
            self.reach(task, "STOPPED")

    def test_a_call_overrides_how_many_devices_a_container_has(self):
        arn = self.run_task("two", overrides={"containerOverrides": [{"name": "main", "resourceRequirements": [{"type": "GPU", "value": "1"}]}]})
        self.reach(arn, "RUNNING")
        self.assertEqual(len(self.gpus(arn)), 1)
        self.stop(arn)

    def test_the_cli_runs_a_task_that_has_its_devices_and_no_others(self):
        self.register("look", LOOK + "exec sleep 1000", "2")
        started = self.plane.aws("run-task", "--task-definition", "look")
        self.assertEqual(started["failures"], [])
        arn = started["tasks"][0]["taskArn"]
        task = self.plane.await_status(arn, "RUNNING")
        ids = task["containers"][0]["gpuIds"]
        self.assertEqual(len(set(ids)), 2)
        numbers = sorted(int(one[-1]) for one in ids)
        self.assertEqual(numbers[0] // 2, numbers[1] // 2, "of one NUMA node")
        said = until("it has looked around", lambda: (lambda text: text if re.search("(open|closed) 3", text) else None)(
            self.plane.berth("logs", arn).stdout))
        self.assertIn("devices=" + ",".join(ids), said)
        self.assertEqual(re.findall(r"\bscripted(\d)", said), [str(n) for n in numbers], "nodes")
        self.assertIn("Linux", said, "what is mounted")
        self.assertEqual([int(n) for n in re.findall(r"\bopen (\d)", said)], numbers)
        instance = next(one for one in self.instances() if one["containerInstanceArn"] == task["containerInstanceArn"])
        registered = next(one for one in instance["registeredResources"] if one["name"] == "GPU")
        remaining = next(one for one in instance["remainingResources"] if one["name"] == "GPU")
        self.assertEqual(registered["stringSetValue"], ["dev-0", "dev-1", "dev-2", "dev-3"])
        self.assertEqual(set(remaining["stringSetValue"]), set(registered["stringSetValue"]) - set(ids))
        self.assertIn({"name": "berth.gpu-model", "value": "scripted"}, instance["attributes"])
        usage = self.api.call("Berth.TaskStats", tasks=[arn])["containers"][0]
        self.assertEqual([device["deviceId"] for device in usage["devices"]], sorted(ids))
        self.assertEqual(usage["devices"][0]["memoryTotalBytes"], 1 << 30)
        self.stop(arn)
        self.assertIn("release " + arn.rpartition("/")[2], self.calls())

    def test_what_nobody_has_fails_as_in_ecs(self):
        task = self.run_task("two")
        self.reach(task, "RUNNING")
        answer = self.plane.aws("run-task", "--task-definition", "four")
        self.assertEqual(answer["tasks"], [])
        self.assertEqual({failure["reason"] for failure in answer["failures"]}, {"RESOURCE:GPU"})
        self.assertEqual({failure["arn"] for failure in answer["failures"]},
                         {instance["containerInstanceArn"] for instance in self.instances()})
        self.stop(task)

    def test_shares_of_one_device_are_counted(self):
        tasks = [self.run_task("half") for _ in range(2)]
        for task in tasks:
            self.reach(task, "RUNNING")
        self.assertEqual(self.gpus(tasks[0]), self.gpus(tasks[1]), "two halves are one")
        self.api.call("RegisterTaskDefinition", family="share", containerDefinitions=[{
            "name": "main", "image": f"{self.registry.host}/tools:1", "memory": 32, "command": ["/bin/sh", "-c", "exec sleep 1000"],
            "stopTimeout": 2, "resourceRequirements": [
                {"type": "GPU", "sharingStrategy": {"nvidiaMps": {"memory": 700, "maxComputePercent": 20}}}]}])
        shares = [self.run_task("share") for _ in range(2)]
        ids = [self.gpus(task)[0] for task in shares]
        self.assertEqual(len(set(ids)), 2, "their memory is too much for one")
        self.assertNotIn(self.gpus(tasks[0])[0], ids)
        self.stop(*tasks, *shares)

    def test_a_failing_device_stops_its_task_and_is_given_to_nobody_until_it_is_well(self):
        tasks = {self.gpus(task)[0]: task for task in [self.run_task("one") for _ in range(2)]}
        for task in tasks.values():
            self.reach(task, "RUNNING")
        sick, other = list(tasks)
        self.order(f"sick {sick} XID 79: fallen off the bus")
        stopped = self.reach(tasks[sick], "STOPPED")
        self.assertEqual(stopped["stoppedReason"], f"Device {sick} (GPU scripted) is unhealthy: XID 79: fallen off the bus")
        self.assertEqual(stopped["stopCode"], "TerminationNotice")
        self.assertEqual(self.describe(tasks[other])["lastStatus"], "RUNNING")
        until("two are left", lambda: self.free() == 2)
        self.order(f"lose {other}")
        self.assertEqual(self.reach(tasks[other], "STOPPED")["stoppedReason"], f"Device {other} is no longer on this host")
        self.order(f"find {other}")
        self.order(f"well {sick}")
        until("all are back", lambda: self.free() == 4)

    def test_killed_agents_and_control_planes_lose_no_device(self):
        task = self.run_task("two")
        before = self.reach(task, "RUNNING")
        ids = self.gpus(task)
        self.host.kill_agent()
        self.plane.kill()
        self.plane.up()
        type(self).api = Api(self.plane.port())
        self.host.start_agent()
        until("the host is back", lambda: all(one["agentConnected"] for one in self.instances()) and self.free() == 2)
        after = self.describe(task)
        self.assertEqual((after["lastStatus"], after["startedAt"], self.gpus(task)), ("RUNNING", before["startedAt"], ids))
        prepared = f"prepare {task.rpartition('/')[2]} main {','.join(ids)}"
        until("the plugin has been told what runs", lambda: self.calls().count(prepared) == 2)
        beside = self.run_task("two")
        self.reach(beside, "RUNNING")
        self.assertFalse(set(ids) & set(self.gpus(beside)))
        self.stop(task, beside)

    def test_rules_of_a_plugin_are_in_force_also_after_a_restart_of_its_agent(self):
        serve = "mkdir /w; echo served > /w/index.html; httpd -f -p 8080 -h /w & exec httpd -f -p 8081 -h /w"
        for family, script in (("server", serve), ("client", "exit 1")):
            self.plane.register(family, [{"name": "main", "image": f"{self.registry.host}/tools:1", "memory": 32, "stopTimeout": 1,
                                          "command": ["/bin/sh", "-c", script]}], networkMode="awsvpc")

        def launch(family, group, **members):
            return self.run_task(family, placementConstraints=[{"type": "memberOf", "expression": "attribute:host == h2"}], **members,
                                 networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-default"], "securityGroups": [group]}})
        server = launch("server", "sg-shut")
        details = self.reach(server, "RUNNING")["attachments"][0]["details"]
        address = next(one["value"] for one in details if one["name"] == "privateIPv4Address")
        get = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address}"
        ask = f"{get} 8080 | grep -q served || exit 2; {get} 8081 | grep -q served && exit 3; exit 7"

        def asked():
            task = launch("client", "sg-default", overrides={"containerOverrides": [{"name": "main", "command": ["/bin/sh", "-c", ask]}]})
            return self.reach(task, "STOPPED")["containers"][0]["exitCode"]
        self.assertEqual(asked(), 7, "its group lets nobody in, the plugin to one port")
        self.host.kill_agent()
        self.host.start_agent()
        until("the host is back", lambda: self.free() == 4)
        self.assertEqual(asked(), 7)
        told = [call for call in self.calls() if call.startswith("rules " + server.rpartition("/")[2])]
        self.assertEqual([call.split()[3] for call in told], [address], "asked once")
        self.stop(server)

    def test_a_restarted_agent_watches_the_devices_of_tasks_that_run_on(self):
        task = self.run_task("one")
        self.reach(task, "RUNNING")
        device = self.gpus(task)[0]
        self.host.kill_agent()
        self.host.start_agent()
        until("the host is back", lambda: self.free() == 3)
        self.order(f"sick {device} it broke")
        self.reach(task, "STOPPED")
        self.order(f"well {device}")
        until("all are back", lambda: self.free() == 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
