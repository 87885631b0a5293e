# SPDX-License-Identifier: Apache-2.0
"""The images of container instances: listed, pulled ahead of tasks, removed where no task uses them."""
import json
import unittest

from images import layer
from stack import Scene


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.registry = cls.scene.registry()
        for name in ("used", "ahead", "young"):
            own = layer([("own", name.encode() * 1000, 0o644)], directories=(), applets=False)
            cls.registry.client.image(name, "1", layers=[layer(), own], Env=["PATH=/bin"])
        cls.stack = cls.scene.start()

    def name(self, image):
        return f"{self.registry.host}/{image}:1"

    def listed(self, *arguments):
        """By reference, of the only instance."""
        (instance,) = json.loads(self.stack.berth("--output", "json", "images", *arguments).stdout)["containerInstances"]
        return {image["image"]: image for image in instance["images"]}, instance

    def test_are_listed_pulled_ahead_and_removed(self):
        self.stack.register("sleeper", [{"name": "main", "image": self.name("used"), "memory": 32, "stopTimeout": 2,
                                         "command": ["/bin/sleep", "600"]}])
        (arn,) = self.stack.run_task("sleeper")
        running = self.stack.await_status(arn, "RUNNING")

        pulled = self.stack.berth("--output", "json", "images", "pull", self.name("ahead"))
        (pull,) = json.loads(pulled.stdout)["pulls"]
        self.assertEqual(pull["status"], "PULLED", pull)
        self.assertEqual(pull["layersDone"], pull["layersTotal"])
        self.stack.berth("images", "pull", self.name("young"), "--all")

        images, instance = self.listed()
        used, ahead = images[self.name("used")], images[self.name("ahead")]
        self.assertEqual(used["digest"], running["containers"][0]["imageDigest"])
        self.assertEqual(used["taskArns"], [arn])
        self.assertEqual((ahead["digest"], ahead["taskArns"]), (pull["digest"], []))
        self.assertTrue(0 < ahead["uniqueBytes"] < ahead["sizeBytes"], f"busybox's layer is that of all: {ahead}")
        self.assertLess(instance["storedBytes"], used["sizeBytes"] + ahead["sizeBytes"])
        table = self.stack.berth("images", "--instance", instance["containerInstanceArn"].rsplit("/", 1)[1][:8]).stdout
        self.assertIn(self.name("used"), table)
        self.assertIn(arn.rsplit("/", 1)[1][:12], table)

        self.assertNotIn("removed", self.stack.berth("images", "prune").stdout, "nothing is an hour old")
        pruned = self.stack.berth("images", "prune", "--age", "0s").stdout
        self.assertIn("removed " + self.name("ahead"), pruned)
        self.assertEqual(set(self.listed()[0]), {self.name("used")}, "what runs stays")
        self.assertEqual(self.stack.task(arn)["lastStatus"], "RUNNING")

        self.stack.berth("stop", arn, "--wait")
        self.stack.berth("images", "prune", "--all")
        images, instance = self.listed()
        self.assertEqual((images, instance["storedBytes"]), ({}, 0))

    def test_that_cannot_be_pulled_say_why(self):
        failed = self.stack.berth("images", "pull", self.name("nowhere"), check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("FAILED", failed.stdout)
        self.assertIn("CannotPullContainerError", failed.stdout)
        self.assertNotIn(self.name("nowhere"), self.listed()[0])

    def test_are_asked_for_by_instances_that_are_there(self):
        wrong = self.stack.berth("images", "--instance", "zzz", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("no container instance begins with 'zzz'", wrong.stderr)
        usage = self.stack.berth("images", "pull", "a", "--all", "--instance", "b", check=False)
        self.assertEqual(usage.returncode, 2)
        usage = self.stack.berth("images", "prune", "--age", "10", check=False)
        self.assertEqual(usage.returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
