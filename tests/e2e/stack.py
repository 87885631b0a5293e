# SPDX-License-Identifier: Apache-2.0
"""A whole Berth on this host for one test: registries on loopback, control plane, agent, AWS CLI.

Everything lives in one temporary directory and ends with the test, also with one that SIGTERM ends; `Footprint` shows that
nothing of it stays.
"""
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import images
from api import Api

BIN = os.environ["BERTH_BIN"]


class Ended(Exception):
    """Somebody has ended the test: it fails, its clean-up runs, and no other test begins."""


def _end(*_):
    for result in list(unittest.signals._results):
        result.stop()
    raise Ended("SIGTERM")


signal.signal(signal.SIGTERM, _end)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, check, seconds=30.0):
    """Waits until check() is true; the result of check is given back."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        threading.Event().wait(0.05)


def run(command, check=True, timeout=60, env=None, stdin=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, input=stdin)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class DockerRegistry:
    """Debian's docker-registry on loopback, optionally with TLS and Basic authentication."""

    def __init__(self, directory, tls=False, user=None, password=None, address="127.0.0.1"):
        self.directory = directory
        os.makedirs(directory + "/data")
        self.port = free_port()
        self.address = address
        self.host = f"{address}:{self.port}"
        self.user, self.password = user, password
        config = {"version": 0.1, "log": {"level": "warn"}, "storage": {"filesystem": {"rootdirectory": directory + "/data"},
                                                                        "delete": {"enabled": True}},
                  "http": {"addr": self.host}}
        self.ca = None
        if tls:
            self.ca = directory + "/tls.pem"
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", directory + "/tls.key",
                 "-out", self.ca])
            config["http"]["tls"] = {"certificate": self.ca, "key": directory + "/tls.key"}
        if user:
            entry = run(["htpasswd", "-Bbn", "-C", "4", user, password]).stdout
            with open(directory + "/htpasswd", "w", encoding="ascii") as out:
                out.write(entry)
            config["auth"] = {"htpasswd": {"realm": "test", "path": directory + "/htpasswd"}}
        with open(directory + "/config.yml", "w", encoding="ascii") as out:
            json.dump(config, out)  # JSON is YAML
        run(["chown", "-R", "nobody:nogroup", directory])
        self.log = open(directory + "/log", "w", encoding="ascii")
        self.process = subprocess.Popen(
            ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "docker-registry", "serve", directory + "/config.yml"],
            stdout=self.log, stderr=self.log)
        self.url = ("https://" if tls else "http://") + self.host
        until("the registry listens", lambda: self._listens())
        self.client = images.Registry(self.url, user, password, self.ca)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class Marks:
    """A server outside Berth to which containers write one line when they start; the lines are kept in a file."""

    def __init__(self, path):
        self.path = path
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    line = peer.makefile("r").readline().strip()
                except OSError:
                    continue
            with self.lock, open(self.path, "a", encoding="ascii") as out:
                out.write(line + "\n")

    def lines(self):
        with self.lock:
            try:
                with open(self.path, encoding="ascii") as marks:
                    return marks.read().split()
            except FileNotFoundError:
                return []

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(5)


class Stack:
    """Control plane and agent in a directory of their own. `plugins`: text of berth.toml below the top level."""

    def __init__(self, directory, config=""):
        self.directory = directory
        self.data = directory + "/berth"
        self.config_file = directory + "/berth.toml"
        with open(self.config_file, "w", encoding="utf-8") as out:
            out.write(config)
        self.env = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

    def up(self, check=True, failpoint=None, gate=None, of_monitors=False):
        name = "BERTH_MONITOR_FAILPOINT" if of_monitors else "BERTH_FAILPOINT"
        env = {**self.env, **({name: failpoint, "BERTH_FAILPOINT_GATE": gate} if failpoint else {})}
        return run([BIN + "/berth", "up", "--detach", "--data-dir", self.data, "--api", f"127.0.0.1:{self.port()}", "--config",
                    self.config_file], check=check, env=env)

    def port(self):
        """The same port again after a restart: clients keep their URL."""
        try:
            with open(self.data + "/api.port", encoding="ascii") as port:
                return int(port.read())
        except FileNotFoundError:
            return 0

    def down(self, check=True):
        return run([BIN + "/berth", "down", "--data-dir", self.data, "--config", self.config_file], check=check, timeout=120, env=self.env)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port()}"

    def pid(self, name):
        with open(f"{self.data}/{name}.pid", encoding="ascii") as pid:
            return int(pid.read())

    def kill(self, name):
        """kill -9 of berthd or agent, and its end."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        until(f"{name} is gone", lambda: not os.path.exists(f"/proc/{pid}") or _zombie(pid))

    def berth(self, *arguments, check=True, timeout=60):
        return run([BIN + "/berth", "--api", self.url, *arguments], check=check, timeout=timeout, env=self.env)

    def aws(self, *arguments, check=True, timeout=90):
        """The AWS CLI; gives its JSON, or with check=False the finished process."""
        done = run(["aws", "ecs", "--endpoint-url", self.url, "--output", "json", *arguments], check=check, timeout=timeout, env=self.env)
        if not check:
            return done
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def refused(self, *arguments):
        """The text of an error that the AWS CLI must meet."""
        done = self.aws(*arguments, check=False)
        assert done.returncode != 0, f"{arguments} was accepted: {done.stdout}"
        return done.stderr

    def call(self, operation, **members):
        """By a bare client: starting the AWS CLI takes a second of a processor."""
        return Api(self.port()).call(operation, **members)

    def register(self, family, containers, **members):
        return self.call("RegisterTaskDefinition", family=family, containerDefinitions=containers, **members)["taskDefinition"]

    def run_task(self, definition, count=1, **members):
        answer = self.call("RunTask", taskDefinition=definition, count=count, **members)
        assert answer["failures"] == [], answer["failures"]
        return [task["taskArn"] for task in answer["tasks"]]

    def task(self, arn):
        return self.call("DescribeTasks", tasks=[arn])["tasks"][0]

    def await_status(self, arn, status, seconds=60.0):
        order = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
        api = Api(self.port())

        def there():
            task = api.call("DescribeTasks", tasks=[arn])["tasks"][0]
            if order.index(task["lastStatus"]) < order.index(status):
                return None
            assert task["lastStatus"] == status, f"wanted {status}: {json.dumps(task, indent=1)}\n{self.tail()}"
            return self.task(arn)
        return until(f"task {arn} is {status}\n{self.tail()}", there, seconds)

    def tail(self):
        text = ""
        for name in ("berthd.log", "agent.log"):
            try:
                with open(f"{self.data}/{name}", encoding="utf-8", errors="replace") as log:
                    text += f"--- {name}\n" + "".join(log.readlines()[-25:])
            except FileNotFoundError:
                pass
        return text


def _zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def _mark(bridge):
    """What begins the names of task interfaces' links: FNV-1a of the bridge's name, 24 bits."""
    mark = 0x811c9dc5
    for byte in bridge.encode():
        mark = (mark ^ byte) * 0x01000193 & 0xffffffff
    return mark & 0xffffff


class Footprint:
    """What the stacks below one directory have on the host. Others may be at work beside them."""

    def __init__(self, directory):
        self.directory = directory
        self.stray = self._stray_links()

    @staticmethod
    def _links():
        return {line.split(":")[1].strip().split("@")[0]: " master " in line for line in run(["ip", "-o", "link"]).stdout.splitlines()}

    def _stray_links(self):
        """Ends of containers' links that have lost their bridge: somebody's, and whose cannot be told."""
        return {name for name, has_master in self._links().items() if name.startswith("bv") and not has_master}

    def _agents(self):
        """What each agent was told to make: bridges, and parents of cgroups."""
        made = {"bridge": set(), "cgroup_parent": set()}
        for place, _, files in os.walk(self.directory):
            if "agent.toml" not in files:
                continue
            with open(f"{place}/agent.toml", encoding="utf-8") as config:
                for key, value in re.findall(r'^(bridge|cgroup_parent) = "(.*)"$', config.read(), re.MULTILINE):
                    made[key].add(value)
        return made["bridge"], made["cgroup_parent"]

    def left(self):
        bridges, parents = self._agents()
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            mounted = {line.split()[1] for line in mounts if line.split()[1].startswith(self.directory)}
        groups = set()
        for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            groups |= {f"{root}/{name}" for name in parents if os.path.isdir(f"{root}/{name}")}
        interfaces = {f"e{_mark(name):06x}" for name in bridges}
        links = (bridges & set(self._links())) | (self._stray_links() - self.stray)
        links |= {name for name in self._links() if name[:7] in interfaces and len(name) == 15}
        namespaces = {name for name in (os.listdir("/run/netns") if os.path.isdir("/run/netns") else [])
                      if name.rsplit("_", 1)[0].removesuffix(".eni") in bridges}
        named = {f"table ip berth_{kind}{name.replace('-', '_')}" for name in bridges for kind in ("", "eni_")}
        tables = set(run(["nft", "list", "tables"]).stdout.splitlines()) & named
        left = {"mounts": mounted, "cgroups": groups, "links": links, "namespaces": namespaces, "tables": tables, "processes": self._processes()}
        return {kind: sorted(found) for kind, found in left.items() if found}

    def _processes(self):
        """Programs of Berth's and runtimes: all carry a path below the directory on their command line."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                    name, command = comm.read().strip(), cmdline.read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if re.match(r"berth|crun|runc", name) and self.directory.encode() in command:
                found.add(f"{pid} {name}")
        return found


class Scene:
    """Directory, registries and stack of one test class; close() ends all and says what was left behind."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="berth-e2e-")
        os.chmod(self.directory, 0o711)
        self.footprint = Footprint(self.directory)
        self.closers = []
        self.stack = None

    def registry(self, name="registry", **options):
        registry = DockerRegistry(f"{self.directory}/{name}", **options)
        self.closers.append(registry.stop)
        return registry

    def marks(self):
        marks = Marks(self.directory + "/marks")
        self.closers.append(marks.stop)
        return marks

    def start(self, config=""):
        self.stack = Stack(self.directory, config)
        self.stack.up()
        return self.stack

    def check_closed(self):
        left = self.close()
        assert left == {}, f"left behind: {left}"

    def close(self):
        try:
            if self.stack and os.path.exists(self.stack.data + "/api.port"):
                self.stack.down()
        finally:
            for close in reversed(self.closers):
                close()
        end = time.monotonic() + 15  # veth ends and cgroups vanish a moment after their processes
        while self.footprint.left() and time.monotonic() < end:
            threading.Event().wait(0.1)
        left = self.footprint.left()
        shutil.rmtree(self.directory)
        return left


class TokenEndpoint:
    """ECR's GetAuthorizationToken as far as a registry client needs it: JSON 1.1, signed requests counted."""

    def __init__(self, user, password, registry):
        import base64
        outer = self
        self.calls = []
        token = base64.b64encode(f"{user}:{password}".encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.calls.append(dict(self.headers))
                signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 ")
                target = self.headers.get("X-Amz-Target") == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
                if signed and target:
                    body = {"authorizationData": [{"authorizationToken": token, "expiresAt": time.time() + 12 * 3600,
                                                   "proxyEndpoint": registry}]}
                else:
                    body = {"__type": "UnrecognizedClientException", "message": "unsigned or unknown"}
                data = json.dumps(body).encode()
                self.send_response(200 if signed and target else 400)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
