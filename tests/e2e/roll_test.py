# SPDX-License-Identifier: Apache-2.0
"""A service of thirty tasks behind published ports on three hosts is rolled under HTTP requests while one host dies; then a revision whose
program is missing is rolled back. Every request to a task that is not being stopped is answered."""
import hosts

hosts.own_network()  # before anything starts a thread

import http.client
import random
import threading
import time
import unittest

from api import Api
from stack import until

CONFIG = """
service_healthy_after_seconds = 1
[plugins.ec2]
listen = "10.253.0.1:5081"
heartbeat_ms = 300
dead_after_ms = 1500
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
"""
TASKS = 30
SERVE = "mkdir -p /tmp/w; echo $VERSION > /tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w"


class Requests:
    """Asks the tasks that run, one after the other, for as long as it lives."""

    def __init__(self, port, addresses):
        self.api = Api(port)
        self.addresses = addresses  # of container instances that live, by ARN
        self.answered = {}          # by what was answered
        self.excused = 0            # the task was being stopped, or its host was dead, when that was looked at after
        self.unanswered = []
        self.targets = []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._look), threading.Thread(target=self._ask)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def tasks(api):
        """`api` is the calling thread's own: a connection has one request at a time."""
        arns, token = [], {}
        while True:
            answer = api.call("ListTasks", serviceName="web", **token)
            arns += answer["taskArns"]
            if not answer.get("nextToken"):
                break
            token = {"nextToken": answer["nextToken"]}
        return [task for start in range(0, len(arns), 100)
                for task in api.call("DescribeTasks", tasks=arns[start:start + 100])["tasks"]]

    def _look(self):
        while not self.done.wait(0.1):
            # A moment after the start: the program has had the time to listen.
            before = time.time() - 1
            self.targets = [task for task in self.tasks(self.api) if task["lastStatus"] == "RUNNING" and task["startedAt"] < before]

    def _ask(self):
        client = Api(self.api.connection.port)
        while not self.done.is_set():
            targets = self.targets
            if not targets:
                self.done.wait(0.05)
                continue
            task = random.choice(targets)
            address = self.addresses.get(task["containerInstanceArn"])
            if address is None:
                continue
            port = task["containers"][0]["networkBindings"][0]["hostPort"]
            try:
                connection = http.client.HTTPConnection(address, port, timeout=5)
                connection.request("GET", "/")
                answer = connection.getresponse()
                text = answer.read().decode().strip()
                connection.close()
                if answer.status != 200:
                    raise OSError(f"HTTP {answer.status}")
                self.answered[text] = self.answered.get(text, 0) + 1
            except (OSError, http.client.HTTPException) as error:
                now = client.call("DescribeTasks", tasks=[task["taskArn"]])["tasks"]
                stopping = not now or now[0]["desiredStatus"] == "STOPPED"
                if stopping or task["containerInstanceArn"] not in self.addresses:
                    self.excused += 1
                else:
                    self.unanswered.append(f"{task['taskArn']} at {address}:{port}: {error!r}")

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join(30)


class Roll(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.open_plane(cls, CONFIG)
        cls.hosts = [hosts.Host(cls.directory, number, cls.plane) for number in (1, 2, 3)]
        cls.addClassCleanup(cls.check_left)
        for host in cls.hosts:
            host.start()
        cls.api = Api(cls.plane.port())
        until("three hosts are there", lambda: len(cls.by_name()) == 3)

    @classmethod
    def check_left(cls):
        cls.api.call("DeleteService", service="web", force=True)
        until("its tasks have stopped", lambda: cls.service()["status"] == "INACTIVE", 60)
        cls.hosts[2].bury()
        left = {host.name: host.stop() for host in cls.hosts}
        assert not any(left.values()), f"left behind: {left}"

    @classmethod
    def by_name(cls):
        """Connected container instances by the name of their host."""
        arns = cls.api.call("ListContainerInstances")["containerInstanceArns"]
        if not arns:
            return {}
        found = cls.api.call("DescribeContainerInstances", containerInstances=arns)["containerInstances"]
        return {next(attribute["value"] for attribute in one["attributes"] if attribute["name"] == "host"): one["containerInstanceArn"]
                for one in found if one["agentConnected"]}

    @classmethod
    def service(cls):
        return cls.api.call("DescribeServices", services=["web"])["services"][0]

    def define(self, **members):
        container = {"name": "main", "image": f"{self.registry.host}/tools:1", "memory": 16, "cpu": 8, "stopTimeout": 2,
                     "command": ["/bin/sh", "-c", SERVE], "portMappings": [{"containerPort": 80}], **members}
        self.api.call("RegisterTaskDefinition", family="web", networkMode="bridge", containerDefinitions=[container])

    def until_rolled(self, revision, seconds=120):
        def rolled():
            service = self.service()
            primary = service["deployments"][0]
            return (len(service["deployments"]) == 1 and primary["taskDefinition"].endswith(f":{revision}") and
                    primary["rolloutState"] == "COMPLETED" and service["runningCount"] == TASKS)
        until(f"only revision {revision} runs", lambda: rolled(), seconds)

    def test_every_request_is_answered_whatever_happens(self):
        for version in ("1", "2"):
            self.define(environment=[{"name": "VERSION", "value": version}])
        self.api.call("CreateService", serviceName="web", taskDefinition="web:1", desiredCount=TASKS, deploymentConfiguration={
            "minimumHealthyPercent": 50, "maximumPercent": 150, "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
        self.until_rolled(1)
        instances = self.by_name()
        addresses = {instances[host.name]: host.address for host in self.hosts}
        requests = Requests(self.plane.port(), addresses)
        try:
            until("requests are answered", lambda: requests.answered.get("1", 0) > 100)
            self.api.call("UpdateService", service="web", taskDefinition="web:2")
            until("both versions answer", lambda: requests.answered.get("2", 0) > 10)
            dead = instances[self.hosts[2].name]
            del addresses[dead]
            self.hosts[2].power_cut()
            until("the host is missed", lambda: len(self.by_name()) == 2)
            ended = self.api.call("DeregisterContainerInstance", containerInstance=dead, force=True)["containerInstance"]
            self.assertEqual(ended["status"], "INACTIVE")
            self.until_rolled(2)
            self.assertEqual({task["containerInstanceArn"] for task in requests.tasks(self.api)}, set(addresses))
            before = {task["taskArn"] for task in requests.tasks(self.api)}

            self.define(command=["/no/such/program"])
            self.api.call("UpdateService", service="web", taskDefinition="web:3")
            until("the breaker has tripped", lambda: self.service()["taskDefinition"].endswith(":2"), 120)
            self.until_rolled(2)
            newest = self.api.call("ListServiceDeployments", service="web")["serviceDeployments"][0]
            self.assertEqual(newest["status"], "ROLLBACK_SUCCESSFUL")
            stayed = before & {task["taskArn"] for task in requests.tasks(self.api)}
            self.assertGreaterEqual(len(stayed), TASKS // 2, "minimumHealthyPercent is 50")
            seen = sum(requests.answered.values())
            until("requests are answered still", lambda: sum(requests.answered.values()) > seen + 50)
        finally:
            requests.stop()
        self.assertEqual(requests.unanswered, [])
        print(f"requests answered: {requests.answered}, excused: {requests.excused}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
