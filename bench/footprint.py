#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of an agent while it runs containers, and of the monitor beside each of them.

Resident memory (RSS) counts pages that processes share once for each of them; PSS gives each its part. Both are read from
/proc/PID/smaps_rollup when the containers run and nothing more happens, before any has been started, and after all have ended.

Ends with 1 where a budget is missed: RSS of the agent below 60 MiB, of each monitor below 2 MiB.

usage: bench/footprint.py [--tasks N] [--network MODE] [--json] [--bin build/release/bin]    (as root)
"""
import argparse
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE + "/../tests/e2e")

AGENT_MIB = 60
MONITOR_MIB = 2


def memory(pid):
    """MiB by kind."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        lines = [line.split() for line in rollup.readlines()[1:]]
    kinds = {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines}
    return {"rss": kinds["Rss"], "pss": kinds["Pss"], "private": kinds["Private_Clean"] + kinds["Private_Dirty"]}


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def monitors(data):
    """Pids of the monitors of this agent's containers."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                if comm.read().strip() == "berth-monitor" and data.encode() in cmdline.read():
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Tasks:
    def __init__(self, stack, image, network):
        from api import Api
        self.api = Api(stack.port())
        self.network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-default"]}}} if network == "awsvpc" else {}
        self.api.call("RegisterTaskDefinition", family="footprint", networkMode=network, containerDefinitions=[
            {"name": "main", "image": image, "memory": 16, "command": ["/bin/sleep", "100000"], "stopTimeout": 2}])

    def until(self, arn, status):
        cursor = 0
        while True:
            answer = self.api.call("Berth.WatchTask", task=arn, cursor=cursor, timeoutSeconds=20)
            cursor, task = answer["cursor"], answer["task"]
            if task["lastStatus"] == status:
                return
            if task["lastStatus"] == "STOPPED":
                raise SystemExit(f"a task stopped: {json.dumps(task)}")

    def start(self, number):
        arns = []
        while len(arns) < number:
            answer = self.api.call("RunTask", taskDefinition="footprint", count=min(10, number - len(arns)), **self.network)
            if answer["failures"]:
                raise SystemExit(f"not placed: {answer['failures']}")
            arns += [task["taskArn"] for task in answer["tasks"]]
        for arn in arns:
            self.until(arn, "RUNNING")
        return arns

    def stop(self, arns):
        for arn in arns:
            self.api.call("StopTask", task=arn)
        for arn in arns:
            self.until(arn, "STOPPED")


def measure(stack, image, options):
    agent = stack.pid("agent")
    result = {"tasks": options.tasks, "network": options.network, "agent_idle": memory(agent)}
    tasks = Tasks(stack, image, options.network)
    arns = tasks.start(options.tasks)
    pids = monitors(stack.data)
    if len(pids) != options.tasks:
        raise SystemExit(f"{len(pids)} monitors of {options.tasks} containers")
    each = [memory(pid) for pid in pids]
    result["agent"] = {**memory(agent), "threads": threads(agent)}
    result["berthd"] = memory(stack.pid("berthd"))
    result["monitor"] = {kind: statistics.median(one[kind] for one in each) for kind in each[0]}
    result["monitor_most"] = {kind: max(one[kind] for one in each) for kind in each[0]}
    tasks.stop(arns)
    result["agent_afterwards"] = memory(agent)
    return result


def report(result, as_json):
    missed = []
    if result["agent"]["rss"] >= AGENT_MIB:
        missed.append(f"the agent has {result['agent']['rss']:.1f} MiB, not below {AGENT_MIB}")
    if result["monitor_most"]["rss"] >= MONITOR_MIB:
        missed.append(f"a monitor has {result['monitor_most']['rss']:.2f} MiB, not below {MONITOR_MIB}")
    if as_json:
        print(json.dumps({**result, "missed": missed}))
        return missed
    print(f"{result['tasks']} containers, network mode {result['network']}; MiB           RSS      PSS  private")
    for name, label in (("agent_idle", "agent before"), ("agent", "agent"), ("agent_afterwards", "agent afterwards"),
                        ("monitor", "monitor, median"), ("monitor_most", "monitor, most"), ("berthd", "(berthd)")):
        one = result[name]
        print(f"  {label:46} {one['rss']:8.2f} {one['pss']:8.2f} {one['private']:8.2f}")
    for line in missed:
        print("missed: " + line)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--network", default="host", choices=["host", "awsvpc", "bridge", "none"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bin", default=HERE + "/../build/release/bin")
    options = parser.parse_args()
    os.environ["BERTH_BIN"] = os.path.abspath(options.bin)
    from stack import Scene
    scene = Scene()
    try:
        registry = scene.registry()
        registry.client.image("tools", "1", Env=["PATH=/bin"])
        stack = scene.start()
        result = measure(stack, f"{registry.host}/tools:1", options)
    finally:
        left = scene.close()
    if left:
        raise SystemExit(f"left behind: {left}")
    raise SystemExit(1 if report(result, options.json) else 0)


if __name__ == "__main__":
    main()
