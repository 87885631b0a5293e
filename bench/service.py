#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How quickly services react on one host, beside bare launches of the same runtime on the same bundle in the same run.

Three things are timed: a service of 100 tasks from CreateService until 100 are RUNNING; a task whose process is killed until another is RUNNING;
50 tasks rolled with minimumHealthyPercent 0 and maximumPercent 200 from UpdateService until 50 new ones are RUNNING and the old ones STOPPED.
Image present, network mode host, static busybox that ends at SIGTERM. The bare launches are as many `create` and `start`, four at a time.

usage: bench/service.py [--rounds N] [--tasks N] [--rolled N] [--json] [--bin build/release/bin]    (as root)
"""
import argparse
import glob
import json
import os
import shutil
import signal
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, HERE + "/../tests/e2e"]
from launch import Bare, hide_hybrid_cgroup, remove_groups

# As first process of a container it ends at SIGTERM because it asks for the signal.
SCRIPT = "trap 'exit 0' TERM; sleep 1000 & wait"
PAUSE = threading.Event()


class Services:
    def __init__(self, stack, image):
        from api import Api
        self.data = stack.data
        self.api = Api(stack.port())
        self.image = image
        for _ in range(2):
            self.api.call("RegisterTaskDefinition", family="bench", networkMode="host", containerDefinitions=[
                {"name": "main", "image": image, "memory": 8, "cpu": 2, "stopTimeout": 2,
                 "command": ["/bin/sh", "-c", SCRIPT]}])

    def service(self, name):
        return self.api.call("DescribeServices", services=[name])["services"][0]

    def until(self, name, check, seconds=120):
        end = time.monotonic() + seconds
        while not check(self.service(name)):
            if time.monotonic() > end:
                raise SystemExit(f"not within {seconds} s: {json.dumps(self.service(name), indent=1)}")
            PAUSE.wait(0.005)

    def create(self, name, count):
        begin = time.monotonic()
        self.api.call("CreateService", serviceName=name, taskDefinition="bench:1", desiredCount=count,
                      deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 200})
        self.until(name, lambda service: service["runningCount"] == count)
        return time.monotonic() - begin

    def until_steady(self, name):
        self.until(name, lambda service: len(service["deployments"]) == 1 and service["deployments"][0]["rolloutState"] == "COMPLETED")

    def tasks(self, name):
        arns, token = [], {}
        while True:
            answer = self.api.call("ListTasks", serviceName=name, **token)
            arns += answer["taskArns"]
            if not answer.get("nextToken"):
                return arns
            token = {"nextToken": answer["nextToken"]}

    def process_of(self, arn):
        """The first process of the task's container, by its cgroup."""
        task = arn.rsplit("/", 1)[1]
        for path in glob.glob(f"/sys/fs/cgroup/pids/*/{task}/**/cgroup.procs", recursive=True) + \
                glob.glob(f"/sys/fs/cgroup/*/{task}/**/cgroup.procs", recursive=True):
            with open(path, encoding="ascii") as procs:
                pids = [int(line) for line in procs]
            if pids:
                return min(pids)
        raise SystemExit(f"no process of task {task} was found")

    def replace(self, name, count):
        """From the kill until another task is RUNNING."""
        before = set(self.tasks(name))
        victim = self.process_of(sorted(before)[0])
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while not set(self.tasks(name)) - before:
            if time.monotonic() - begin > 60:
                raise SystemExit("a killed task was not replaced")
            PAUSE.wait(0.002)
        new = (set(self.tasks(name)) - before).pop()
        cursor = 0
        while True:
            answer = self.api.call("Berth.WatchTask", task=new, cursor=cursor, timeoutSeconds=20)
            cursor, task = answer["cursor"], answer["task"]
            if task["lastStatus"] == "RUNNING":
                break
            if task["lastStatus"] == "STOPPED":
                raise SystemExit(f"the replacement stopped: {json.dumps(task)}")
        seconds = time.monotonic() - begin
        self.until(name, lambda service: service["runningCount"] == count)
        return seconds

    def roll(self, name, count):
        begin = time.monotonic()
        self.api.call("UpdateService", service=name, taskDefinition="bench:2")

        def rolled(service):
            primary = service["deployments"][0]
            return primary["taskDefinition"].endswith(":2") and primary["runningCount"] == count and len(service["deployments"]) == 1
        self.until(name, rolled)
        return time.monotonic() - begin

    def remove(self, name):
        self.api.call("DeleteService", service=name, force=True)
        self.until(name, lambda service: service["status"] == "INACTIVE")


def measure(options, services, bare):
    times = {"scale": [], "replace": [], "roll": [], "bare scale": [], "bare replace": [], "bare roll": []}
    for number in range(options.rounds):
        big, small = f"big{number}", f"small{number}"
        times["scale"].append(services.create(big, options.tasks))
        services.until_steady(big)
        times["replace"].append(services.replace(big, options.tasks))
        services.remove(big)
        times["bare scale"].append(options.tasks / bare.round(options.tasks, 4))
        times["bare replace"].append(1 / bare.round(1, 1))
        services.create(small, options.rolled)
        services.until_steady(small)
        times["roll"].append(services.roll(small, options.rolled))
        services.remove(small)
        times["bare roll"].append(options.rolled / bare.round(options.rolled, 4))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=100, help="of the service that starts")
    parser.add_argument("--rolled", type=int, default=50, help="tasks of the service that is rolled")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bin", default=HERE + "/../build/release/bin")
    options = parser.parse_args()
    hide_hybrid_cgroup()
    os.environ["BERTH_BIN"] = os.path.abspath(options.bin)
    from stack import Scene
    scene = Scene()
    try:
        registry = scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        # A task is healthy once it runs, and more may be placed than the machine has.
        stack = scene.start("service_healthy_after_seconds = 0\n[agent]\ncpu = 102400\nmemory = 102400\n")
        services = Services(stack, f"{registry.host}/tools:1")
        services.create("warm", 2)
        bundle = os.path.dirname(next(iter(glob.glob(stack.data + "/agent/**/config.json", recursive=True))))
        layer = next(os.path.dirname(os.path.dirname(path)) for path in glob.glob(stack.data + "/agent/**/bin/busybox", recursive=True)
                     if "layers" in path)
        bare = Bare(scene.directory, bundle, layer)
        times = measure(options, services, bare)
        services.remove("warm")  # the bare launches mount what its tasks have
    finally:
        remove_groups()
        left = scene.close()
    for path in [group for group in left.get("cgroups", []) if "/unified/" in group]:
        shutil.rmtree(path, ignore_errors=True)
        left["cgroups"].remove(path)
    if any(left.values()):
        raise SystemExit(f"left behind: {left}")
    report(options, times)


def report(options, times):
    seconds = {name: statistics.median(values) for name, values in times.items()}
    ratios = {name: statistics.median(a / b for a, b in zip(times[name], times["bare " + name])) for name in ("scale", "replace", "roll")}
    if options.json:
        print(json.dumps({"seconds": seconds, "times_bare": ratios, "all": times}))
        return
    for name, what, aim in (("scale", f"a service of {options.tasks} tasks reaches {options.tasks} RUNNING", 2),
                            ("replace", "a killed task is replaced", 0.1), ("roll", f"{options.rolled} tasks are rolled", 3)):
        print(f"{what:48} {seconds[name]:7.3f} s (aim {aim} s), {ratios[name]:5.2f} times bare launches ({seconds['bare ' + name]:.3f} s)")


if __name__ == "__main__":
    main()
