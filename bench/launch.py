#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks per second from RunTask to RUNNING, as a ratio to the bare runtime: crun create and start of the same bundle, as many at a time.

The image is present and the program sleeps. For each network mode rounds of both take turns in one run, since absolute times
swing with the machine's load: the ratio is the median of those within a round. Each round starts --tasks tasks, --concurrency
at a time, each caller waiting until its task is RUNNING before it starts the next; all stay until the round is over. Exit codes of
the bare runtime are checked: on a hybrid cgroup machine a failing crun looks fast. In mode awsvpc the bare runtime makes a
network namespace, too, but nothing in it.

Where the time of a task goes is printed by the task's own times: its call until it is recorded, until its agent begins to
look for the image, the image (that is there), and from there to the start of its program; then until the caller knows. The
CPU time is that of the control plane, the agent and everything the containers are made with.

Ends with 1 where a budget is missed: at least 0.6 of the bare runtime in mode host, 0.4 in awsvpc.

usage: bench/launch.py [--tasks N] [--concurrency N] [--rounds N] [--modes host,awsvpc] [--json] [--bin build/release/bin]    (as root)
"""
import argparse
import concurrent.futures
import glob
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE + "/../tests/e2e")

# What Berth has to reach of the bare runtime.
LEAST = {"host": 0.6, "awsvpc": 0.4}


class Bare:
    """The runtime by itself: create and start, on copies of a bundle that Berth made."""

    def __init__(self, directory, bundle, rootfs):
        self.root = directory
        os.makedirs(self.root + "/state")
        with open(bundle + "/config.json", encoding="utf-8") as config:
            self.config = json.load(config)
        self.config["root"] = {"path": rootfs, "readonly": True}
        for namespace in self.config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace.pop("path", None)  # the task's, which goes with it
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
            raise SystemExit(f"crun {' '.join(arguments)}: exit {done.returncode}")

    def start(self, name):
        self.crun("create", "-b", f"{self.root}/{name}", name)
        self.crun("start", name)

    def round(self, number, concurrency):
        bundles = self.prepare(number)
        before = children_cpu()
        begin = time.monotonic()
        try:
            with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
                list(pool.map(self.start, bundles))
            seconds = time.monotonic() - begin
            self.cpu = (children_cpu() - before) / number
        finally:
            # Also where one did not start: the others run, or wait for their program.
            with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
                list(pool.map(lambda name: self.crun("delete", "--force", name), bundles))
            for name in bundles:
                shutil.rmtree(f"{self.root}/{name}")
        return number / seconds


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Berth:
    """One family of tasks in one network mode."""

    def __init__(self, stack, image, mode):
        from api import Api
        self.stack = stack
        self.local = threading.local()
        self.new_api = lambda: Api(stack.port())
        self.family = "bench-" + mode
        self.network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-default"]}}} if mode == "awsvpc" else {}
        self.api().call("RegisterTaskDefinition", family=self.family, networkMode=mode, containerDefinitions=[
            {"name": "main", "image": image, "memory": 16, "command": ["/bin/sleep", "1000"], "stopTimeout": 2}])
        self.phases = []

    def api(self):
        """A connection for each thread."""
        if not hasattr(self.local, "api"):
            self.local.api = self.new_api()
        return self.local.api

    def until(self, arn, status):
        cursor = 0
        while True:
            answer = self.api().call("Berth.WatchTask", task=arn, cursor=cursor, timeoutSeconds=20)
            cursor, task = answer["cursor"], answer["task"]
            if task["lastStatus"] == status:
                return task
            if task["lastStatus"] == "STOPPED":
                raise SystemExit(f"a task stopped: {json.dumps(task)}")

    def start(self, _=None):
        called = time.time()
        answer = self.api().call("RunTask", taskDefinition=self.family, **self.network)
        if answer["failures"]:
            raise SystemExit(f"not started: {answer['failures']}")
        answered = time.time()
        task = self.until(answer["tasks"][0]["taskArn"], "RUNNING")
        self.phases.append({"call to record": task["createdAt"] - called,
                            "(call to its answer)": answered - called,
                            "record to pull": task["pullStartedAt"] - task["createdAt"],
                            "pull (image present)": task["pullStoppedAt"] - task["pullStartedAt"],
                            "pull to program": task["startedAt"] - task["pullStoppedAt"],
                            "program to caller": time.time() - task["startedAt"]})
        return task["taskArn"]

    def cpu_seconds(self):
        """Of both programs, and of what they have waited for; monitors and containers, which go on, by their own times."""
        ticks, pids = os.sysconf("SC_CLK_TCK"), [self.stack.pid("berthd"), self.stack.pid("agent")]
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                total += sum(int(field) for field in stat.read().rsplit(") ", 1)[1].split()[11:15])
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as cmdline, open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                    if self.stack.data.encode() + b"/agent/runtime/containers" in cmdline.read():
                        total += sum(int(field) for field in stat.read().rsplit(") ", 1)[1].split()[11:15])
            except (FileNotFoundError, ProcessLookupError):
                continue
        return total / ticks

    def round(self, number, concurrency):
        before = self.cpu_seconds()
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
            arns = list(pool.map(self.start, range(number)))
            seconds = time.monotonic() - begin
            self.cpu = (self.cpu_seconds() - before) / number
            list(pool.map(lambda arn: self.api().call("StopTask", task=arn), arns))
            list(pool.map(lambda arn: self.until(arn, "STOPPED"), arns))
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


def run_mode(mode, scene, stack, image, options):
    berth = Berth(stack, image, mode)
    first = berth.start()
    bundle = os.path.dirname(next(path for path in glob.glob(stack.data + "/agent/tasks/**/config.json", recursive=True)
                                  if first.rsplit("/", 1)[1] in path))
    layer = next(os.path.dirname(os.path.dirname(path)) for path in glob.glob(stack.data + "/agent/images/layers/**/bin/busybox",
                                                                              recursive=True))
    bare = Bare(f"{scene.directory}/bare-{mode}", bundle, layer)
    # `first` stays: the bundle mounts files of its.
    berth.round(options.concurrency, options.concurrency)
    bare.round(options.concurrency, options.concurrency)
    berth.phases.clear()
    rates, cpu = {"berth": [], "bare": []}, {"berth": [], "bare": []}
    for number in range(options.rounds):
        players = [("berth", berth), ("bare", bare)]
        for name, player in players if number % 2 == 0 else reversed(players):
            rates[name].append(player.round(options.tasks, options.concurrency))
            cpu[name].append(player.cpu)
    berth.api().call("StopTask", task=first)
    berth.until(first, "STOPPED")
    keys = list(berth.phases[0])
    return {"mode": mode, "per_second": {name: statistics.median(values) for name, values in rates.items()},
            "ratio": statistics.median(b / a for b, a in zip(rates["berth"], rates["bare"])),
            "ratios": [b / a for b, a in zip(rates["berth"], rates["bare"])],
            "cpu_ms": {name: statistics.median(values) * 1000 for name, values in cpu.items()},
            "phase_ms": {key: statistics.median(phase[key] for phase in berth.phases) * 1000 for key in keys}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200, help="in each round")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3, help="of each mode")
    parser.add_argument("--modes", default="host,awsvpc")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bin", default=HERE + "/../build/release/bin")
    options = parser.parse_args()
    modes = options.modes.split(",")
    if not set(modes) <= set(LEAST):
        parser.error(f"--modes: known are {', '.join(LEAST)}")
    hide_hybrid_cgroup()
    os.environ["BERTH_BIN"] = os.path.abspath(options.bin)
    from stack import Scene
    scene = Scene()
    results = []
    try:
        registry = scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        stack = scene.start()
        for mode in modes:
            results.append(run_mode(mode, scene, stack, f"{registry.host}/tools:1", options))
    finally:
        remove_groups()
        left = scene.close()
    # Where the v2 side is hidden, what would be a group of it is a plain directory in this namespace's tmpfs.
    for path in [group for group in left.get("cgroups", []) if "/unified/" in group]:
        shutil.rmtree(path, ignore_errors=True)
        left["cgroups"].remove(path)
    if any(left.values()):
        raise SystemExit(f"left behind: {left}")
    raise SystemExit(1 if report(options, results) else 0)


def report(options, results):
    missed = [f"{result['mode']}: Berth is {result['ratio']:.2f} of the bare runtime, less than {LEAST[result['mode']]}"
              for result in results if result["ratio"] < LEAST[result["mode"]]]
    if options.json:
        print(json.dumps({"tasks": options.tasks, "concurrency": options.concurrency, "results": results, "missed": missed}))
        return missed
    for result in results:
        print(f"network mode {result['mode']}, {options.tasks} tasks, {options.concurrency} at a time")
        for name, value in result["per_second"].items():
            print(f"  {name:6} {value:7.1f} tasks/s   {result['cpu_ms'][name]:6.1f} ms of CPU each")
        print(f"  Berth is {result['ratio']:.2f} of the bare runtime (rounds: {', '.join(f'{r:.2f}' for r in result['ratios'])})")
        print("  where the time of a task goes, median:")
        for name, value in result["phase_ms"].items():
            print(f"    {name:24} {value:8.1f} ms")
    for line in missed:
        print("missed: " + line)
    return missed


if __name__ == "__main__":
    main()
