# SPDX-License-Identifier: Apache-2.0
"""A real berthd and simulated hosts (bench_fleet_hosts) that have joined it, in a directory that the caller removes."""
import os
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAUSE = threading.Event()


def on(cores):
    """What a process does before it begins, to run on these cores only."""
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None


class Plane:
    """berthd with one plugin, on one core where one is given. `config`: more of berth.toml, below its top level."""

    def __init__(self, build, directory, core=None, plugin="ec2", config=""):
        self.data = directory + "/berth"
        file = directory + "/berth.toml"
        with open(file, "w", encoding="ascii") as out:
            out.write(f'log_level = "warn"\n{config}[plugins.{plugin}]\nlisten = "127.0.0.1:0"\n')
        self.log = open(directory + "/berthd.log", "w", encoding="ascii")
        self.process = subprocess.Popen([build + "/bin/berthd", "--config", file, "--data-dir", self.data, "--api", "127.0.0.1:0"],
                                        stdout=self.log, stderr=self.log, preexec_fn=on({core} if core is not None else None))
        try:
            self.fleet = self.await_file(f"{self.data}/{plugin}.port")
            self.api = self.await_file(self.data + "/api.port")
        except BaseException:
            self.stop()
            raise
        self.token = f"{self.data}/plugins/{plugin}/join-token"

    def await_file(self, path):
        end = time.monotonic() + 30
        while not (os.path.exists(path) and os.path.getsize(path)):
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"berthd does not serve: see {self.log.name}")
            PAUSE.wait(0.02)
        with open(path, encoding="ascii") as port:
            return int(port.read())

    def cpu_us(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000 // TICKS

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


class Hosts:
    """`options`: of bench_fleet_hosts, beside those that name the plane."""

    def __init__(self, build, directory, plane, options, cores=None):
        os.mkdir(directory + "/hosts")
        self.process = subprocess.Popen(
            [build + "/bench/bench_fleet_hosts", "--server", f"127.0.0.1:{plane.fleet}", "--token-file", plane.token, "--directory",
             directory + "/hosts", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=on(cores))
        if self.process.stdout.readline() != "connected\n":
            self.stop()
            raise SystemExit("the hosts did not come up")

    def counts(self):
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        return {key: int(value) for key, value in (pair.split("=") for pair in self.process.stdout.readline().split())}

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
