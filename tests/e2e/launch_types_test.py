# SPDX-License-Identifier: Apache-2.0
"""One cluster with all three launch types: two container instances, a pool of three hosts in three zones, a host with four GPUs.

The AWS CLI walks through the tutorials of ECS's developer guide, with images from a mirror of the registries that they name; then
kill -9 of each kind of agent and of the control plane: whatever runs, runs on as the same processes, and nothing starts twice, which
containers tell themselves by a line that each writes outside Berth when it starts.
"""
import hosts

hosts.own_network()  # before anything starts a thread

import collections
import json
import os
import unittest

import images
from api import Api, Refused
from stack import BIN, Marks, until

CLUSTER = "MyCluster"
CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
heartbeat_ms = 300
dead_after_ms = 2000
[plugins.fargate]
listen = "10.253.0.1:5082"
heartbeat_ms = 300
dead_after_ms = 2000
[plugins.gpu]
listen = "10.253.0.1:5083"
heartbeat_ms = 300
dead_after_ms = 2000
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
[plugins.registry-ecr.registries."docker.io"]
mirrors = ["http://{registry}"]
[plugins.registry-ecr.registries."public.ecr.aws"]
mirrors = ["http://{registry}"]
[[subnet]]
id = "subnet-abcd1234"
cidr = "10.70.0.0/24"
[[subnet]]
id = "subnet-b"
cidr = "10.71.0.0/24"
zone = "us-east-1b"
[[subnet]]
id = "subnet-c"
cidr = "10.72.0.0/24"
zone = "us-east-1c"
[[security_group]]
id = "sg-abcd1234"
ingress = [{{ protocol = "tcp", from_port = 80, to_port = 80, cidr = "0.0.0.0/0" }}]
"""
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
SUBNETS = ["subnet-abcd1234", "subnet-b", "subnet-c"]
# For NVML's stand-in, and a CDI file whose devices are nodes that any host may have.
GPUS = [f"gpu uuid=GPU-{n} name=Tesla_T4 memory_mib=16384 minor={n} pci=00000000:0{n}:00.0" for n in range(4)]
CDI = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [
    {"name": f"GPU-{n}", "containerEdits": {"env": [f"CARD_{n}=here"], "deviceNodes": [{"path": f"/dev/card{n}", "type": "c", "major": 1, "minor": 3}]}}
    for n in range(4)]}
# The tutorials' own definitions, as they are printed there; but they are asked to end sooner, since none of them heeds SIGTERM.
SLEEP360 = {"containerDefinitions": [{"name": "sleep", "image": "busybox", "cpu": 10, "command": ["sleep", "360"], "memory": 10, "essential": True,
                                      "stopTimeout": 2}], "family": "sleep360"}
SAMPLE = {"family": "sample-fargate", "networkMode": "awsvpc", "containerDefinitions": [{
    "name": "fargate-app", "image": "public.ecr.aws/docker/library/httpd:latest",
    "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}], "essential": True, "stopTimeout": 2, "entryPoint": ["sh", "-c"],
    "command": ["/bin/sh -c \"echo '<html> <head> <title>Amazon ECS Sample App</title> </head><body> <h1>Amazon ECS Sample App</h1> "
                "<h2>Congratulations!</h2> <p>Your application is now running on a container in Amazon ECS.</p> </body></html>' >  "
                "/usr/local/apache2/htdocs/index.html && httpd-foreground\""]}],
    "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
SERVICES = {"on-instances": {"taskDefinition": "plain", "launchType": "EC2", "desiredCount": 2,
                             "placementConstraints": [{"type": "memberOf", "expression": "attribute:berth.gpu-count !exists"}],
                             "placementStrategy": [{"type": "spread", "field": "instanceId"}]},
            "in-the-pool": {"taskDefinition": "pooled", "launchType": "FARGATE", "desiredCount": 3},
            "on-devices": {"taskDefinition": "devices", "launchType": "EC2", "desiredCount": 2}}
# What containers of this test run, and nobody else's on this machine.
SLEEP = f"{os.getpid():07d}77"
APACHE = b"#!/bin/sh\nexec httpd -f -p 80 -h /usr/local/apache2/htdocs\n"  # in its place


class LaunchTypes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.demand_sandboxes()
        hosts.open_plane(cls, CONFIG)
        cls.api = Api(cls.plane.port())
        push = cls.registry.client.image
        push("library/busybox", "latest", Env=["PATH=/bin"])
        push("docker/library/httpd", "latest", [images.layer(
            [("bin/httpd-foreground", APACHE, 0o755)], ("tmp", "usr", "usr/local", "usr/local/apache2", "usr/local/apache2/htdocs"))],
            Env=["PATH=/bin"])
        cls.marks = Marks(cls.directory + "/marks", hosts.UNDERLAY + ".1")
        cls.addClassCleanup(cls.marks.stop)
        gpus = cls.stand_in_devices()
        cls.hosts = [hosts.Host(cls.directory, number, cls.plane, cluster=CLUSTER) for number in (1, 2)]
        cls.hosts += [hosts.Host(cls.directory, number, cls.plane, fleet="fargate", cluster=CLUSTER, availability_zone=zone, cpu=1024, memory=2048,
                                 user_namespaces={"first_id": 50_000_000 * number, "last_id": 50_000_000 * number + 655_359},
                                 task_limits={"pids": 1000, "disk_gib": 20})
                      for number, zone in enumerate(ZONES, 3)]
        cls.hosts.append(hosts.Host(cls.directory, 6, cls.plane, fleet="gpu", cluster=CLUSTER, **{"plugins.gpu": gpus}))
        cls.addClassCleanup(lambda: hosts.stop_hosts(cls.hosts))
        cls.addClassCleanup(cls.end_all)
        for host in cls.hosts:
            host.start()

    @classmethod
    def stand_in_devices(cls):
        """Four of them; gives the settings of the agent's plugin."""
        script = os.environ["BERTH_STAND_IN_NVML"] = cls.directory + "/nvml"
        with open(script, "w", encoding="ascii") as out:
            out.write("driver 550.54.15\n" + "".join(line + "\n" for line in GPUS))
        os.mkdir(cls.directory + "/cdi")
        with open(cls.directory + "/cdi/nvidia.json", "w", encoding="ascii") as out:
            json.dump(CDI, out)
        return {"nvml_library": os.path.realpath(BIN + "/../tests/drivers/libnvidia-ml-stand-in.so"), "cdi_dirs": [cls.directory + "/cdi"],
                "sysfs_root": cls.directory}

    @classmethod
    def call(cls, operation, **members):
        return cls.api.call(operation, cluster=CLUSTER, **members)

    @classmethod
    def aws(cls, *arguments):
        return cls.plane.aws(*arguments, "--cluster", CLUSTER)

    @classmethod
    def end_all(cls):
        if cls.api.call("DescribeClusters", clusters=[CLUSTER])["clusters"][0]["status"] != "ACTIVE":
            return
        for arn in cls.call("ListServices")["serviceArns"]:
            cls.call("DeleteService", service=arn, force=True)
        hosts.stop_tasks(cls.api, CLUSTER)

    @classmethod
    def logs(cls):
        return cls.plane.tail() + "".join(host.log() for host in cls.hosts)

    @classmethod
    def instances(cls):
        arns = cls.call("ListContainerInstances")["containerInstanceArns"]
        return cls.call("DescribeContainerInstances", containerInstances=arns)["containerInstances"] if arns else []

    def pool(self):
        """The hosts of the pool that are there, by their zone."""
        pools = self.api.call("Berth.ListPools")["pools"]
        return {pool["availabilityZone"] for pool in pools for host in pool["hosts"] if host["connected"]}

    def whole(self):
        return sum(one["agentConnected"] for one in self.instances()) == 3 and self.pool() == set(ZONES)

    def tasks(self, service, status="RUNNING"):
        arns = self.call("ListTasks", serviceName=service)["taskArns"]
        tasks = self.call("DescribeTasks", tasks=arns)["tasks"] if arns else []
        return [task for task in tasks if task["lastStatus"] == status]

    def reach(self, arn, status):
        def there():
            task = self.call("DescribeTasks", tasks=[arn])["tasks"][0]
            self.assertTrue(task["lastStatus"] != "STOPPED" or status == "STOPPED", task)
            return task if task["lastStatus"] == status else None
        return until(f"{arn} is {status}\n" + self.logs(), there, 60)

    def host_of(self, task):
        if task["launchType"] == "FARGATE":
            return self.hosts[2 + ZONES.index(task["availabilityZone"])]
        instance = next(one for one in self.instances() if one["containerInstanceArn"] == task["containerInstanceArn"])
        name = next(one["value"] for one in instance["attributes"] if one["name"] == "host")
        return next(host for host in self.hosts if host.name == name)

    @staticmethod
    def network(*subnets):
        return {"awsvpcConfiguration": {"subnets": list(subnets or SUBNETS), "securityGroups": ["sg-abcd1234"]}}

    @classmethod
    def container(cls, **members):
        """Writes outside Berth when it starts which of all it is, and then is a process that can be known again."""
        script = f"echo ${{ECS_CONTAINER_METADATA_URI_V4##*/}} | nc {hosts.UNDERLAY}.1 {cls.marks.port}; exec sleep {SLEEP}"
        return {"name": "main", "image": "busybox", "command": ["sh", "-c", script], "stopTimeout": 2, **members}

    def living(self):
        """What containers run: (process, when it began)."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as command, open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                    if command.read() == f"sleep\0{SLEEP}\0".encode():
                        found.add((int(pid), stat.read().rsplit(") ", 1)[1].split()[19]))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def test_1_the_tutorial_of_ec2(self):
        self.assertEqual(self.plane.aws("create-cluster", "--cluster-name", CLUSTER)["cluster"]["status"], "ACTIVE")
        until("the hosts, which have waited for their cluster, are there\n" + self.logs(), self.whole)
        listed = self.aws("list-container-instances")["containerInstanceArns"]
        self.assertEqual(len(listed), 3, "no host of the pool is one")
        described = self.aws("describe-container-instances", "--container-instances", *listed)["containerInstances"]
        self.assertEqual([(one["status"], one["agentConnected"]) for one in described], [("ACTIVE", True)] * 3)
        definition = self.plane.aws("register-task-definition", "--cli-input-json", json.dumps(SLEEP360))["taskDefinition"]
        self.assertEqual((definition["family"], definition["revision"], definition["status"]), ("sleep360", 1, "ACTIVE"))
        self.assertEqual(self.plane.aws("list-task-definitions")["taskDefinitionArns"], [definition["taskDefinitionArn"]])
        ran = self.aws("run-task", "--task-definition", "sleep360:1", "--count", "1")
        self.assertEqual(ran["failures"], [])
        task = ran["tasks"][0]["taskArn"]
        self.assertEqual(self.aws("list-tasks")["taskArns"], [task])
        self.reach(task, "RUNNING")
        shown = self.aws("describe-tasks", "--tasks", task)["tasks"][0]
        self.assertEqual((shown["launchType"], shown["lastStatus"], shown["containers"][0]["name"]), ("EC2", "RUNNING", "sleep"))
        made = self.aws("create-service", "--service-name", "ec2-service", "--launch-type", "EC2", "--task-definition", "sleep360:1",
                        "--desired-count", "1")["service"]
        self.assertEqual(self.aws("list-services")["serviceArns"], [made["serviceArn"]])
        until("it runs\n" + self.logs(), lambda: self.tasks("ec2-service"))
        service = self.aws("describe-services", "--services", "ec2-service")["services"][0]
        self.assertEqual((service["launchType"], service["desiredCount"], service["runningCount"]), ("EC2", 1, 1))
        self.call("StopTask", task=task)
        self.assertEqual(self.aws("delete-service", "--service", "ec2-service", "--force")["service"]["status"], "DRAINING")
        until("all have ended", lambda: not self.call("ListTasks")["taskArns"])

    def test_2_the_tutorial_of_fargate(self):
        definition = self.plane.aws("register-task-definition", "--cli-input-json", json.dumps(SAMPLE))["taskDefinition"]
        self.assertEqual(definition["compatibilities"], ["EC2", "FARGATE"])
        self.assertIn(definition["taskDefinitionArn"], self.plane.aws("list-task-definitions")["taskDefinitionArns"])
        made = self.aws("create-service", "--service-name", "fargate-service", "--task-definition", "sample-fargate:1", "--desired-count", "1",
                        "--launch-type", "FARGATE", "--network-configuration",
                        "awsvpcConfiguration={subnets=[subnet-abcd1234],securityGroups=[sg-abcd1234],assignPublicIp=ENABLED}")["service"]
        self.assertEqual((made["status"], made["launchType"], made["platformFamily"]), ("ACTIVE", "FARGATE", "Linux"))
        self.assertEqual(self.aws("list-services")["serviceArns"], [made["serviceArn"]])
        until("it runs\n" + self.logs(), lambda: self.tasks("fargate-service"), 60)
        service = self.aws("describe-services", "--services", "fargate-service")["services"][0]
        deployment = service["deployments"][0]
        self.assertEqual((service["runningCount"], deployment["platformFamily"], deployment["networkConfiguration"]["awsvpcConfiguration"]["subnets"]),
                         (1, "Linux", ["subnet-abcd1234"]))
        listed = self.aws("list-tasks", "--service", "fargate-service")["taskArns"]
        task = self.aws("describe-tasks", "--tasks", *listed)["tasks"][0]
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        self.assertEqual(details["subnetId"], "subnet-abcd1234")
        page = until("the sample is served\n" + self.logs(),
                     lambda: self.hosts[2].output("curl", "-s", "--max-time", "5", details["privateIPv4Address"]), 10)
        self.assertIn("Your application is now running on a container in Amazon ECS.", page)
        self.assertEqual(self.aws("delete-service", "--service", "fargate-service", "--force")["service"]["status"], "DRAINING")
        until("all have ended", lambda: not self.call("ListTasks")["taskArns"])

    def test_3_a_service_on_each_and_kill_nine(self):
        self.start_services()
        self.steady = {task["taskArn"]: task for service in SERVICES for task in self.tasks(service)}
        until("each container has told of its start", lambda: len(self.marks.lines()) == 7)
        until("each is the process that it will be", lambda: len(self.living()) == 7)
        self.processes, self.started = self.living(), 7
        for number, victims in enumerate((["ec2"], ["fargate"], ["gpu"], ["berthd"], ["ec2", "fargate", "gpu", "berthd"])):
            with self.subTest(victims=victims):
                self.one_round(number, victims)

    def start_services(self):
        for family, members in (("plain", {"containerDefinitions": [self.container(memory=16, cpu=16)]}),
                                ("pooled", {"containerDefinitions": [self.container()], "networkMode": "awsvpc", "cpu": "256", "memory": "512",
                                            "requiresCompatibilities": ["FARGATE"]}),
                                ("devices", {"containerDefinitions": [self.container(
                                    memory=16, resourceRequirements=[{"type": "GPU", "value": "1"}])]})):
            self.api.call("RegisterTaskDefinition", family=family, **members)
        for service, members in SERVICES.items():
            network = {"networkConfiguration": self.network()} if members["launchType"] == "FARGATE" else {}
            self.call("CreateService", serviceName=service, **members, **network)
        for service, members in SERVICES.items():
            until(f"{service} runs\n" + self.logs(), lambda: len(self.tasks(service)) == members["desiredCount"], 60)
        self.assertEqual({self.host_of(task).name for task in self.tasks("on-instances")}, {"h1", "h2"})
        self.assertEqual({self.host_of(task).name for task in self.tasks("in-the-pool")}, {"h3", "h4", "h5"})
        devices = [device for task in self.tasks("on-devices") for device in task["containers"][0]["gpuIds"]]
        self.assertEqual(len(set(devices)), 2, devices)
        self.assertEqual({self.host_of(task).name for task in self.tasks("on-devices")}, {"h6"})

    def launch(self, number, kind):
        """One task beside the services."""
        where = {"ec2": {"taskDefinition": "plain", "launchType": "EC2", "placementConstraints": [
                     {"type": "memberOf", "expression": "attribute:host == h2"}]},
                 "fargate": {"taskDefinition": "pooled", "launchType": "FARGATE", "networkConfiguration": self.network("subnet-b")},
                 "gpu": {"taskDefinition": "devices", "launchType": "EC2"}}[kind]
        answer = self.call("RunTask", clientToken=f"round-{number}-{kind}", **where)
        self.assertEqual(answer["failures"], [])
        return answer["tasks"][0]["taskArn"]

    def one_round(self, number, victims):
        """They die with tasks of all three kinds on their way."""
        agents = [self.hosts[{"ec2": 1, "fargate": 3, "gpu": 5}[kind]] for kind in victims if kind != "berthd"]
        tasks = {kind: self.launch(number, kind) for kind in ("ec2", "fargate", "gpu")}
        for host in agents:
            host.kill_agent()
        if "berthd" in victims:
            self.plane.kill()
        else:
            until("they count as away", lambda: not self.whole())
        self.assertLessEqual(self.processes, self.living(), "whatever ran goes on without them")
        if "berthd" in victims:
            self.plane.up()
            type(self).api = Api(self.plane.port())
        for host in agents:
            host.start_agent()
        until("all are back\n" + self.logs(), self.whole, 30)
        for kind, task in tasks.items():
            self.reach(task, "RUNNING")
            self.started += 1
            self.assertEqual(self.launch(number, kind), task, "asked again with its token it is the same")
        until(f"all have told of their start, {self.started} of them\n" + self.logs(), lambda: len(self.marks.lines()) >= self.started)
        for task in tasks.values():
            self.call("StopTask", task=task)
        for task in tasks.values():
            self.assertEqual(self.reach(task, "STOPPED")["stopCode"], "UserInitiated")
        self.assertEqual(self.living(), self.processes, "and those alone")
        marks = collections.Counter(self.marks.lines())
        self.assertEqual((len(marks), set(marks.values())), (self.started, {1}), "each container has started exactly once")
        now = {task["taskArn"]: task for service in SERVICES for task in self.tasks(service)}
        for member in ("startedAt", "createdAt", "desiredStatus", "connectivity", "availabilityZone"):
            self.assertEqual({arn: task[member] for arn, task in now.items()}, {arn: task[member] for arn, task in self.steady.items()})
        self.assertEqual({arn: task["containers"][0].get("gpuIds") for arn, task in now.items()},
                         {arn: task["containers"][0].get("gpuIds") for arn, task in self.steady.items()})

    def test_4_the_cluster_goes_when_all_else_has(self):
        with self.assertRaisesRegex(Refused, "ClusterContains"):
            self.api.call("DeleteCluster", cluster=CLUSTER)
        self.end_all()
        until("no service is left", lambda: not self.call("ListServices")["serviceArns"])
        for instance in self.instances():
            self.call("DeregisterContainerInstance", containerInstance=instance["containerInstanceArn"])
        gone = until("it goes", self.deleted)
        self.assertEqual(gone["cluster"]["status"], "INACTIVE")

    def deleted(self):
        done = self.plane.aws("delete-cluster", "--cluster", CLUSTER, check=False)
        if done.returncode != 0:
            self.assertIn("ClusterContainsTasksException", done.stderr)
            return None
        return json.loads(done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
