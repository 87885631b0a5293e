# SPDX-License-Identifier: Apache-2.0
"""A pool of three hosts in three zones beside a container instance: the AWS CLI's Fargate, and nobody sees the hosts."""
import hosts

hosts.own_network()  # before anything starts a thread

import collections
import json
import unittest

from api import Api, Refused
from stack import until

CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
[plugins.fargate]
listen = "10.253.0.1:5082"
heartbeat_ms = 300
dead_after_ms = 1500
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
[[subnet]]
id = "subnet-a"
cidr = "10.70.0.0/24"
[[subnet]]
id = "subnet-b"
cidr = "10.71.0.0/24"
zone = "us-east-1b"
[[subnet]]
id = "subnet-c"
cidr = "10.72.0.0/24"
zone = "us-east-1c"
"""
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
SUBNETS = ("subnet-a", "subnet-b", "subnet-c")
SERVE = "mkdir -p /tmp/w; echo served > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"


class Fargate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.demand_sandboxes()
        hosts.open_plane(cls, CONFIG)
        cls.api = Api(cls.plane.port())
        cls.hosts = [hosts.Host(cls.directory, 1, cls.plane)] + [
            hosts.Host(cls.directory, number, cls.plane, fleet="fargate", availability_zone=zone, cpu=1024, memory=2048,
                       user_namespaces={"first_id": 10_000_000 * number, "last_id": 10_000_000 * number + 655_359},
                       task_limits={"pids": 1000, "disk_gib": 20})
            for number, zone in enumerate(ZONES, 2)]
        cls.addClassCleanup(lambda: hosts.stop_all(cls.api, cls.hosts))
        for host in cls.hosts:
            host.start()
        cls.register("web", SERVE)
        until("the pool is there", lambda: cls.placeable("web") == 12)
        until("the container instance is there", lambda: cls.api.call("ListContainerInstances")["containerInstanceArns"])

    @classmethod
    def placeable(cls, family):
        return cls.api.call("Berth.PlanTask", taskDefinition=family, launchType="FARGATE", count=12,
                            networkConfiguration=cls.network()).get("placedCount", 0)

    @classmethod
    def container(cls, script, **members):
        return {"name": "main", "image": f"{cls.registry.host}/tools:1", "command": ["/bin/sh", "-c", script], "stopTimeout": 2, **members}

    @classmethod
    def register(cls, family, script, **members):
        return cls.plane.register(family, [cls.container(script)], **{"networkMode": "awsvpc", "cpu": ".25 vCPU", "memory": "0.5 GB",
                                                                      "requiresCompatibilities": ["FARGATE"], **members})

    @staticmethod
    def network(*subnets, **members):
        return {"awsvpcConfiguration": {"subnets": subnets or SUBNETS, **members}}

    def run_tasks(self, family="web", count=1, subnets=()):
        answer = self.api.call("RunTask", taskDefinition=family, launchType="FARGATE", count=count, networkConfiguration=self.network(*subnets))
        self.assertEqual(answer["failures"], [])
        return [task["taskArn"] for task in answer["tasks"]]

    def reach(self, arn, status):
        """As the stack's await_status, by the bare client: the AWS CLI takes a second each time."""
        def there():
            task = self.api.call("DescribeTasks", tasks=[arn])["tasks"][0]
            self.assertTrue(task["lastStatus"] in (status, "PROVISIONING", "PENDING") or status == "STOPPED", task)
            return task if task["lastStatus"] == status else None
        return until(f"{arn} is {status}\n" + self.plane.tail() + "".join(host.log() for host in self.hosts), there, 60)

    def stop(self, *tasks):
        for task in tasks:
            self.api.call("StopTask", task=task)
        for task in tasks:
            self.reach(task, "STOPPED")

    def refused(self, operation, **members):
        with self.assertRaises(Refused) as refused:
            self.api.call(operation, **members)
        return str(refused.exception)

    def test_the_cli_runs_describes_and_stops_a_task(self):
        started = self.plane.aws("run-task", "--launch-type", "FARGATE", "--task-definition", "web", "--network-configuration",
                                 "awsvpcConfiguration={subnets=[subnet-b],securityGroups=[sg-default],assignPublicIp=ENABLED}")
        self.assertEqual(started["failures"], [])
        self.assertEqual(started["tasks"][0]["lastStatus"], "PROVISIONING")
        arn = started["tasks"][0]["taskArn"]
        task = self.plane.await_status(arn, "RUNNING")
        self.assertNotIn("containerInstanceArn", task)
        self.assertEqual({key: task[key] for key in ("launchType", "platformVersion", "platformFamily", "cpu", "memory", "availabilityZone",
                                                     "connectivity")},
                         {"launchType": "FARGATE", "platformVersion": "1.4.0", "platformFamily": "Linux", "cpu": "256", "memory": "512",
                          "availabilityZone": "us-east-1b", "connectivity": "CONNECTED"})
        attachment = task["attachments"][0]
        details = {detail["name"]: detail["value"] for detail in attachment["details"]}
        self.assertEqual((attachment["type"], attachment["status"]), ("ElasticNetworkInterface", "ATTACHED"))
        self.assertEqual(details["subnetId"], "subnet-b")
        self.assertTrue(details["privateIPv4Address"].startswith("10.71.0."), details)
        interface = task["containers"][0]["networkInterfaces"][0]
        self.assertEqual((interface["attachmentId"], interface["privateIpv4Address"]), (attachment["id"], details["privateIPv4Address"]))
        self.assertEqual(len(self.plane.aws("list-container-instances")["containerInstanceArns"]), 1)
        self.assertEqual(len(self.api.call("Berth.ListAgents")["agents"]), 1)
        # Its address works: from the host in whose zone it is, and for a task in another zone.
        self.assertIn("served", self.hosts[2].output("curl", "-s", "--max-time", "5", details["privateIPv4Address"] + ":8080"))
        self.register("ask", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {details['privateIPv4Address']} 8080")
        asking = self.run_tasks("ask", subnets=("subnet-c",))[0]
        self.assertEqual(self.reach(asking, "STOPPED")["containers"][0]["exitCode"], 0)
        self.assertIn("served", self.plane.berth("logs", asking).stdout)
        self.plane.call("StopTask", task=arn)
        stopped = self.plane.await_status(arn, "STOPPED")
        self.assertEqual((stopped["stopCode"], stopped["attachments"][0]["status"]), ("UserInitiated", "DELETED"))

    def test_tasks_are_spread_over_the_zones_of_their_subnets_until_all_is_full(self):
        tasks = self.run_tasks(count=6)
        zones = collections.Counter(self.reach(task, "RUNNING")["availabilityZone"] for task in tasks)
        self.assertEqual(zones, {zone: 2 for zone in ZONES})
        there = self.run_tasks(count=2, subnets=("subnet-a",))
        full = self.api.call("RunTask", launchType="FARGATE", taskDefinition="web", networkConfiguration=self.network("subnet-a"))
        self.assertEqual(full["tasks"], [])
        self.assertEqual(full["failures"][0]["reason"],
                         "Capacity is unavailable at this time. Please try again later or in a different availability zone")
        self.assertNotIn("arn", full["failures"][0])
        self.stop(*tasks, *there)

    def test_a_service_keeps_its_tasks_on_the_pool(self):
        self.plane.aws("create-service", "--service-name", "web", "--task-definition", "web", "--desired-count", "3", "--launch-type", "FARGATE",
                       "--platform-version", "LATEST", "--network-configuration", "awsvpcConfiguration={subnets=[subnet-a,subnet-b,subnet-c]}")

        def running():
            arns = self.api.call("ListTasks", serviceName="web", desiredStatus="RUNNING")["taskArns"]
            tasks = self.api.call("DescribeTasks", tasks=arns)["tasks"] if arns else []
            return [task for task in tasks if task["lastStatus"] == "RUNNING"]
        until("three run", lambda: len(running()) == 3)
        first = running()
        self.assertEqual(sorted(task["availabilityZone"] for task in first), list(ZONES))
        self.stop(first[0]["taskArn"])
        until("it is replaced", lambda: len(running()) == 3)
        self.assertEqual(sorted(task["availabilityZone"] for task in running()), list(ZONES))
        service = self.plane.call("DescribeServices", services=["web"])["services"][0]
        self.assertEqual((service["launchType"], service["platformVersion"]), ("FARGATE", "LATEST"))
        self.api.call("DeleteService", service="web", force=True)
        until("all have ended", lambda: not self.api.call("ListTasks", serviceName="web")["taskArns"])

    def describe(self, arns):
        return self.api.call("DescribeTasks", tasks=arns)["tasks"]

    def test_strategies_divide_tasks_among_capacity_providers(self):
        self.assertEqual([one["name"] for one in self.plane.aws("describe-capacity-providers")["capacityProviders"]], ["FARGATE", "FARGATE_SPOT"])
        network = "awsvpcConfiguration={subnets=[subnet-a,subnet-b,subnet-c]}"
        run = ("run-task", "--task-definition", "web", "--network-configuration", network, "--capacity-provider-strategy")
        self.assertIn("is not associated with the cluster", self.plane.refused(*run, "capacityProvider=FARGATE_SPOT,weight=1"))
        put = ("put-cluster-capacity-providers", "--cluster", "default", "--default-capacity-provider-strategy")
        cluster = self.plane.aws(*put, "capacityProvider=FARGATE_SPOT,weight=1", "--capacity-providers", "FARGATE", "FARGATE_SPOT")["cluster"]
        self.assertEqual(cluster["capacityProviders"], ["FARGATE", "FARGATE_SPOT"])
        ran = self.plane.aws(*run, "capacityProvider=FARGATE,base=1,weight=1", "capacityProvider=FARGATE_SPOT,weight=3", "--count", "5")
        self.assertEqual(ran["failures"], [])
        tasks = [task["taskArn"] for task in ran["tasks"]]
        self.assertEqual(collections.Counter(task["capacityProviderName"] for task in self.describe(tasks)), {"FARGATE": 2, "FARGATE_SPOT": 3})
        self.assertEqual({task["launchType"] for task in self.describe(tasks)}, {"FARGATE"})
        by_default = self.api.call("RunTask", taskDefinition="web", networkConfiguration=self.network())["tasks"][0]
        self.assertEqual(by_default["capacityProviderName"], "FARGATE_SPOT")
        self.assertIn("ResourceInUseException", self.plane.refused(*put, "[]", "--capacity-providers", "FARGATE"))
        self.stop(*tasks, by_default["taskArn"])

        self.plane.aws("create-service", "--service-name", "mixed", "--task-definition", "web", "--desired-count", "4", "--network-configuration",
                       network, "--capacity-provider-strategy", "capacityProvider=FARGATE,weight=1", "capacityProvider=FARGATE_SPOT,weight=1")

        def providers():
            arns = self.api.call("ListTasks", serviceName="mixed", desiredStatus="RUNNING")["taskArns"]
            return collections.Counter(task["capacityProviderName"] for task in (self.describe(arns) if arns else []) if task["lastStatus"] == "RUNNING")
        until("it has its shares", lambda: providers() == {"FARGATE": 2, "FARGATE_SPOT": 2}, 60)
        self.api.call("UpdateService", service="mixed", desiredCount=6)
        until("it keeps them", lambda: providers() == {"FARGATE": 3, "FARGATE_SPOT": 3}, 60)
        service = self.plane.call("DescribeServices", services=["mixed"])["services"][0]
        self.assertNotIn("launchType", service)
        self.assertEqual([item["capacityProvider"] for item in service["capacityProviderStrategy"]], ["FARGATE", "FARGATE_SPOT"])
        self.api.call("DeleteService", service="mixed", force=True)
        until("all have ended", lambda: self.api.call("DescribeServices", services=["mixed"])["services"][0]["status"] == "INACTIVE", 60)
        self.plane.aws(*put, "[]", "--capacity-providers", "[]")

    def test_spot_tasks_give_way_to_others(self):
        self.api.call("PutClusterCapacityProviders", cluster="default", capacityProviders=["FARGATE", "FARGATE_SPOT"],
                      defaultCapacityProviderStrategy=[])
        self.register("spare", "trap 'echo interrupted; exit 0' TERM; echo ready; sleep 1000 & wait")
        spot = self.api.call("RunTask", taskDefinition="spare", count=4, networkConfiguration=self.network("subnet-a"),
                             capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])
        self.assertEqual(spot["failures"], [])
        spot = [task["taskArn"] for task in spot["tasks"]]
        for task in spot:
            self.reach(task, "RUNNING")
            until("it listens to its signal", lambda: "ready" in self.plane.berth("logs", task).stdout)
        wanted = {"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": self.network("subnet-a")}
        self.assertEqual(self.api.call("RunTask", **wanted)["failures"][0]["reason"],
                         "Capacity is unavailable at this time. Please try again later or in a different availability zone")
        there = until("there is room", lambda: self.api.call("RunTask", **wanted)["tasks"])[0]["taskArn"]
        self.reach(there, "RUNNING")
        gone = [task for task in self.describe(spot) if task["desiredStatus"] == "STOPPED"]
        self.assertEqual([(task["stopCode"], task["stoppedReason"]) for task in gone], [("SpotInterruption", "Your Spot Task was interrupted.")])
        self.assertIn("interrupted", self.plane.berth("logs", gone[0]["taskArn"]).stdout)
        self.stop(there, *(task for task in spot if task != gone[0]["taskArn"]))
        self.api.call("PutClusterCapacityProviders", cluster="default", capacityProviders=[], defaultCapacityProviderStrategy=[])

    def test_the_pool_shows_its_operator_what_is_left(self):
        task = self.run_tasks(subnets=("subnet-b",))[0]
        pools = {pool["availabilityZone"]: pool for pool in json.loads(self.plane.berth("--output", "json", "pool").stdout)}
        self.assertEqual(sorted(pools), list(ZONES))
        self.assertEqual(pools["us-east-1b"]["summary"], {"hosts": 1, "tasks": 1, "cpu": 1024, "usedCpu": 256, "memory": 2048, "usedMemory": 512,
                                                          "fits": 3, "fragmentation": 0})
        table = self.plane.berth("pool", "--cpu", "1024", "--memory", "2048").stdout.splitlines()
        self.assertRegex(table[0], "^POOL +CLUSTER +ZONE +HOSTS +TASKS")
        self.assertRegex(table[2], "^fargate/default +default +us-east-1b +1 +1 +256/1024 +512/2048 +0 +0%$")
        self.stop(task)

    def test_what_fargate_has_not_is_refused(self):
        for text, members in (("Fargate only supports network mode ‘awsvpc’.", {"networkMode": "bridge"}),
                              ("No Fargate configuration exists for given values: 256 CPU, 4096 memory", {"memory": "4096"}),
                              ("Tasks using the Fargate launch type do not support pidMode 'host'", {"pidMode": "host"})):
            self.assertIn(text, self.refused("RegisterTaskDefinition", family="refused", containerDefinitions=[self.container("true")], **{
                "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"], **members}))
        self.register("hosted", "true", networkMode="bridge", requiresCompatibilities=[])
        run = {"operation": "RunTask", "launchType": "FARGATE", "taskDefinition": "web"}
        there = {**run, "networkConfiguration": self.network("subnet-a")}
        self.assertIn("Task definition does not support launch_type FARGATE.", self.refused(**{**there, "taskDefinition": "hosted"}))
        self.assertIn("Network Configuration must be provided when networkMode 'awsvpc' is specified.", self.refused(**run))
        self.assertIn("PlatformUnknownException", self.refused(**there, platformVersion="1.0.0"))
        self.assertIn("Placement constraints are not supported with FARGATE launch type.",
                      self.refused(**there, placementConstraints=[{"type": "distinctInstance"}]))
        self.assertIn("No Fargate configuration exists", self.refused(**there, overrides={"memory": "700"}))

    def test_each_task_is_a_sandbox_that_hurts_only_itself(self):
        self.plane.register("hog", [self.container(
            "echo root is $(tail -1 /proc/self/uid_map | awk '{print $2}'); busybox df -m / /data | awk '{print \"disk\", $2}'; "
            "busybox fallocate -l 12G /first && busybox fallocate -l 7G /data/second && echo both fit; "
            "busybox fallocate -l 3G /data/third || echo it is full; rm /first; echo room again > /file && cat /file; "
            "i=0; while [ $i -lt 1500 ]; do sleep 100 & i=$((i+1)); done; echo never",
            mountPoints=[{"sourceVolume": "data", "containerPath": "/data"}])], networkMode="awsvpc", cpu="256", memory="512",
            requiresCompatibilities=["FARGATE"], volumes=[{"name": "data"}])
        beside, hog = self.run_tasks(subnets=("subnet-a",))[0], self.run_tasks("hog", subnets=("subnet-a",))[0]
        self.reach(beside, "RUNNING")
        self.assertNotEqual(self.reach(hog, "STOPPED")["containers"][0]["exitCode"], 0)
        self.assertEqual(self.reach(beside, "RUNNING")["lastStatus"], "RUNNING")
        self.stop(beside)
        logs = self.plane.berth("logs", hog)
        said = logs.stdout + logs.stderr
        self.assertRegex(said, r"root is 2\d{7}\n", "nobody on the host")
        self.assertRegex(said, r"disk (19|20)\d{3}\ndisk (19|20)\d{3}\n", "20 GiB, of both together")
        for words in ("both fit", "No space left on device", "it is full", "room again", "can't fork"):
            self.assertIn(words, said)
        self.assertNotIn("never", said)

    def test_killed_agents_and_control_planes_lose_no_task(self):
        task = self.run_tasks()[0]
        zone = self.reach(task, "RUNNING")["availabilityZone"]
        host = self.hosts[1 + ZONES.index(zone)]
        host.kill_agent()
        self.plane.kill()
        self.plane.up()
        type(self).api = Api(self.plane.port())
        host.start_agent()
        until("the pool is whole again", lambda: self.placeable("web") == 11)
        self.assertEqual(self.reach(task, "RUNNING")["lastStatus"], "RUNNING")
        self.stop(task)


if __name__ == "__main__":
    unittest.main(verbosity=2)
