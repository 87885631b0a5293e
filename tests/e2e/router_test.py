# SPDX-License-Identifier: Apache-2.0
"""FireLens, from the AWS CLI to what a log router is told: its configuration, the lines, and when it starts and stops."""
import json
import os
import unittest

import images
from stack import BIN, Scene

VALUE = "kL8-router-secret-zz"  # of no other text
CONFIG = "/fluent-bit/etc/fluent-bit.conf"


class Router(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.registry = cls.scene.registry()
        with open(BIN + "/../tests/container_probe", "rb") as file:
            program = file.read()
        cls.registry.client.image("tools", "1", Env=["PATH=/bin"])
        cls.registry.client.image("probe", "1", [images.layer([("probe", program, 0o755)])], Entrypoint=["/probe"])
        kept = cls.scene.directory + "/kept/app/key"
        os.makedirs(os.path.dirname(kept))
        with open(kept, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(VALUE)
        cls.stack = cls.scene.start(f'[agent.secrets]\ndirectory = "{cls.scene.directory}/kept"\naws = false\n')

    def run_with_router(self, mode, **members):
        self.stack.register(mode, [
            {"name": "app", "image": f"{self.registry.host}/tools:1", "memory": 32,
             "command": ["/bin/sh", "-c", "echo $FLUENT_HOST:$FLUENT_PORT; echo wrong >&2"],
             "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "http", "Host": "logs.example"},
                                  "secretOptions": [{"name": "http_Passwd", "valueFrom": "/app/key"}]}},
            {"name": "router", "image": f"{self.registry.host}/probe:1", "memory": 32, "essential": False,
             "command": [f"read={CONFIG}", "receive=/var/run/fluent.sock", "hold"],
             "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}}},
        ], networkMode=mode)
        task = self.stack.await_status(self.stack.run_task(mode, **members)[0], "STOPPED")
        self.assertEqual({container["name"]: container.get("exitCode") for container in task["containers"]}, {"app": 0, "router": 0},
                         task)
        shown = self.stack.berth("logs", task["taskArn"], "--container", "router").stdout
        lines = [json.loads(line) for line in shown.splitlines()]
        return task, lines[0], lines[1:]

    def check(self, mode, address, **members):
        task, sight, came = self.run_with_router(mode, **members)
        self.assertEqual(sorted((line["record"]["source"], line["record"]["log"]) for line in came),
                         [("stderr", "wrong"), ("stdout", f"{address}:24224" if address else came_address(came))])
        self.assertEqual({line["tag"] for line in came}, {"app-firelens-" + task["taskArn"].rsplit("/", 1)[1]})
        config = sight["tries"]["read=" + CONFIG]
        self.assertIn(f"    Record ecs_task_arn {task['taskArn']}\n", config)
        self.assertIn("    Name http\n    Match app-firelens*\n    Host logs.example\n    http_Passwd ${http_Passwd_0}\n", config)
        self.assertIn(f"http_Passwd_0={VALUE}", sight["env"])

    def test_a_router_of_a_bridged_task(self):
        self.check("bridge", None)

    def test_a_router_of_a_task_with_an_address_of_its_own(self):
        self.check("awsvpc", "127.0.0.1", networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-default"]}})


def came_address(came):
    """What the bridge gave the router: an address, not nothing."""
    line = next(one["record"]["log"] for one in came if one["record"]["source"] == "stdout")
    host, _, port = line.partition(":")
    assert len(host.split(".")) == 4 and port == "24224", line
    return line


if __name__ == "__main__":
    unittest.main()
