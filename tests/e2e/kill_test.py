# SPDX-License-Identifier: Apache-2.0
"""kill -9 of control plane and agent at named points: nothing acknowledged is lost, nothing runs twice.

A process is armed by BERTH_FAILPOINT=NAME and kills itself with SIGKILL when it passes that point, so each round has the named
step under way. That no container ran twice is told by the containers themselves: each writes one line to a server
outside Berth when it starts.
"""
import os
import threading
import unittest

from api import Api, Refused
from stack import Scene, until

# Points that a task passes on its way up and down, by the process that passes them. Each counts from the moment when the
# round's task is asked for (BERTH_FAILPOINT_GATE), so that what dies has it under way.
CONTROL_PLANE = ["store.before_commit", "store.after_commit", "control.before_plugin_call", "control.after_plugin_call",
                 "control.before_event", "control.before_answer",
                 "fleet.before_frame", "fleet.after_frame", "fleet.before_send", "fleet.after_send"]
AGENT = ["agent.before_frame", "agent.after_frame", "agent.before_send", "agent.after_send",
         "task.before_commit", "task.after_commit", "task.before_pull", "task.after_pull",
         "task.before_create", "task.after_create", "task.before_launch", "task.after_launch",
         "task.before_signal", "task.after_signal", "task.before_remove", "task.after_remove",
         "task.before_cleanup", "task.after_cleanup"]
# The second passage of a point is another step of the same task.
ROUNDS = [("berthd", point, 1) for point in CONTROL_PLANE] + \
         [("berthd", point, 2) for point in CONTROL_PLANE[:4]] + \
         [("agent", point, 1) for point in AGENT] + \
         [("agent", point, nth) for point in ("agent.before_send", "task.before_commit", "task.after_commit") for nth in (2, 3)]


class KillNine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        registry = cls.scene.registry()
        cls.image = f"{registry.host}/tools:1"
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        cls.marks = cls.scene.marks()
        cls.stack = cls.scene.start()

    def api(self):
        return Api(self.stack.port())

    def launch(self, number, script):
        """RunTask as a client with patience does it: the same token again until it is answered, a new one where nothing was placed
        (the agent may not be back yet after a restart of the control plane)."""
        attempt = 0

        def answered():
            nonlocal attempt
            try:
                answer = self.api().call(
                    "RunTask", taskDefinition="marked", clientToken=f"round-{number}-{attempt}",
                    overrides={"containerOverrides": [{"name": "main", "command": [
                        "/bin/sh", "-c", f"echo {number} | nc 127.0.0.1 {self.marks.port}; {script}"]}]})
            except OSError:
                return None
            if answer["failures"]:
                self.assertEqual((answer["tasks"], answer["failures"][0]["reason"]), ([], "AGENT"))
                attempt += 1
                return None
            return answer
        return until("RunTask is answered", answered, 60)["tasks"][0]["taskArn"]

    def describe(self, arn):
        try:
            return self.api().call("DescribeTasks", tasks=[arn])["tasks"][0]
        except OSError:
            return None

    def await_status(self, arn, status):
        return until(f"{arn} is {status}: {self.describe(arn)}\n{self.stack.tail()}",
                     lambda: (lambda task: task if task and task["lastStatus"] == status else None)(self.describe(arn)), 60)

    def arm(self, victim, point, nth):
        self.stack.kill(victim)
        self.gate = f"{self.scene.directory}/gate"
        self.stack.up(failpoint=f"{point}:{nth}", gate=self.gate)
        return self.stack.pid(victim)

    def test_thirty_rounds(self):
        self.stack.register("marked", [{"name": "main", "image": self.image, "memory": 32, "stopTimeout": 5}], networkMode="host")
        steady = self.launch("steady", "sleep 1000")
        before = self.await_status(steady, "RUNNING")
        expected = ["steady"]
        for number, (victim, point, nth) in enumerate(ROUNDS):
            with self.subTest(round=number, victim=victim, point=point, nth=nth):
                self.one_round(number, victim, point, nth, expected)
                self.assertEqual(self.describe(steady)["lastStatus"], "RUNNING")
                self.assertEqual(sorted(self.marks.lines()), sorted(expected), "each container started exactly once")
        self.assertGreaterEqual(len(ROUNDS), 30)
        after = self.describe(steady)
        for member in ("startedAt", "createdAt", "desiredStatus"):
            self.assertEqual(after[member], before[member], "a running task that nothing happened to has not changed")
        self.assertEqual(after["containers"][0]["runtimeId"], before["containers"][0]["runtimeId"])

    def one_round(self, number, victim, point, nth, expected):
        pid = self.arm(victim, point, nth)
        result = {}

        def whole_life():
            """Up, then stopped by the caller: passes every point."""
            result["task"] = self.launch(number, "trap 'exit 0' TERM; sleep 1000 & wait")
            self.await_status(result["task"], "RUNNING")
            until("StopTask is answered", lambda: self.stop_task(result["task"]), 60)
            result["end"] = self.await_status(result["task"], "STOPPED")
        client = threading.Thread(target=whole_life)
        open(self.gate, "w", encoding="ascii").close()
        client.start()
        until(f"{victim} passes {point} for the {nth}. time\n{self.stack.tail()}", lambda: _gone(pid), 30)
        os.unlink(self.gate)
        self.stack.up()
        client.join(120)
        self.assertFalse(client.is_alive(), "the client got through")
        self.assertIn("end", result, self.stack.tail())
        self.assertEqual(result["end"]["stopCode"], "UserInitiated")
        expected.append(str(number))

    def stop_task(self, arn):
        try:
            self.api().call("StopTask", task=arn)
            return True
        except OSError:
            return False
        except Refused as refused:
            raise AssertionError(f"an acknowledged task is not known any more: {refused}") from refused


def _gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
