# SPDX-License-Identifier: Apache-2.0
"""A full disk stops the task that filled it, with a reason; the others go on, and so does the host once there is room again.

The agent's directory is a file system of 64 MiB of its own, in a file.
"""
import os
import unittest

import images
from leftovers import Leftovers
from stack import Scene, run, until

MIB = 1 << 20


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.addCleanup(self.scene.check_closed)
        self.registry = self.scene.registry()
        self.image = f"{self.registry.host}/tools:1"
        self.registry.client.image("tools", "1", Env=["PATH=/bin"])
        disk, self.mount = self.scene.directory + "/disk.img", self.scene.directory + "/disk"
        with open(disk, "wb") as out:
            out.truncate(64 * MIB)
        run(["mkfs.ext4", "-q", "-m", "0", disk])
        os.mkdir(self.mount)
        run(["mount", "-o", "loop", disk, self.mount])
        # Before the directory goes, after the stack has ended.
        self.scene.closers.insert(0, lambda: run(["umount", self.mount]))
        self.stack = self.scene.start(f'[agent]\ndata_dir = "{self.mount}/agent"\n')
        self.addCleanup(self.make_room)  # whatever happened: the stack is to come down

    def container(self, script, **members):
        return {"name": "main", "image": self.image, "memory": 64, "stopTimeout": 2, "command": ["/bin/sh", "-c", script], **members}

    def start(self, family, script, **members):
        self.stack.register(family, [self.container(script, **members)], networkMode="none")
        return self.stack.run_task(family)[0]

    def reason(self, task):
        return task["containers"][0].get("reason", "") + " " + task.get("stoppedReason", "")

    def make_room(self):
        for place, _, files in os.walk(self.mount + "/agent/tasks"):
            for name in {"fill", "more"} & set(files):
                os.truncate(f"{place}/{name}", 0)

    def free(self):
        space = os.statvfs(self.mount)
        return space.f_bavail * space.f_frsize

    def test_a_pull_that_does_not_fit_fails_with_a_reason_and_leaves_no_bytes(self):
        steady = self.start("steady", "while :; do echo tick; sleep 1; done")
        self.stack.await_status(steady, "RUNNING")
        before = self.free()
        # Zeros weigh nothing on the way, and 96 MiB when unpacked.
        self.registry.client.image("huge", "1", [images.layer(), images.layer([("zeros", bytes(96 * MIB), 0o644)], (), applets=False)])
        huge = self.start("huge", "true", image=f"{self.registry.host}/huge:1")
        stopped = self.stack.await_status(huge, "STOPPED")
        self.assertEqual(stopped["stopCode"], "TaskFailedToStart")
        self.assertRegex(self.reason(stopped), r"CannotPullContainerError: .*No space left on device")
        self.assertEqual(self.stack.task(steady)["lastStatus"], "RUNNING")
        self.assertEqual(os.listdir(self.mount + "/agent/images/drafts"), [])
        until("the bytes of the failed pull are free again", lambda: self.free() > before - 2 * MIB)
        again = self.stack.await_status(self.start("small", "exit 7"), "STOPPED")
        self.assertEqual(again["containers"][0].get("exitCode"), 7, again)

    def test_who_fills_the_disk_is_stopped_with_the_reason_and_the_others_go_on(self):
        steady = self.start("steady", "sleep 1000")
        self.stack.await_status(steady, "RUNNING")
        writer = self.start("writer", "dd if=/dev/zero of=/fill bs=64k; sleep 1000")
        stopped = self.stack.await_status(writer, "STOPPED")
        self.assertEqual(stopped["stopCode"], "TerminationNotice")
        self.assertRegex(stopped["stoppedReason"], r"^OutOfDiskError: No space left on device: .* this task took [3-6]\d MiB")
        self.assertEqual(self.stack.task(steady)["lastStatus"], "RUNNING")
        until("there is room again", lambda: self.free() > 32 * MIB)
        # Logs fill it as well as files do.
        talker = self.start("talker", "yes 0123456789abcdef0123456789abcdef")
        stopped = self.stack.await_status(talker, "STOPPED")
        self.assertIn("OutOfDiskError", stopped["stoppedReason"])
        until("there is room again", lambda: self.free() > 32 * MIB)
        self.assertEqual(self.stack.task(steady)["lastStatus"], "RUNNING")
        after = self.stack.await_status(self.start("after", "exit 3"), "STOPPED")
        self.assertEqual(after["containers"][0].get("exitCode"), 3, after)

    def test_where_the_operator_wishes_it_a_writer_meets_enospc_and_goes_on(self):
        self.stack.down()
        with open(self.stack.config_file, "a", encoding="utf-8") as config:
            config.write("stop_disk_fillers = false\n")
        self.stack.up()
        steady = self.start("steady", "trap 'exit 5' TERM; while :; do sleep 1; done & wait")
        self.stack.await_status(steady, "RUNNING")
        doomed = self.start("doomed", "sleep 1000")
        self.stack.await_status(doomed, "RUNNING")
        writer = self.start("writer", "dd if=/dev/zero of=/fill bs=64k 2>/err; echo dd $?; cat /err; "
                                      "while dd if=/dev/zero of=/more bs=4k 2>/dev/null; do :; done; echo full; sleep 1000")
        self.stack.await_status(writer, "RUNNING")
        until("the disk is full", lambda: self.free() < 64 * 1024, 60)
        # What needs room is refused, with the reason.
        late = self.stack.await_status(self.start("late", "true"), "STOPPED")
        self.assertEqual(late["stopCode"], "TaskFailedToStart")
        self.assertRegex(self.reason(late).lower(), "no space (is )?left")
        # Who runs goes on, may be stopped, and how it ended is known.
        self.assertEqual(self.stack.task(writer)["lastStatus"], "RUNNING")
        self.stack.call("StopTask", task=steady)
        end = self.stack.await_status(steady, "STOPPED")
        self.assertEqual(end["containers"][0].get("exitCode"), 5, end)
        self.stack.call("StopTask", task=doomed)
        self.assertEqual(self.stack.await_status(doomed, "STOPPED")["containers"][0].get("exitCode"), 137)
        # The agent comes back on a full disk.
        self.stack.kill("agent")
        self.stack.up()
        self.assertEqual(self.stack.task(writer)["lastStatus"], "RUNNING")
        self.stack.call("StopTask", task=writer)
        self.stack.await_status(writer, "STOPPED")
        after = self.stack.await_status(self.start("after", "exit 3"), "STOPPED")
        self.assertEqual(after["containers"][0].get("exitCode"), 3, after)
        leftovers = Leftovers(self.stack.data + "/agent.toml", run)
        until(f"nothing is left: {leftovers.of_finished([])}", lambda: leftovers.of_finished([]) == {}, 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
