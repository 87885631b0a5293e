# SPDX-License-Identifier: Apache-2.0
"""Services with the AWS CLI: they reach their count, replace what dies, roll, roll back, and end. Waiters have a test of their own."""
import unittest

from api import Api
from stack import Scene, until


class Services(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        registry = cls.scene.registry("plain")
        cls.image = f"{registry.host}/tools:1"
        registry.client.image("tools", "1", Env=["PATH=/bin"], Cmd=["/bin/sh"])
        cls.stack = cls.scene.start("service_healthy_after_seconds = 1\n")

    def setUp(self):
        self.api = Api(self.stack.port())

    def define(self, family, script="exec sleep 1000", **members):
        return self.stack.register(family, [{"name": "main", "image": self.image, "memory": 16, "cpu": 8, "stopTimeout": 2,
                                             "command": ["/bin/sh", "-c", script], **members}], networkMode="host")

    def service(self, name):
        return self.api.call("DescribeServices", services=[name])["services"][0]

    def running(self, name):
        arns = self.api.call("ListTasks", serviceName=name)["taskArns"]
        tasks = self.api.call("DescribeTasks", tasks=arns)["tasks"] if arns else []
        return [task for task in tasks if task["lastStatus"] == "RUNNING"]

    def create(self, name, count, definition, *options):
        return self.stack.aws("create-service", "--service-name", name, "--task-definition", definition,
                              "--desired-count", str(count), *options)["service"]

    def remove(self, name):
        self.stack.aws("delete-service", "--service", name, "--force")
        until(f"{name} is INACTIVE", lambda: self.service(name)["status"] == "INACTIVE", 60)
        self.assertNotIn(name, str(self.api.call("ListServices")["serviceArns"]))

    def test_reaches_its_count_replaces_what_dies_and_ends(self):
        self.define("web")
        made = self.create("web", 3, "web", "--tags", "key=team,value=a")
        self.assertEqual((made["status"], made["desiredCount"], made["schedulingStrategy"]), ("ACTIVE", 3, "REPLICA"))
        until("three run", lambda: len(self.running("web")) == 3)
        until("the deployment is complete", lambda: self.service("web")["deployments"][0]["rolloutState"] == "COMPLETED")
        self.assertIn("(service web) has reached a steady state.", [event["message"] for event in self.service("web")["events"]])
        victim = self.running("web")[0]
        self.assertEqual(victim["group"], "service:web")
        self.stack.aws("stop-task", "--task", victim["taskArn"])
        until("it is replaced", lambda: len(self.running("web")) == 3 and
              victim["taskArn"] not in [task["taskArn"] for task in self.running("web")])
        again = self.stack.refused("create-service", "--service-name", "web", "--task-definition", "web", "--desired-count", "4")
        self.assertIn("Creation of service was not idempotent.", again)
        self.assertIn("scaled above 0", self.stack.refused("delete-service", "--service", "web"))
        self.assertEqual(self.stack.aws("list-tags-for-resource", "--resource-arn", made["serviceArn"])["tags"],
                         [{"key": "team", "value": "a"}])
        self.remove("web")

    def test_rolls_to_a_new_revision_and_back_from_one_that_cannot_start(self):
        self.define("roll")
        self.create("roll", 2, "roll:1", "--deployment-configuration",
                    "deploymentCircuitBreaker={enable=true,rollback=true}")
        until("the first is complete", lambda: self.service("roll")["deployments"][0]["rolloutState"] == "COMPLETED")
        self.define("roll", "echo second; exec sleep 1000")
        self.stack.aws("update-service", "--service", "roll", "--task-definition", "roll:2")
        until("only the second runs", lambda: [task["taskDefinitionArn"].rsplit(":", 1)[1] for task in self.running("roll")]
              == ["2", "2"])
        until("the second is complete", lambda: self.service("roll")["deployments"][0]["rolloutState"] == "COMPLETED")
        second = {task["taskArn"] for task in self.running("roll")}
        self.stack.register("roll", [{"name": "main", "image": self.image, "memory": 16, "command": ["/no/such/program"]}],
                            networkMode="host")
        self.stack.aws("update-service", "--service", "roll", "--task-definition", "roll:3")

        def rolled_back():
            service = self.service("roll")
            return service["taskDefinition"].endswith("roll:2") and len(service["deployments"]) == 1
        until("the breaker has rolled back", rolled_back, 60)
        self.assertEqual({task["taskArn"] for task in self.running("roll")}, second, "they ran all the time")
        statuses = [one["status"] for one in self.stack.aws("list-service-deployments", "--service", "roll")["serviceDeployments"]]
        self.assertEqual(statuses, ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL"])
        newest = self.stack.aws("list-service-deployments", "--service", "roll")["serviceDeployments"][0]
        shown = self.stack.aws("describe-service-deployments", "--service-deployment-arns",
                               newest["serviceDeploymentArn"])["serviceDeployments"][0]
        self.assertEqual(shown["deploymentCircuitBreaker"]["status"], "TRIGGERED")
        revision = self.stack.aws("describe-service-revisions", "--service-revision-arns",
                                  shown["rollback"]["serviceRevisionArn"])["serviceRevisions"][0]
        self.assertRegex(revision["containerImages"][0]["imageDigest"], "^sha256:[0-9a-f]{64}$")
        self.remove("roll")

    def test_goes_on_after_the_control_plane_was_killed(self):
        self.define("kept")
        self.create("kept", 2, "kept")
        until("both run", lambda: len(self.running("kept")) == 2)
        before = {task["taskArn"] for task in self.running("kept")}
        self.stack.kill("berthd")
        self.stack.up()
        self.api = Api(self.stack.port())
        self.assertEqual({task["taskArn"] for task in self.running("kept")}, before)
        self.stack.aws("stop-task", "--task", sorted(before)[0])
        until("it is replaced", lambda: len(self.running("kept")) == 2 and
              {task["taskArn"] for task in self.running("kept")} != before)
        self.remove("kept")

    def test_a_daemon_leaves_a_draining_instance(self):
        self.define("agent")
        self.stack.aws("create-service", "--service-name", "agent", "--task-definition", "agent", "--scheduling-strategy", "DAEMON")
        until("it runs", lambda: len(self.running("agent")) == 1)
        instance = self.running("agent")[0]["containerInstanceArn"]
        self.stack.aws("update-container-instances-state", "--container-instances", instance, "--status", "DRAINING")
        until("it is gone", lambda: not self.running("agent"))
        self.stack.aws("update-container-instances-state", "--container-instances", instance, "--status", "ACTIVE")
        until("it is back", lambda: len(self.running("agent")) == 1)
        self.remove("agent")

    def test_down_stops_a_services_tasks_and_up_brings_them_back(self):
        self.define("stays")
        self.create("stays", 2, "stays:1")
        until("both run", lambda: len(self.running("stays")) == 2)
        self.stack.down()
        self.stack.up()
        self.api = Api(self.stack.port())
        until("both are back", lambda: len(self.running("stays")) == 2, 60)
        self.remove("stays")

    def test_refuses_by_name_what_is_not_there(self):
        self.define("plain")
        for options, word in ((["--load-balancers", "targetGroupArn=a,containerName=main,containerPort=80"], "loadBalancers"),
                              (["--deployment-configuration", "strategy=BLUE_GREEN"], "BLUE_GREEN"),
                              (["--deployment-controller", "type=EXTERNAL"], "EXTERNAL")):
            text = self.stack.refused("create-service", "--service-name", "no", "--task-definition", "plain",
                                      "--desired-count", "1", *options)
            self.assertIn("UnsupportedFeatureException", text)
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
