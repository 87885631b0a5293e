# SPDX-License-Identifier: Apache-2.0
"""Tasks in gVisor's sandboxes: an agent whose runtime is runsc runs, checks, enters and stops them as those of any other."""
import unittest

from stack import Scene, until


class Sandboxes(unittest.TestCase):
    def test_run_check_enter_and_stop(self):
        scene = Scene()
        self.addCleanup(scene.check_closed)
        registry = scene.registry()
        registry.client.image("box", "1", Env=["PATH=/bin"])
        stack = scene.start('[agent]\nruntime = "runsc"\n')
        stack.register("boxed", [{"name": "main", "image": f"{registry.host}/box:1", "memory": 128, "stopTimeout": 2,
                                  "command": ["/bin/sh", "-c", "echo out; dmesg | head -1; exec sleep 1000"],
                                  "healthCheck": {"command": ["CMD-SHELL", "test -e /bin/sh"], "interval": 5, "retries": 3}}])
        arn = stack.run_task("boxed")[0]
        stack.await_status(arn, "RUNNING")
        entered = stack.berth("exec", arn, "--", "sh", "-c", "echo in; exit 42", check=False)
        self.assertEqual((entered.returncode, entered.stdout), (42, "in\n"), entered.stderr)
        until("its check has passed", lambda: stack.task(arn)["healthStatus"] == "HEALTHY", 60)
        said = stack.berth("logs", arn).stdout
        self.assertTrue(said.startswith("out\n"), said)
        self.assertIn("gVisor", said, "its kernel is another")
        stack.aws("stop-task", "--task", arn)
        task = stack.await_status(arn, "STOPPED")
        self.assertEqual((task["stopCode"], task["containers"][0]["exitCode"]), ("UserInitiated", 143))


if __name__ == "__main__":
    unittest.main(verbosity=2)
