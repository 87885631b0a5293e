# SPDX-License-Identifier: Apache-2.0
"""Placement as the AWS CLI and `berth` meet it: berthd with its real core and store, and hosts on paper (paper_hosts.cpp).

Instances aaaa.. and bbbb.. (1024 cpu units, zone-a), cccc.. (512, zone-b); each task of the definition takes 256.
"""
import json
import os
import subprocess
import unittest
import urllib.request

import api_cli_test
from api_cli_test import BIN

A, B, C = ("".join([letter] * 32) for letter in "abc")
ARN = "arn:aws:ecs:us-east-1:000000000000:container-instance/default/"
WEB = {"family": "web", "networkMode": "bridge",
       "containerDefinitions": [{"name": "main", "image": "i", "cpu": 256, "memory": 64}]}


class PlacementTest(api_cli_test.Scene, unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.start(libraries=[os.environ["BERTH_PAPER_HOSTS"]])
        self.aws("register-task-definition", "--cli-input-json", json.dumps(WEB))

    def berth(self, *arguments):
        return subprocess.run([os.path.join(BIN, "berth"), "--api", self.server.url, *arguments], capture_output=True, text=True,
                              timeout=60, env=self.environment, check=False)

    def answer(self, *arguments):
        done = self.berth("--output", "json", *arguments)
        self.assertTrue(done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout)

    def metrics(self):
        with urllib.request.urlopen(self.server.url + "/metrics", timeout=10) as answer:
            lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def test_starts_tasks_where_it_is_told(self):
        missing = "0" * 32
        answer = self.aws("start-task", "--task-definition", "web", "--container-instances", C, ARN + A, C, missing, C,
                          "--started-by", "me", "--tags", "key=a,value=b")
        self.assertEqual([task["containerInstanceArn"] for task in answer["tasks"]], [ARN + C, ARN + A, ARN + C])
        self.assertEqual({task["launchType"] for task in answer["tasks"]}, {"EC2"})
        self.assertEqual({task["startedBy"] for task in answer["tasks"]}, {"me"})
        self.assertEqual(answer["tasks"][0]["tags"], [{"key": "a", "value": "b"}])
        self.assertEqual([(f["arn"], f["reason"]) for f in answer["failures"]],
                         [(ARN + missing, "MISSING"), (ARN + C, "RESOURCE:CPU")])
        self.assertEqual(answer["failures"][1]["detail"], "The task needs 256 cpu units, 0 left.")
        self.aws("wait", "tasks-running", "--tasks", *[task["taskArn"] for task in answer["tasks"]])
        self.refused("ClusterNotFoundException", "start-task", "--cluster", "none", "--task-definition", "web",
                     "--container-instances", A)
        self.assertIn("at most 10", self.refused("ClientException", "start-task", "--task-definition", "web",
                                                 "--container-instances", *[A] * 11))
        metrics = self.metrics()
        self.assertEqual(metrics['berth_placement_decisions_total{outcome="placed"}'], 3)
        self.assertEqual(metrics['berth_placement_decisions_total{outcome="unplaced"}'], 1)
        self.assertEqual(metrics['berth_placement_refusals_total{reason="RESOURCE:CPU"}'], 1)
        self.assertEqual(metrics["berth_placement_decision_seconds_count"], 4)
        self.assertEqual(metrics["berth_placement_nodes"], 3)
        self.assertEqual(metrics["berth_placement_reservations"], 3)
        self.assertEqual(metrics["berth_placement_compilations_total"], 1)

    def test_plans_without_reserving_and_then_places_so(self):
        chain = ["--strategy", "spread:attribute:ecs.availability-zone", "--strategy", "binpack:memory"]
        code, plan = self.answer("plan", "web", "--count", "4", *chain)
        self.assertEqual(code, 0)
        self.assertEqual({place["containerInstanceArn"]: place["tasks"] for place in plan["placements"]}, {ARN + A: 2, ARN + C: 2})
        self.assertEqual(self.answer("plan", "web", "--count", "4", *chain), (code, plan), "the same again: nothing was reserved")
        ran = self.aws("run-task", "--task-definition", "web", "--count", "4", "--placement-strategy",
                       "type=spread,field=attribute:ecs.availability-zone", "type=binpack,field=memory")
        self.assertEqual(sorted(task["containerInstanceArn"] for task in ran["tasks"]), [ARN + A] * 2 + [ARN + C] * 2)
        code, plan = self.answer("plan", "web", "--count", "9")
        self.assertEqual((code, plan["placedCount"], plan["unplacedCount"]), (1, 6, 3))
        self.assertEqual([(r["reason"], r["instances"]) for r in plan["refusals"]], [("RESOURCE:CPU", 3)])
        table = self.berth("plan", "web", "--count", "9")
        self.assertEqual(table.returncode, 1)
        self.assertIn("6 of 9 tasks fit. Nothing is reserved.", table.stdout)
        self.assertIn("The task needs 256 cpu units, 0 left.", table.stdout)
        code, plan = self.answer("plan", "--cpu", "100", "--port", "8080", "-n", "5", "--constraint",
                                 "attribute:ecs.availability-zone == zone-a")
        self.assertEqual((code, plan["placedCount"]), (1, 2))
        self.assertEqual({r["reason"] for r in plan["refusals"]}, {"RESOURCE:PORTS", "RESOURCE:CPU"})
        wrong = self.berth("plan", "--port", "none")
        self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))
        self.assertIn("--port none: want a host port", wrong.stderr)
        self.assertIn("TaskDefinition not found.", self.berth("plan", "nothing").stderr)
        self.assertIn("--strategy", self.berth("plan", "--help").stdout)

    def test_explains_tasks_and_calls_that_found_no_place(self):
        task = self.aws("run-task", "--task-definition", "web", "--placement-strategy", "type=spread,field=instanceId",
                        "--placement-constraints", "type=memberOf,expression=attribute:ecs.availability-zone == zone-b")["tasks"][0]
        code, why = self.answer("explain", task["taskArn"])
        self.assertEqual(code, 0)
        self.assertEqual((why["placedBy"], why["place"]["containerInstanceArn"]), ("RunTask", ARN + C))
        self.assertEqual(why["terms"], [{"type": "spread", "field": "instanceId", "value": 0, "best": 0, "chosenAgain": True}])
        self.assertEqual([(r["reason"], r["instances"]) for r in why["refusals"]], [("MemberOf placement constraint unsatisfied.", 2)])
        self.server.kill()
        self.start(libraries=[os.environ["BERTH_PAPER_HOSTS"]])
        said = self.berth("explain", task["taskArn"].rsplit("/", 1)[1][:12]).stdout
        self.assertIn("RunTask placed it by spread(instanceId).", said, "it is kept over a kill")
        self.assertIn("zone-b", said)
        self.assertIn("no task begins with", self.berth("explain", "ffff").stderr)
        self.assertIn("`berth plan` tells", self.berth("explain", "--group", "family:web").stderr)
        self.aws("run-task", "--task-definition", "web", "--count", "10")
        self.aws("run-task", "--task-definition", "web", "--count", "2")
        said = self.berth("explain", "--group", "family:web").stdout
        self.assertIn("RunTask found places for 0 of 2 tasks of the group family:web.", said)
        self.assertIn("berth plan web:1 --count 2\n", said)
        self.aws("run-task", "--task-definition", "web", "--count", "2", "--placement-constraints", "type=memberOf,expression=attribute:none == x",
                 "--group", "mine", "--launch-type", "EC2")
        said = self.berth("explain", "--group", "mine").stdout
        self.assertIn("berth plan web:1 --count 2 --launch-type EC2 --group mine --constraint 'attribute:none == x'\n", said)
        self.assertEqual(self.berth("explain").returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
