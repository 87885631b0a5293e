# SPDX-License-Identifier: Apache-2.0
"""The checker of leftovers sees each kind of thing that it looks for: otherwise it would praise any agent."""
import os
import shutil
import subprocess
import tempfile
import unittest

from leftovers import Leftovers
from stack import run

TASK = "0123456789abcdef0123456789abcdef"
ALIVE = "fedcba9876543210fedcba9876543210"


class Checker(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="berth-leftovers-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.name = "blo" + self.directory[-8:].lower().replace("_", "0")
        with open(self.directory + "/agent.toml", "w", encoding="utf-8") as config:
            config.write(f'data_dir = "{self.directory}/agent"\nbridge = "{self.name}"\ncgroup_parent = "{self.name}"\n')
        self.leftovers = Leftovers(self.directory + "/agent.toml", run)

    def expect(self, kind, alive=()):
        self.assertEqual(list(self.leftovers.of_finished(alive)), [kind] if kind else [])

    def test_sees_nothing_where_nothing_is(self):
        self.expect(None)

    def test_sees_directories_holds_and_drafts(self):
        for place in (f"tasks/{TASK}", f"runtime/containers/{TASK}-0", f"network/endpoints/{TASK}-0", f"images/holds/{TASK}-0",
                      f"runtime/runtime/{TASK}-0", f"runtime/execs/{TASK}-0.1", f"volumes/task/{TASK}", f"disks/{TASK}", f"ids/{TASK}"):
            os.makedirs(f"{self.directory}/agent/{place}")
            self.expect("directories")
            self.expect(None, [TASK])
            shutil.rmtree(f"{self.directory}/agent/{place}")
        os.makedirs(f"{self.directory}/agent/images/drafts/7")
        self.expect("directories", [TASK])

    def test_sees_mounts(self):
        place = f"{self.directory}/agent/tasks/{ALIVE}/0/fs"
        os.makedirs(place)
        run(["mount", "-t", "tmpfs", "none", place])
        self.addCleanup(run, ["umount", place])
        self.expect(None, [ALIVE])
        self.assertIn("mounts", self.leftovers.of_finished([TASK]))

    def test_sees_namespaces_and_links(self):
        name = f"{self.name}_{TASK}-0"
        run(["ip", "netns", "add", name])
        self.addCleanup(run, ["ip", "netns", "del", name])
        self.assertIn("namespaces", self.leftovers.of_finished([]))
        run(["ip", "link", "add", self.name, "type", "bridge"])
        self.addCleanup(run, ["ip", "link", "del", self.name])
        end = "bvx" + self.name[-8:]
        run(["ip", "link", "add", end, "type", "veth", "peer", "name", end + "p"])
        self.addCleanup(run, ["ip", "link", "del", end])
        run(["ip", "link", "set", end, "master", self.name])
        self.expect(None, [TASK])
        self.assertIn("links", self.leftovers.of_finished([]))

    def test_sees_what_tasks_with_addresses_of_their_own_leave(self):
        name = f"{self.name}.eni_{TASK}"
        table = f"berth_eni_{self.name}"
        run(["nft", "add", "table", "ip", table])
        self.addCleanup(run, ["nft", "delete", "table", "ip", table])
        run(["nft", "add", "set", "ip", table, "own", "{ type ipv4_addr ; }"])
        self.expect(None)
        run(["nft", "add", "element", "ip", table, "own", "{ 10.9.8.7 }"])
        self.expect("interfaces")
        run(["ip", "netns", "add", name])
        self.addCleanup(run, ["ip", "netns", "del", name])
        self.expect(None, [TASK])
        self.assertEqual(set(self.leftovers.of_finished([])), {"namespaces", "mounts", "interfaces"})

    def test_sees_rules_of_addresses_that_no_task_has(self):
        run(["nft", "add", "table", "ip", f"berth_{self.name}"])
        self.addCleanup(run, ["nft", "delete", "table", "ip", f"berth_{self.name}"])
        run(["nft", "add", "map", "ip", f"berth_{self.name}", "tcp_ports", "{ type inet_service : ipv4_addr . inet_service ; }"])
        run(["nft", "add", "element", "ip", f"berth_{self.name}", "tcp_ports", "{ 8080 : 10.9.8.7 . 80 }"])
        self.expect("rules")
        os.makedirs(f"{self.directory}/agent/network/endpoints")
        with open(f"{self.directory}/agent/network/endpoints/{TASK}-0", "w", encoding="ascii") as endpoint:
            endpoint.write("address=10.9.8.7\n")
        self.expect(None, [TASK])

    def test_sees_cgroups_and_what_runs_in_them(self):
        root = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
        group = f"{root}/{self.name}/{TASK}"
        os.makedirs(group)
        self.addCleanup(os.rmdir, f"{root}/{self.name}")
        self.addCleanup(os.rmdir, group)
        self.expect("cgroups")
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            with open(group + "/cgroup.procs", "w", encoding="ascii") as procs:
                procs.write(str(process.pid))
            self.assertEqual(set(self.leftovers.of_finished([])), {"cgroups", "processes"})
            self.expect(None, [TASK])
            process.stdin.close()
            process.wait(10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
