# SPDX-License-Identifier: Apache-2.0
"""The plugin gpu on a host with a stand-in for NVML and a CDI file: a container has exactly the edits of its devices.

The nodes are of drivers that this machine may have or not; opening one tells which the device cgroup lets through.
"""
import hosts

hosts.own_network()  # before anything starts a thread

import json
import os
import re
import unittest

from api import Api
from stack import BIN, until

CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
[plugins.gpu]
listen = "10.253.0.1:5083"
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
"""
MINORS = (229, 200, 237, 242)
# Joined in pairs.
GPUS = [f"gpu uuid=GPU-{n} name=Tesla_T4 memory_mib=16384 minor={n} pci=00000000:0{n}:00.0 links=00000000:0{n ^ 1}:00.0" for n in range(4)]
CDI = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu",
       "containerEdits": {"env": ["NVIDIA_VISIBLE_DEVICES=void"],
                          "mounts": [{"hostPath": "/proc/version", "containerPath": "/driver/common", "options": ["ro", "bind"]}]},
       "devices": [{"name": f"GPU-{n}", "containerEdits": {
           "env": [f"CARD_{n}=here"],
           "deviceNodes": [{"path": f"/dev/card{n}", "type": "c", "major": 10, "minor": minor, "fileMode": 0o666}],
           "mounts": [{"hostPath": "/proc/uptime", "containerPath": f"/driver/card{n}", "options": ["ro", "bind"]}]}}
           for n, minor in enumerate(MINORS)]}
LOOK = ("env | grep -E '^(CARD|NVIDIA)' | sort; ls /dev | grep card; ls /driver; mkdir -p /n; "
        + "".join(f"mknod /n/{n} c 10 {minor}; (: < /n/{n}) 2>&1 | grep -q 'not permitted' && echo closed {n} || echo open {n}; "
                  for n, minor in enumerate(MINORS)) + "echo looked; exec sleep 1000")


class Cdi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.open_plane(cls, CONFIG)
        cls.api = Api(cls.plane.port())
        cls.script = cls.directory + "/nvml"
        os.environ["BERTH_STAND_IN_NVML"] = cls.script
        cls.say(*GPUS)
        os.mkdir(cls.directory + "/cdi")
        with open(cls.directory + "/cdi/nvidia.json", "w", encoding="ascii") as out:
            json.dump(CDI, out)
        cls.host = hosts.Host(cls.directory, 1, cls.plane, fleet="gpu", **{"plugins.gpu": {
            "nvml_library": os.path.realpath(BIN + "/../tests/drivers/libnvidia-ml-stand-in.so"), "cdi_dirs": [cls.directory + "/cdi"], "poll_interval_ms": 100,
            "sysfs_root": cls.directory, "xid_quarantine_seconds": 0}})
        cls.addClassCleanup(lambda: hosts.stop_all(cls.api, [cls.host]))
        cls.host.start()
        for name, gpus in (("one", "1"), ("two", "2")):
            cls.plane.register(name, [{"name": "main", "image": f"{cls.registry.host}/tools:1", "memory": 32, "stopTimeout": 2,
                                       "command": ["/bin/sh", "-c", LOOK], "resourceRequirements": [{"type": "GPU", "value": gpus}]}])
        until("the devices are there\n" + cls.host.log(), lambda: cls.free() == 4)

    @classmethod
    def say(cls, *lines):
        """What NVML tells from now on."""
        with open(cls.script + "~", "w", encoding="ascii") as out:
            out.write("driver 550.54.15\n" + "".join(line + "\n" for line in lines))
        os.rename(cls.script + "~", cls.script)

    @classmethod
    def free(cls):
        if not cls.api.call("ListContainerInstances")["containerInstanceArns"]:
            return 0
        return cls.api.call("Berth.PlanTask", taskDefinition="one", count=4).get("placedCount", 0)

    def reach(self, arn, status):
        def there():
            task = self.api.call("DescribeTasks", tasks=[arn])["tasks"][0]
            self.assertTrue(task["lastStatus"] in (status, "PENDING") or status == "STOPPED", task)
            return task if task["lastStatus"] == status else None
        return until(f"{arn} is {status}\n" + self.plane.tail() + self.host.log(), there, 60)

    def run_task(self, family):
        answer = self.api.call("RunTask", taskDefinition=family)
        self.assertEqual(answer["failures"], [])
        return answer["tasks"][0]["taskArn"]

    def stop(self, arn):
        self.api.call("StopTask", task=arn)
        self.reach(arn, "STOPPED")

    def test_a_container_has_the_edits_of_its_devices_and_no_others(self):
        arn = self.run_task("two")
        ids = self.reach(arn, "RUNNING")["containers"][0]["gpuIds"]
        numbers = sorted(int(one[-1]) for one in ids)
        self.assertEqual(numbers[0] // 2, numbers[1] // 2, "joined by a link")
        said = until("it has looked around", lambda: (lambda text: text if "looked" in text else None)(self.plane.berth("logs", arn).stdout))
        self.assertEqual(sorted(re.findall(r"\bCARD_\d=here|NVIDIA_VISIBLE_DEVICES=\w+", said)),
                         [f"CARD_{n}=here" for n in numbers] + ["NVIDIA_VISIBLE_DEVICES=void"])
        # Nodes in /dev, then mounts in /driver.
        self.assertEqual(re.findall(r"\b(card\d|common)$", said, re.MULTILINE), [f"card{n}" for n in numbers] * 2 + ["common"])
        self.assertEqual([int(n) for n in re.findall(r"\bopen (\d)", said)], numbers)
        self.stop(arn)

    def test_a_lost_device_stops_its_task_within_seconds_and_comes_back(self):
        arn = self.run_task("one")
        number = int(self.reach(arn, "RUNNING")["containers"][0]["gpuIds"][0][-1])
        self.say(*(line + (" error=15" if n == number else "") for n, line in enumerate(GPUS)))  # NVML_ERROR_GPU_IS_LOST
        stopped = self.reach(arn, "STOPPED")
        self.assertTrue(stopped["stoppedReason"].startswith(f"Device GPU-{number} (GPU Tesla T4) is unhealthy: "), stopped)
        self.assertEqual(self.free(), 3)
        self.say(*GPUS)
        until("it is back", lambda: self.free() == 4, 60)

    def test_a_killed_agent_finds_its_devices_and_their_tasks_again(self):
        arn = self.run_task("two")
        before = self.reach(arn, "RUNNING")
        self.host.kill_agent()
        self.host.start_agent()
        until("the host is back", lambda: self.free() == 2)
        after = self.reach(arn, "RUNNING")
        self.assertEqual([(task["startedAt"], task["containers"][0]["gpuIds"]) for task in (before, after)],
                         [(before["startedAt"], before["containers"][0]["gpuIds"])] * 2)
        self.stop(arn)
        until("all are free", lambda: self.free() == 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
