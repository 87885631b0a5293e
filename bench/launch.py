#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers per second from RunTask to RUNNING, as a ratio to a bare loop of the same runtime on the same bundle.

Image present, network mode host, `sleep` as program. Rounds of both take turns in one run, since absolute times swing with the
machine's load; medians are printed, and where the time of a task goes. Exit codes of the bare runtime are checked: on a hybrid
cgroup machine a failing crun looks fast.

usage: bench/launch.py [--tasks N] [--rounds N] [--json] [--bin build/release/bin]    (as root)
"""
import argparse
import concurrent.futures
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE + "/../tests/e2e")


class Bare:
    """The runtime by itself: create and start, on copies of a bundle that Berth made."""

    def __init__(self, directory, bundle, rootfs):
        self.root = directory + "/bare"
        os.makedirs(self.root + "/state")
        with open(bundle + "/config.json", encoding="utf-8") as config:
            self.config = json.load(config)
        self.config["root"] = {"path": rootfs, "readonly": True}
        self.count = 0

    def prepare(self, number):
        bundles = []
        for _ in range(number):
            self.count += 1
            name = f"bare{os.getpid()}-{self.count}"
            os.makedirs(f"{self.root}/{name}")
            self.config["linux"]["cgroupsPath"] = f"/berth-bench/{name}"
            with open(f"{self.root}/{name}/config.json", "w", encoding="utf-8") as config:
                json.dump(self.config, config)
            bundles.append(name)
        return bundles

    def crun(self, *arguments):
        # Output goes to /dev/null: a container keeps these descriptors as long as it runs.
        done = subprocess.run(["crun", "--cgroup-manager=cgroupfs", "--root", self.root + "/state", *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise SystemExit(f"crun {arguments}: exit {done.returncode}")

    def start(self, name):
        self.crun("create", "-b", f"{self.root}/{name}", name)
        self.crun("start", name)

    def round(self, number, parallel):
        bundles = self.prepare(number)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            list(pool.map(self.start, bundles))
        seconds = time.monotonic() - begin
        for name in bundles:
            self.crun("delete", "--force", name)
        return number / seconds


class Berth:
    def __init__(self, stack, image):
        from api import Api
        self.api = Api(stack.port())
        self.api.call("RegisterTaskDefinition", family="bench", networkMode="host", containerDefinitions=[
            {"name": "main", "image": image, "memory": 16, "command": ["/bin/sleep", "1000"], "stopTimeout": 1}])
        self.phases = []

    def until(self, arn, status):
        cursor = 0
        while True:
            answer = self.api.call("Berth.WatchTask", task=arn, cursor=cursor, timeoutSeconds=20)
            cursor, task = answer["cursor"], answer["task"]
            if task["lastStatus"] == status:
                return task
            if task["lastStatus"] == "STOPPED":
                raise SystemExit(f"a task stopped: {json.dumps(task)}")

    def run(self, number):
        arns = []
        while len(arns) < number:
            answer = self.api.call("RunTask", taskDefinition="bench", count=min(10, number - len(arns)))
            if answer["failures"]:
                raise SystemExit(f"not placed: {answer['failures']}")
            arns += [task["taskArn"] for task in answer["tasks"]]
        return arns

    def round(self, number):
        begin = time.monotonic()
        wall = time.time()
        arns = self.run(number)
        answered = time.monotonic() - begin
        tasks = [self.until(arn, "RUNNING") for arn in arns]
        seconds = time.monotonic() - begin
        for task in tasks:
            self.phases.append({"call to created": task["createdAt"] - wall,
                                "created to pull started": task["pullStartedAt"] - task["createdAt"],
                                "pull (image present)": task["pullStoppedAt"] - task["pullStartedAt"],
                                "pull stopped to started": task["startedAt"] - task["pullStoppedAt"]})
        self.phases[-1]["all calls answered"] = answered
        for arn in arns:
            self.api.call("StopTask", task=arn)
        for arn in arns:
            self.until(arn, "STOPPED")
        return number / seconds


def hide_hybrid_cgroup():
    """crun refuses hybrid cgroups: this process and its children live where the v2 side is not mounted."""
    if os.path.ismount("/sys/fs/cgroup/unified") and not os.environ.get("BERTH_BENCH_INSIDE"):
        os.execvpe("unshare", ["unshare", "-m", "--propagation", "unchanged", "sh", "-c",
                               'umount /sys/fs/cgroup/unified; exec "$@"', "sh", sys.executable, *sys.argv],
                   {**os.environ, "BERTH_BENCH_INSIDE": "1"})


def remove_groups():
    for top in glob.glob("/sys/fs/cgroup/*/berth-bench") + glob.glob("/sys/fs/cgroup/berth-bench"):
        if "/unified/" in top:
            # Where the v2 side is not mounted crun leaves plain directories in the tmpfs under it.
            shutil.rmtree(top)
            continue
        for path, _, _ in os.walk(top, topdown=False):
            os.rmdir(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bin", default=HERE + "/../build/release/bin")
    options = parser.parse_args()
    hide_hybrid_cgroup()
    os.environ["BERTH_BIN"] = os.path.abspath(options.bin)
    from stack import Scene
    scene = Scene()
    rates = {"berth": [], "bare, one at a time": [], "bare, four at a time": []}
    try:
        registry = scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        stack = scene.start()
        berth = Berth(stack, f"{registry.host}/tools:1")
        (warm,) = berth.run(1)
        berth.until(warm, "RUNNING")
        bundle = os.path.dirname(next(path for path in glob.glob(stack.data + "/agent/**/config.json", recursive=True)))
        layer = next(os.path.dirname(os.path.dirname(path)) for path in glob.glob(stack.data + "/agent/**/bin/busybox", recursive=True)
                     if "layers" in path)
        bare = Bare(scene.directory, bundle, layer)
        berth.round(4)
        berth.phases.clear()
        for _ in range(options.rounds):
            rates["berth"].append(berth.round(options.tasks))
            rates["bare, one at a time"].append(bare.round(options.tasks, 1))
            rates["bare, four at a time"].append(bare.round(options.tasks, 4))
    finally:
        remove_groups()
        left = scene.close()
    # Where the v2 side is hidden, what would be a group of it is a plain directory in this namespace's tmpfs.
    for path in [group for group in left.get("cgroups", []) if "/unified/" in group]:
        shutil.rmtree(path, ignore_errors=True)
        left["cgroups"].remove(path)
    if any(left.values()):
        raise SystemExit(f"left behind: {left}")
    report(options, rates, berth.phases)


def report(options, rates, phases):
    median = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {name: statistics.median(b / a for b, a in zip(rates["berth"], rates[name])) for name in rates if name != "berth"}
    keys = list(dict.fromkeys(key for phase in phases for key in phase))
    where = {key: statistics.median(phase[key] for phase in phases if key in phase) for key in keys}
    if options.json:
        print(json.dumps({"containers_per_second": median, "ratio": ratios, "seconds": where}))
        return
    for name, value in median.items():
        print(f"{name:24} {value:7.1f} containers/s" + (f"   Berth is {ratios[name]:.2f} of it" if name in ratios else ""))
    print(f"where the time of a task goes, {options.tasks} at once, median:")
    for name, value in where.items():
        print(f"  {name:24} {value * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
