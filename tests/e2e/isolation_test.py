# SPDX-License-Identifier: Apache-2.0
"""What tasks of a Fargate pool may see of others and do to them: nothing, with crun in user namespaces and with runsc.

A host of each kind, in a zone of its own, so that a task's subnet says in which it runs.
"""
import hosts

hosts.own_network()  # before anything starts a thread

import shutil
import unittest

from api import Api
from stack import until

CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
[plugins.fargate]
listen = "10.253.0.1:5082"
[plugins.fargate.pools.default]
sandbox = "user-namespace"
[plugins.fargate.pools.kernels]
sandbox = "runsc"
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
[[subnet]]
id = "subnet-namespaces"
cidr = "10.70.0.0/24"
[[subnet]]
id = "subnet-kernels"
cidr = "10.71.0.0/24"
zone = "us-east-1b"
[[security_group]]
id = "sg-closed"
[[security_group]]
id = "sg-open"
ingress = [{{ protocol = "tcp", from_port = 8080, to_port = 8080, cidr = "10.64.0.0/10" }}]
"""
LIMITS = {"pids": 200, "disk_gib": 1}
SERVE = "mkdir -p /tmp/w; echo a secret of mine > /tmp/w/index.html; sleep 98765 & exec httpd -f -p 8080 -h /tmp/w"


class Isolation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.demand_sandboxes()
        hosts.open_plane(cls, CONFIG)
        cls.api = Api(cls.plane.port())
        cls.hosts = [
            hosts.Host(cls.directory, 1, cls.plane, fleet="fargate", cpu=1024, memory=2048, task_limits=LIMITS,
                       user_namespaces={"first_id": 30_000_000, "last_id": 30_655_359}),
            hosts.Host(cls.directory, 2, cls.plane, fleet="fargate", cpu=1024, memory=2048, task_limits=LIMITS, runtime="runsc",
                       availability_zone="us-east-1b", attributes={"berth.pool": "kernels"})]
        if shutil.which("runsc") is None:
            cls.hosts.pop()
        cls.addClassCleanup(lambda: hosts.stop_all(cls.api, cls.hosts))
        for host in cls.hosts:
            host.start()
        cls.kinds = ["namespaces", "kernels"][:len(cls.hosts)]
        cls.register("beside", SERVE)
        for kind in cls.kinds:
            until(f"the host of {kind} is there", lambda: cls.api.call(
                "Berth.PlanTask", taskDefinition="beside", launchType="FARGATE", networkConfiguration=cls.network(kind)).get("placedCount"))

    @classmethod
    def register(cls, family, script):
        cls.plane.register(family, [{"name": "main", "image": f"{cls.registry.host}/tools:1", "command": ["/bin/sh", "-c", script],
                                     "stopTimeout": 2}],
                           networkMode="awsvpc", cpu="256", memory="512", requiresCompatibilities=["FARGATE"])

    @staticmethod
    def network(kind, *groups):
        return {"awsvpcConfiguration": {"subnets": ["subnet-" + kind], "securityGroups": list(groups or ["sg-default"])}}

    def launch(self, family, kind, *groups):
        answer = self.api.call("RunTask", taskDefinition=family, launchType="FARGATE", networkConfiguration=self.network(kind, *groups))
        self.assertEqual(answer["failures"], [])
        return answer["tasks"][0]["taskArn"]

    def describe(self, arn):
        return self.api.call("DescribeTasks", tasks=[arn])["tasks"][0]

    def reach(self, arn, status, seconds=90):
        def there():
            task = self.describe(arn)
            self.assertTrue(task["lastStatus"] != "STOPPED" or status == "STOPPED", task)
            return task if task["lastStatus"] == status else None
        return until(f"{arn} is {status}\n" + self.plane.tail() + "".join(host.log() for host in self.hosts), there, seconds)

    def stop(self, *arns):
        for arn in arns:
            self.api.call("StopTask", task=arn)
        for arn in arns:
            self.reach(arn, "STOPPED")

    def said(self, arn):
        logs = self.plane.berth("logs", arn)
        return logs.stdout + logs.stderr

    @staticmethod
    def address(task):
        return next(detail["value"] for detail in task["attachments"][0]["details"] if detail["name"] == "privateIPv4Address")

    def in_each(self, check):
        for kind in self.kinds:
            with self.subTest(kind):
                check(kind)

    def beside(self, family, kind):
        """What a task of this family has become, next to one that serves on and has not been touched by it."""
        neighbour = self.launch("beside", kind, "sg-open")
        before = self.reach(neighbour, "RUNNING")
        arn = self.launch(family, kind)
        task = self.reach(arn, "STOPPED")
        after = self.reach(neighbour, "RUNNING")
        self.assertEqual((after["startedAt"], after["version"]), (before["startedAt"], before["version"]))
        host = self.hosts[self.kinds.index(kind)]
        self.assertIn("secret", host.output("curl", "-s", "--max-time", "5", self.address(after) + ":8080"), "it serves as before")
        self.stop(neighbour)
        return task, self.said(arn)

    def test_a_memory_hog_ends_itself_alone(self):
        self.register("memory", "echo begin; exec dd if=/dev/zero of=/dev/null bs=900M count=1")

        def check(kind):
            task, said = self.beside("memory", kind)
            container = task["containers"][0]
            self.assertIn("begin", said)
            self.assertEqual(container["exitCode"], 137, task)
            self.assertIn("OutOfMemory", container.get("reason", ""), task)
        self.in_each(check)

    def test_a_fork_bomb_ends_itself_alone(self):
        self.register("bomb", "echo begin; i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); done; echo all of them")

        def check(kind):
            task, said = self.beside("bomb", kind)
            self.assertIn("begin", said)
            self.assertNotIn("all of them", said)
            self.assertNotEqual(task["containers"][0].get("exitCode"), 0, task)
        self.in_each(check)

    def test_a_full_disk_is_that_tasks_own(self):
        self.register("disk", "dd if=/dev/zero of=/full bs=1M count=1500; echo exit $?; rm /full; echo room > /again && cat /again")

        def check(kind):
            task, said = self.beside("disk", kind)
            self.assertIn("No space left on device", said)
            self.assertIn("exit 1\nroom\n", said)
            self.assertEqual(task["containers"][0]["exitCode"], 0, task)
        self.in_each(check)

    def test_no_task_sees_another(self):
        def check(kind):
            neighbour = self.launch("beside", kind, "sg-closed")
            there = self.address(self.reach(neighbour, "RUNNING"))
            self.register("look", "echo processes; ps | grep -c '[9]8765'; echo files; grep -rl 'a secret of mine' /tmp /mnt /var /run 2>/dev/null; "
                          f"echo address; nc -w 3 {there} 8080 </dev/null && echo open || echo closed; echo end")
            arn = self.launch("look", kind)
            self.reach(arn, "STOPPED")
            self.assertIn("processes\n0\nfiles\naddress\nclosed\nend\n", self.said(arn))
            self.stop(neighbour)
            neighbour = self.launch("beside", kind, "sg-open")
            there = self.address(self.reach(neighbour, "RUNNING"))
            self.register("ask", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {there} 8080")
            asking = self.launch("ask", kind)
            self.reach(asking, "STOPPED")
            self.assertIn("a secret of mine", self.said(asking), "its group lets this one in")
            self.stop(neighbour)
        self.in_each(check)


if __name__ == "__main__":
    unittest.main(verbosity=2)
