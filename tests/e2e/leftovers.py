# SPDX-License-Identifier: Apache-2.0
"""What finished tasks have left on the host while their agent lives on.

Everything that the agent makes for a task is named by the task's id, or by an address that a file of the agent's gives to
one. `Leftovers` looks where such things are and tells what belongs to no task that still runs.
"""
import json
import os
import re

TASK = re.compile(r"[0-9a-f]{32}")
CGROUP_ROOTS = "/sys/fs/cgroup"


def _names(directory):
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _setting(config, key):
    with open(config, encoding="utf-8") as text:
        found = re.search(rf'^{key} = "(.*)"$', text.read(), re.MULTILINE)
    return found.group(1) if found else None


class Leftovers:
    """Of the agent whose configuration is this file."""

    def __init__(self, agent_toml, run):
        self.run = run
        self.data = _setting(agent_toml, "data_dir")
        self.bridge = _setting(agent_toml, "bridge") or "berth0"
        self.parent = _setting(agent_toml, "cgroup_parent") or "berth"

    def of_finished(self, alive):
        """alive: ids of the tasks that may have things here. Gives {kind: [what]}, empty where all is well."""
        alive = set(alive)

        def strange(names):
            return sorted(name for name in names if not set(TASK.findall(name)) & alive)

        found = {
            "directories": self._directories(strange),
            "mounts": strange(line.split()[1] for line in self._mounts()),
            "namespaces": strange(name for name in _names("/run/netns")
                                  if name.rsplit("_", 1)[0].removesuffix(".eni") == self.bridge),
            "cgroups": strange(self._cgroups()),
            "processes": self._processes(alive),
            "links": self._links(alive),
            "rules": self._rules(alive),
            "interfaces": self._interfaces(alive),
        }
        return {kind: what for kind, what in found.items() if what}

    def _directories(self, strange):
        found = []
        for place in ("tasks", "runtime/containers", "runtime/runtime", "runtime/execs", "network/endpoints", "images/holds", "volumes/task",
                      "disks", "ids"):
            found += [f"{place}/{name}" for name in strange(_names(f"{self.data}/{place}"))]
        return found + [f"images/drafts/{name}" for name in _names(f"{self.data}/images/drafts")]

    def _mounts(self):
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            return [line for line in mounts if line.split()[1].startswith((self.data + "/", f"/run/netns/{self.bridge}_",
                                                                                  f"/run/netns/{self.bridge}.eni_"))]

    def _cgroups(self):
        for root in [CGROUP_ROOTS] + [f"{CGROUP_ROOTS}/{name}" for name in _names(CGROUP_ROOTS)]:
            for name in _names(f"{root}/{self.parent}"):
                if TASK.fullmatch(name):
                    yield f"{root}/{self.parent}/{name}"

    def _processes(self, alive):
        """Monitors, runtimes and what runs in containers: by the id on the command line, or in the cgroup."""
        found = []
        for pid in filter(str.isdigit, _names("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as cmdline, open(f"/proc/{pid}/cgroup", encoding="utf-8") as groups, \
                        open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                    command, group, name = cmdline.read().decode(errors="replace"), groups.read(), comm.read().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            ids = set(re.findall(rf"/{re.escape(self.parent)}/([0-9a-f]{{32}})", group))
            if re.match(r"berth-monitor|crun|runc", name) and self.data in command:
                ids |= set(TASK.findall(command))
            if ids - alive:
                found.append(f"{pid} {name}")
        return found

    def _endpoints(self, alive):
        """Addresses of living tasks."""
        addresses = set()
        for name in _names(f"{self.data}/network/endpoints"):
            if set(TASK.findall(name)) & alive:
                with open(f"{self.data}/network/endpoints/{name}", encoding="utf-8") as text:
                    addresses |= set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text.read()))
        return addresses

    def _links(self, alive):
        links = [line.split(":")[1].strip().split("@")[0] for line in self.run(["ip", "-o", "link"]).stdout.splitlines()
                 if f" master {self.bridge} " in line]
        namespaces = [name for name in _names("/run/netns")
                      if name.rsplit("_", 1)[0] == self.bridge and set(TASK.findall(name)) & alive]
        return links if len(links) > len(namespaces) else []

    def _interfaces(self, alive):
        """Links and routes of tasks with addresses of their own, by the address: it tells neither task nor agent but by the table."""
        namespaces = {name for name in _names("/run/netns")
                      if name.startswith(f"{self.bridge}.eni_") and set(TASK.findall(name)) & alive}
        table = "berth_eni" if self.bridge == "berth0" else f"berth_eni_{self.bridge.replace('-', '_')}"
        listed = self.run(["nft", "-j", "list", "set", "ip", table, "own"], check=False)
        if listed.returncode != 0:
            return []
        own = set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", listed.stdout))
        return sorted(own) if len(own) > len(namespaces) else []

    def _rules(self, alive):
        table = f"berth_{self.bridge.replace('-', '_')}" if self.bridge != "berth0" else "berth"
        listed = self.run(["nft", "-j", "list", "table", "ip", table], check=False)
        if listed.returncode != 0:
            return []
        told = set()
        for part in json.loads(listed.stdout)["nftables"]:
            for element in (part.get("map") or {}).get("elem", []):
                told |= set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", json.dumps(element)))
        return sorted(told - self._endpoints(alive))
