# SPDX-License-Identifier: Apache-2.0
"""The waiters of the AWS CLI, boto3 and the AWS SDK for JavaScript, as they come: services-stable, services-inactive, tasks-running,
tasks-stopped.

They poll every 6 or 15 seconds, so all three are at work at the same time. The last needs npm, which fetches what
tests/e2e/javascript/package-lock.json pins; without npm on the PATH, without a registry that it reaches, or with BERTH_E2E_NO_NPM set, that
one is skipped.
"""
import concurrent.futures
import os
import shutil
import unittest

import boto3

from api import Api
from stack import Scene, run

JAVASCRIPT = os.path.dirname(os.path.abspath(__file__)) + "/javascript"


class Waiters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        registry = cls.scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        cls.stack = cls.scene.start("service_healthy_after_seconds = 1\n")
        # `sleep` as first process ignores SIGTERM.
        cls.stack.register("idle", [{"name": "main", "image": f"{registry.host}/tools:1", "memory": 16, "cpu": 8, "stopTimeout": 2,
                                     "command": ["/bin/sleep", "1000"]}], networkMode="host")

    def api(self):
        return Api(self.stack.port())  # one connection is not for several threads

    def service(self, name):
        return self.api().call("DescribeServices", services=[name])["services"][0]

    def expect_stable(self, name):
        service = self.service(name)
        self.assertEqual((service["runningCount"], len(service["deployments"])), (2, 1))

    def expect_status(self, arn, status):
        self.assertEqual(self.api().call("DescribeTasks", tasks=[arn])["tasks"][0]["lastStatus"], status)

    def expect_inactive(self, name):
        service = self.service(name)
        self.assertEqual((service["status"], service["runningCount"], service["pendingCount"]), ("INACTIVE", 0, 0))

    def aws_cli(self):
        aws = self.stack.aws
        aws("create-service", "--service-name", "cli", "--task-definition", "idle", "--desired-count", "2")
        aws("wait", "services-stable", "--services", "cli", timeout=180)
        self.expect_stable("cli")
        arn = self.stack.run_task("idle")[0]
        aws("wait", "tasks-running", "--tasks", arn, timeout=180)
        self.expect_status(arn, "RUNNING")
        aws("stop-task", "--task", arn)
        aws("wait", "tasks-stopped", "--tasks", arn, timeout=180)
        self.expect_status(arn, "STOPPED")
        aws("delete-service", "--service", "cli", "--force")
        aws("wait", "services-inactive", "--services", "cli", timeout=180)
        self.expect_inactive("cli")

    def boto3(self):
        ecs = boto3.client("ecs", endpoint_url=self.stack.url, region_name="us-east-1", aws_access_key_id="test",
                           aws_secret_access_key="test")
        ecs.create_service(serviceName="boto", taskDefinition="idle", desiredCount=2)
        ecs.get_waiter("services_stable").wait(services=["boto"])
        self.expect_stable("boto")
        arn = ecs.run_task(taskDefinition="idle")["tasks"][0]["taskArn"]
        ecs.get_waiter("tasks_running").wait(tasks=[arn])
        self.expect_status(arn, "RUNNING")
        ecs.stop_task(task=arn)
        ecs.get_waiter("tasks_stopped").wait(tasks=[arn])
        self.expect_status(arn, "STOPPED")
        ecs.delete_service(service="boto", force=True)
        ecs.get_waiter("services_inactive").wait(services=["boto"])
        self.expect_inactive("boto")

    def javascript(self):
        if os.environ.get("BERTH_E2E_NO_NPM") or not shutil.which("npm"):
            return "npm is not there, or not to be used"
        place = self.scene.directory + "/javascript"
        shutil.copytree(JAVASCRIPT, place)
        fetched = run(["npm", "ci", "--prefix", place, "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1",
                       "--fetch-timeout", "30000", "--cache", place + "/cache"], timeout=300, check=False)
        if fetched.returncode != 0:
            self.assertRegex(fetched.stderr, "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT")
            return "npm reaches no registry"
        said = run(["node", place + "/waiters.mjs", self.stack.url, "script", "idle"], timeout=400).stdout.splitlines()
        self.assertEqual(said, ["services-stable SUCCESS", "tasks-running SUCCESS", "tasks-stopped SUCCESS", "services-inactive SUCCESS"])
        self.expect_inactive("script")
        return None

    def test_work_as_they_are(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            clients = {one.__name__: pool.submit(one) for one in (self.aws_cli, self.boto3, self.javascript)}
        for name, client in clients.items():
            with self.subTest(name):
                why_not = client.result()
                if why_not:
                    self.skipTest(why_not)


if __name__ == "__main__":
    unittest.main(verbosity=2)
