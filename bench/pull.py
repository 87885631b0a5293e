#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds to pull an image of many files from a registry on loopback and unpack it: Berth's store, beside others and a floor.

  berth    the agent's image store (build/release/bench/bench_pull berth)
  floor    what must be done at least, without a check or a record: each layer fetched whole, inflated by libdeflate, hashed
           twice, untarred by libarchive, as many at a time as there are cores (bench_pull floor)
  podman   podman pull, storage driver overlay
  umoci    skopeo copy to an OCI layout, then umoci unpack

All take turns in each round, starting with another one each time, each into an empty directory; first with the directory on
disk, then on tmpfs. The image is made here, the same each time: layers of text that deflates to a third. What each has
unpacked is counted. Wall-clock medians, the median of the ratios within a round, and the CPU time of each, which tells more
where the machine is busy with other work.

Ends with 1 where a budget is missed: at most 1.2 times the floor, podman and umoci at least 1.5 times as long as Berth.

usage: bench/pull.py [--rounds N] [--json]    (as root, with podman, skopeo, umoci and docker-registry installed)
"""
import argparse
import concurrent.futures
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE + "/../tests/e2e")

PLAYERS = ["floor", "berth", "podman", "umoci"]
# Shares of the layers, as an image has them: a base, a few big ones, and small ones.
SHARES = [26, 21, 16, 11, 9, 7, 5, 3, 2]
MOST_OF_FLOOR = 1.2
LEAST_OF_TOOLS = 1.5


def fail(message):
    print(f"bench/pull.py: {message}", file=sys.stderr)
    raise SystemExit(2)


class Content:
    """Text whose words are as often as those of a language: slices of one pool, each too far from the last to be found again."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        words = [self.dice.randbytes(self.dice.randint(1, 4)).hex() for _ in range(20_000)]
        weights = [1 / (rank + 1) for rank in range(len(words))]
        self.pool = " ".join(self.dice.choices(words, weights, k=3_000_000)).encode()

    def text(self, size):
        out = bytearray()
        while len(out) < size:
            at = self.dice.randrange(len(self.pool) - 1)
            out += self.pool[at:at + min(size - len(out), 1 << 20)]
        return bytes(out)


def tree(content, plain_bytes, files, number):
    """Paths, bytes and modes of one layer: most files small, a few big."""
    weights = [content.dice.paretovariate(1.1) for _ in range(files)]
    total = sum(weights)
    return [(f"usr/share/l{number}/d{index % 97:02}/f{index:05}", content.text(int(plain_bytes * weight / total)), 0o644)
            for index, weight in enumerate(weights)]


def make_image(client, megabytes, files):
    """Pushes it; gives the number of its files."""
    import images
    content = Content(7)
    # What the pool deflates to decides how much text makes the megabytes.
    import zlib
    ratio = len(content.pool) / len(zlib.compress(content.pool, 6))
    layers, count = [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = []
        for number, share in enumerate(SHARES):
            names = max(1, files * share // sum(SHARES))
            count += names
            entries = tree(content, int(megabytes * 1e6 * ratio * share / sum(SHARES)), names, number)
            parents = ["usr", "usr/share", f"usr/share/l{number}"]
            parents += [f"usr/share/l{number}/d{index:02}" for index in range(min(97, names))]
            made.append(pool.submit(images.layer, entries, parents, False))
        layers = [one.result() for one in made]
    client.image("bench", "1", layers=layers, Cmd=["/none"])
    return count, sum(len(blob) for blob, _ in layers)


def count_files(directory):
    return sum(1 for place, _, files in os.walk(directory) for name in files if "/usr/share/l" in place)


class Pulls:
    def __init__(self, options, registry):
        self.bench = options.bin + "/bench_pull"
        self.image = f"{registry.host}/bench:1"

    def commands(self, player, directory):
        if player in ("floor", "berth"):
            return [[self.bench, player, self.image, directory]]
        if player == "podman":
            return [["podman", "--root", directory + "/root", "--runroot", directory + "/run", "--storage-driver", "overlay",
                     "--tmpdir", directory + "/tmp", "--network-config-dir", directory + "/net",
                     "pull", "-q", "--tls-verify=false", self.image]]
        return [["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{self.image}", f"oci:{directory}/layout:1"],
                ["umoci", "unpack", "--image", f"{directory}/layout:1", directory + "/bundle"]]

    def time(self, player, directory):
        os.mkdir(directory)
        commands = self.commands(player, directory)
        before, begin = children_cpu(), time.monotonic()
        for command in commands:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  check=False)
            if done.returncode != 0:
                fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        return time.monotonic() - begin, children_cpu() - before


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_place(place, directory, pulls, options, files):
    seconds, cpu = {player: [] for player in PLAYERS}, {player: [] for player in PLAYERS}
    for round_number in range(options.rounds + 1):
        first = round_number % len(PLAYERS)
        for player in PLAYERS[first:] + PLAYERS[:first]:
            target = f"{directory}/{player}"
            try:
                took, used = pulls.time(player, target)
                found = count_files(target)
            finally:
                # podman mounts its storage on itself, to keep it private.
                subprocess.run(["umount", target + "/root/overlay"], stderr=subprocess.DEVNULL, check=False)
                shutil.rmtree(target, ignore_errors=True)
            os.sync()  # nobody pays for what another has left to be written
            if found != files:
                fail(f"{player} unpacked {found} files of {files}")
            if round_number > 0:  # the first one warms the caches
                seconds[player].append(took)
                cpu[player].append(used)
    return {"place": place, "seconds": {player: statistics.median(values) for player, values in seconds.items()},
            "cpu_seconds": {player: statistics.median(values) for player, values in cpu.items()},
            "ratio": {player: statistics.median(theirs / ours for theirs, ours in zip(values, seconds["berth"]))
                      for player, values in seconds.items() if player != "berth"}}


def report(results, as_json):
    missed = []
    for result in results:
        of_floor = 1 / result["ratio"]["floor"]
        result["of_floor"] = of_floor
        if of_floor > MOST_OF_FLOOR:
            missed.append(f"{result['place']}: Berth takes {of_floor:.2f} times the floor, more than {MOST_OF_FLOOR}")
        for tool in ("podman", "umoci"):
            if result["ratio"][tool] < LEAST_OF_TOOLS:
                missed.append(f"{result['place']}: {tool} takes {result['ratio'][tool]:.2f} times Berth, less than {LEAST_OF_TOOLS}")
    if as_json:
        print(json.dumps({"results": results, "missed": missed}))
        return missed
    for result in results:
        print(f"store on {result['place']}")
        for player, seconds in result["seconds"].items():
            versus = "" if player == "berth" else f"   {result['ratio'][player]:.2f} times Berth's"
            print(f"  {player:8} {seconds:7.3f} s, CPU {result['cpu_seconds'][player]:6.3f} s{versus}")
        print(f"  Berth takes {result['of_floor']:.2f} times the floor")
    for line in missed:
        print("missed: " + line)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="besides one to warm up")
    parser.add_argument("--megabytes", type=int, default=100, help="of the image, compressed")
    parser.add_argument("--files", type=int, default=4600)
    parser.add_argument("--places", default="disk,tmpfs", help="disk, tmpfs or both")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bin", default=HERE + "/../build/release/bench", help="where bench_pull is")
    options = parser.parse_args()
    for tool in ("podman", "skopeo", "umoci", "docker-registry"):
        if not shutil.which(tool):
            fail(f"{tool} is not installed; the bench compares with it (Debian: apt-get install {tool})")
    if os.geteuid() != 0:
        fail("layers keep their owners: run it as root")
    os.environ.setdefault("BERTH_BIN", os.path.abspath(HERE + "/../build/release/bin"))
    from stack import Scene, run
    scene = Scene()
    results = []
    try:
        registry = scene.registry()
        files, size = make_image(registry.client, options.megabytes, options.files)
        if not options.json:
            print(f"{len(SHARES)} layers, {size / 1e6:.1f} MB gzip, {files} files, {os.cpu_count()} cores", flush=True)
        pulls = Pulls(options, registry)
        for place in options.places.split(","):
            directory = f"{scene.directory}/{place}"
            os.mkdir(directory)
            if place == "tmpfs":
                run(["mount", "-t", "tmpfs", "-o", "size=4g", "berth-bench", directory])
            try:
                results.append(run_place(place, directory, pulls, options, files))
            finally:
                if place == "tmpfs":
                    run(["umount", "-R", directory])
    finally:
        scene.check_closed()
    raise SystemExit(1 if report(results, options.json) else 0)


if __name__ == "__main__":
    main()
