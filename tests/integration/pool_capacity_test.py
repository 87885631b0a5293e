# SPDX-License-Identifier: Apache-2.0
"""A Fargate pool in three zones is filled with tasks of all sizes that ECS's table has, until none fits any more.

berthd with its real core, store and plugin; the hosts are simulated ones (bench/fleet), which speak the agents' protocol and run nothing.
"""
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from api import Api

ZONES = ("zone-0", "zone-1", "zone-2")
HOSTS, CPU, MEMORY = 15, 16384, 65536  # each
# (units, MiB) up to four vCPUs.
SIZES = ([(256, memory) for memory in (512, 1024, 2048)] + [(512, memory) for memory in range(1024, 4097, 1024)]
         + [(1024, memory) for memory in range(2048, 8193, 1024)] + [(2048, memory) for memory in range(4096, 16385, 1024)]
         + [(4096, memory) for memory in range(8192, 30721, 1024)])
ATTRIBUTES = ("berth.sandbox=user-namespace", "berth.task-pids=1000", "berth.task-disk-gib=20", "ecs.capability.task-cpu-mem-limit")
CONFIG = "log_level = \"warn\"\n" + "".join(f"[plugins.{name}]\nlisten = \"127.0.0.1:0\"\n" for name in ("ec2", "fargate")) + "".join(
    f"[[subnet]]\nid = \"subnet-{number}\"\ncidr = \"10.9{number}.0.0/16\"\nzone = \"{zone}\"\n" for number, zone in enumerate(ZONES))


def until(what, check, seconds=60):
    end = time.monotonic() + seconds
    while not (result := check()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        threading.Event().wait(0.02)
    return result


class PoolCapacity(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="berth-pool-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.mkdir(self.directory + "/hosts")
        data, config = self.directory + "/berth", self.directory + "/berth.toml"
        with open(config, "w", encoding="ascii") as out:
            out.write(CONFIG)
        log = open(self.directory + "/log", "w", encoding="ascii")
        self.addCleanup(log.close)
        plane = subprocess.Popen([os.environ["BERTH_BIN"] + "/berthd", "--config", config, "--data-dir", data, "--api", "127.0.0.1:0"],
                                 stdout=log, stderr=log)
        self.addCleanup(self.end, plane)

        def port(name):
            def written():
                self.assertIsNone(plane.poll(), self.said())
                try:
                    with open(f"{data}/{name}.port", encoding="ascii") as number:
                        return number.read().strip()
                except FileNotFoundError:
                    return ""
            return until(f"{name} listens", written)
        fleet, self.api = port("fargate"), Api(int(port("api")))
        hosts = subprocess.Popen(
            [os.environ["BERTH_FLEET_HOSTS"], "--server", "127.0.0.1:" + fleet, "--token-file", data + "/plugins/fargate/join-token",
             "--directory", self.directory + "/hosts", "--hosts", str(HOSTS), "--zones", "3", "--cpu", str(CPU), "--memory", str(MEMORY)]
            + [word for attribute in ATTRIBUTES for word in ("--attribute", attribute)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end, hosts)
        self.assertEqual(hosts.stdout.readline(), "connected\n", self.said())
        until("all hosts take tasks", lambda: sum(len(hosts) for hosts in self.free().values()) == HOSTS)

    @staticmethod
    def end(process):
        process.terminate()
        process.communicate(timeout=60)

    def said(self):
        with open(self.directory + "/log", encoding="utf-8") as log:
            return log.read()

    def free(self):
        """(cpu, memory) that is left, of each host by zone."""
        zones = collections.defaultdict(list)
        for pool in self.api.call("Berth.ListPools")["pools"]:
            zones[pool["availabilityZone"]] += [(host["remainingCpu"], host["remainingMemory"]) for host in pool["hosts"] if host["connected"]]
        return zones

    def run_task(self, size):
        return self.api.call("RunTask", taskDefinition="mixed", launchType="FARGATE", overrides={"cpu": str(size[0]), "memory": str(size[1])},
                             networkConfiguration={"awsvpcConfiguration": {"subnets": [f"subnet-{number}" for number in range(3)]}})

    def test_it_is_spread_while_there_is_room_and_full_when_there_is_none(self):
        self.api.call("RegisterTaskDefinition", family="mixed", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
                      containerDefinitions=[{"name": "main", "image": "none:1"}])
        dice, left, zones = random.Random(6), list(SIZES), collections.Counter({zone: 0 for zone in ZONES})
        used, first_refusal, even = collections.Counter(), None, 0
        while left:
            cpu = dice.choice(sorted({cpu for cpu, _ in left}))  # each as often, whatever memory there is to choose from
            size, free = dice.choice([one for one in left if one[0] == cpu]), self.free()
            fitting = [zone for zone in ZONES if any(there[0] >= size[0] and there[1] >= size[1] for there in free[zone])]
            answer = self.run_task(size)
            if not answer["tasks"]:
                self.assertEqual(fitting, [], f"{size} is refused\n" + self.said())
                self.assertEqual({failure["reason"][:36] for failure in answer["failures"]}, {"Capacity is unavailable at this time"})
                first_refusal = first_refusal or (sum(zones.values()), dict(used))
                left.remove(size)
                continue
            zone = answer["tasks"][0]["availabilityZone"]
            self.assertEqual(zones[zone], min(zones[other] for other in fitting), f"{size} into {zone}: {zones}, {fitting}")
            zones[zone] += 1
            used.update(cpu=size[0], memory=size[1])
            if len(fitting) == 3 and even == sum(zones.values()) - 1:
                self.assertLessEqual(max(zones.values()) - min(zones.values()), 1)
                even += 1
        tasks = sum(zones.values())
        until("all run", lambda: self.api.call("DescribeClusters")["clusters"][0]["runningTasksCount"] == tasks)
        hosts = [host for zone in self.free().values() for host in zone]
        self.assertEqual((HOSTS * CPU - sum(cpu for cpu, _ in hosts), HOSTS * MEMORY - sum(memory for _, memory in hosts)),
                         (used["cpu"], used["memory"]), "what is taken is what the tasks have")

        def percent(amounts):
            return {"cpu": 100 * amounts["cpu"] / (HOSTS * CPU), "memory": 100 * amounts["memory"] / (HOSTS * MEMORY)}
        full, first = percent(used), percent(first_refusal[1])
        print(f"{tasks} tasks on {HOSTS} hosts: even over the zones for the first {even}, first refusal after {first_refusal[0]} "
              f"(cpu {first['cpu']:.1f} %, memory {first['memory']:.1f} %), full at cpu {full['cpu']:.1f} %, memory {full['memory']:.1f} %; "
              f"by zone {sorted(zones.values())}")
        self.assertGreaterEqual(tasks, 120)
        self.assertGreaterEqual(max(full.values()), 95)


if __name__ == "__main__":
    unittest.main(verbosity=2)
