# SPDX-License-Identifier: Apache-2.0
"""Several hosts on one machine: each is a network, mount and pid namespace with a link to a bridge, and an agent in it.

All of it is below a network namespace of the test's own process (own_network), so that nothing meets the machine's network.
"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from stack import BIN, DockerRegistry, Stack, run, until

# What hosts of sandboxes need of the kernel, and a command that ends with 0 where it is there.
SANDBOX_NEEDS = (("user namespaces", ["unshare", "--user", "true"]), ("loop devices", ["losetup", "--find"]))
UNDERLAY = "10.253.0"  # .1 is the control plane's host
CLONE_NEWNET = 0x40000000

# What is pid 1 of a host: reaps, and ends when it is told to.
INIT = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
print("up", flush=True)
while True:
    signal.sigwait({signal.SIGCHLD})
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""

# /run and /proc are the host's own.
SETUP = "mount -t proc proc /proc; umount -l /run/netns 2>/dev/null; mount -t tmpfs tmpfs /run && mkdir /run/netns && exec python3 -c \"$1\""


def demand_sandboxes():
    """Skips the test class where this machine has not what tasks of a pool need."""
    for what, command in SANDBOX_NEEDS:
        if run(command, check=False).returncode != 0:
            raise unittest.SkipTest(f"{what} cannot be had here")


def own_network():
    """This process, and what it starts, gets a network of its own. Before any thread."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "add", "lan", "type", "bridge"])
    run(["ip", "addr", "add", f"{UNDERLAY}.1/24", "dev", "lan"])
    run(["ip", "link", "set", "lan", "up"])


class Host:
    """One host, of a plugin's fleet. Its data directory outlives power_cut(); start() is its boot."""

    PORTS = {"ec2": 5081, "fargate": 5082, "gpu": 5083}

    def __init__(self, directory, number, plane, fleet="ec2", **settings):
        self.number, self.plane = number, plane
        self.name = f"h{number}"
        settings["attributes"] = {"host": self.name, **settings.get("attributes", {})}
        self.address = f"{UNDERLAY}.{number + 10}"
        self.directory = f"{directory}/{self.name}"
        self.cgroup = f"berth-e2e-{os.getpid()}-{self.name}"
        os.mkdir(self.directory)
        self.config = self.directory + "/agent.toml"
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'server = "{UNDERLAY}.1:{self.PORTS[fleet]}"\njoin_token_file = "{plane.data}/plugins/{fleet}/join-token"\n'
                      f'data_dir = "{self.directory}/data"\nbridge = "b{self.name}"\ncgroup_parent = "{self.cgroup}"\n'
                      + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items() if not isinstance(value, dict)))
            for name, table in settings.items():
                if isinstance(table, dict):
                    out.write(f"[{name}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in table.items()))
        self.init = self.agent = None

    def start(self):
        self.init = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", SETUP, "sh", INIT],
            stdout=subprocess.PIPE, text=True)
        assert self.init.stdout.readline() == "up\n"
        self.pid = int(run(["ps", "-o", "pid=", "--ppid", str(self.init.pid)]).stdout.split()[0])
        run(["ip", "link", "add", self.name, "type", "veth", "peer", "name", "lan0", "netns", str(self.pid)])
        run(["ip", "link", "set", self.name, "master", "lan", "up"])
        for command in (["link", "set", "lo", "up"], ["addr", "add", f"{self.address}/24", "dev", "lan0"], ["link", "set", "lan0", "up"],
                        ["route", "add", "default", "via", f"{UNDERLAY}.1"]):
            self.run(["ip", *command])
        self.start_agent()

    def start_agent(self):
        with open(self.directory + "/agent.log", "a", encoding="utf-8") as log:
            self.agent = subprocess.Popen(self.enter(BIN + "/berth-agent", "--config", self.config), stdout=log, stderr=log)

    def enter(self, *command):
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--", *command]

    def run(self, command, **options):
        return run(self.enter(*command), **options)

    def output(self, *command):
        return self.run(list(command), check=False).stdout

    def kill_agent(self, number=signal.SIGKILL):
        child = run(["ps", "-o", "pid=", "--ppid", str(self.agent.pid)], check=False).stdout.split()
        for pid in child:
            os.kill(int(pid), number)
        self.agent.wait(30)

    def power_cut(self):
        """All its processes die at once, and its network with them."""
        os.kill(self.pid, signal.SIGKILL)
        self.init.wait(30)
        self.init.stdout.close()
        self.agent.wait(30)
        self.init = None

    def bury(self):
        """After a power_cut() for good: cgroups are the machine's, and stay when their host is gone."""
        for root in [*os.listdir("/sys/fs/cgroup"), "."]:
            for path, _, _ in os.walk(f"/sys/fs/cgroup/{root}/{self.cgroup}", topdown=False):
                os.rmdir(path)

    def partition(self, cut):
        run(["ip", "link", "set", self.name, "down" if cut else "up"])

    def left(self):
        """What Berth has on this host."""
        lines = self.output("ip", "route", "show", "proto", "190").splitlines()
        lines += [line for line in self.output("ip", "-br", "link").splitlines() if not line.startswith(("lo ", "lan0@"))]
        lines += [line for line in self.output("nft", "list", "tables").splitlines() if "berth" in line]
        return lines + self.output("ls", "/run/netns").split()

    def stop(self):
        """Ends the agent, lets it take away what it made, and says what is left."""
        if self.init is None:
            return []
        self.kill_agent(signal.SIGTERM)
        removed = self.run([BIN + "/berth-agent", "--remove-leftovers", "--config", self.config], check=False)
        left = [] if removed.returncode == 0 else [removed.stderr]
        try:
            until(f"{self.name} is clean", lambda: not self.left(), 10)
        except AssertionError:
            left += self.left()
        self.power_cut()
        for root in ("memory", "pids", "cpu", "unified"):
            if os.path.isdir(f"/sys/fs/cgroup/{root}/{self.cgroup}"):
                left.append(f"cgroup {root}/{self.cgroup}")
        return left

    def log(self):
        with open(self.directory + "/agent.log", encoding="utf-8", errors="replace") as log:
            return f"--- {self.name}\n" + "".join(log.readlines()[-15:])


def stop_tasks(api, cluster="default"):
    """Ends every task of a cluster."""
    def living():
        arns = api.call("ListTasks", cluster=cluster, desiredStatus="STOPPED")["taskArns"] + api.call("ListTasks", cluster=cluster)["taskArns"]
        tasks = api.call("DescribeTasks", cluster=cluster, tasks=arns)["tasks"] if arns else []
        return [task["taskArn"] for task in tasks if task["lastStatus"] != "STOPPED"]
    for arn in api.call("ListTasks", cluster=cluster, desiredStatus="RUNNING")["taskArns"]:
        api.call("StopTask", cluster=cluster, task=arn)
    until("all tasks have stopped", lambda: not living(), 30)


def stop_all(api, hosts):
    """Ends every task of the cluster default, then every host, and asserts that nothing is left on any."""
    stop_tasks(api)
    stop_hosts(hosts)


def stop_hosts(hosts):
    """Ends every host, and asserts that nothing is left on any."""
    left = {host.name: host.stop() for host in hosts}
    assert not any(left.values()), f"left behind: {left}"


class Plane(Stack):
    """A control plane alone, at UNDERLAY.1."""

    def up(self, check=True, failpoint=None, gate=None):
        with open(self.directory + "/berthd.log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([BIN + "/berthd", "--config", self.config_file, "--data-dir", self.data, "--api",
                                             f"127.0.0.1:{self.port()}"], stdout=log, stderr=log, env=self.env)
        until("the API serves", lambda: os.path.exists(self.data + "/berthd.pid"))

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def kill(self, name="berthd"):
        self.process.kill()
        self.process.wait(20)
        os.unlink(self.data + "/berthd.pid")


def open_plane(case, config):
    """`directory`, `registry` with the image tools:1, and `plane`, a control plane of this configuration, for a class of tests."""
    case.directory = tempfile.mkdtemp(prefix="berth-e2e-")
    os.chmod(case.directory, 0o711)
    case.addClassCleanup(shutil.rmtree, case.directory)
    case.registry = DockerRegistry(case.directory + "/registry", address=UNDERLAY + ".1")
    case.addClassCleanup(case.registry.stop)
    case.registry.client.image("tools", "1", Env=["PATH=/bin"], Cmd=["/bin/sh"])
    case.plane = Plane(case.directory, config.format(registry=case.registry.host))
    case.plane.up()
    case.addClassCleanup(case.plane.stop)
