# SPDX-License-Identifier: Apache-2.0
"""Tasks with addresses of their own on three hosts, from the AWS CLI to packets."""
import hosts

hosts.own_network()  # before anything starts a thread

import json
import os
import signal
import subprocess
import unittest

from api import Api
from stack import run, until

CONFIG = """
[plugins.ec2]
listen = "10.253.0.1:5081"
heartbeat_ms = 300
dead_after_ms = 1500
[plugins.registry-ecr.registries."{registry}"]
plain_http = true
[[subnet]]
id = "subnet-default"
cidr = "10.70.0.0/24"
[[subnet]]
id = "subnet-far"
cidr = "10.71.0.0/24"
zone = "elsewhere"
[[security_group]]
id = "sg-web"
ingress = [{{ protocol = "tcp", from_port = 8080, to_port = 8080, group = "sg-default" }}]
"""
SERVE = "mkdir -p /tmp/w; echo $NAME > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w & httpd -f -p 8081 -h /tmp/w"


class Awsvpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hosts.open_plane(cls, CONFIG)
        cls.hosts = [hosts.Host(cls.directory, number, cls.plane) for number in (1, 2, 3)]
        cls.addClassCleanup(lambda: hosts.stop_all(cls.api, cls.hosts))
        for host in cls.hosts:
            host.start()
        cls.api = Api(cls.plane.port())
        until("three hosts are there", lambda: cls.connected() == 3)
        for name, script in (("server", SERVE), ("client", "exit 9")):
            cls.plane.register(name, [{"name": "main", "image": f"{cls.registry.host}/tools:1", "memory": 32,
                                       "command": ["/bin/sh", "-c", script], "stopTimeout": 1}], networkMode="awsvpc")

    @classmethod
    def connected(cls):
        arns = cls.api.call("ListContainerInstances")["containerInstanceArns"]
        if not arns:
            return 0
        found = cls.api.call("DescribeContainerInstances", containerInstances=arns)["containerInstances"]
        return sum(1 for one in found if one["agentConnected"])

    def launch(self, family, host, groups=("sg-default",), script=None, **environment):
        change = {"name": "main", "environment": [{"name": key, "value": value} for key, value in environment.items()]}
        if script:
            change["command"] = ["/bin/sh", "-c", script]
        answer = self.api.call("RunTask", taskDefinition=family, overrides={"containerOverrides": [change]},
                               placementConstraints=[{"type": "memberOf", "expression": f"attribute:host == {host}"}],
                               networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-default"], "securityGroups": list(groups)}})
        self.assertEqual(answer["failures"], [])
        return answer["tasks"][0]["taskArn"]

    def reach(self, arn, status, seconds=30):
        order = ["PROVISIONING", "PENDING", "RUNNING", "STOPPING", "DEPROVISIONING", "STOPPED"]

        def there():
            task = self.api.call("DescribeTasks", tasks=[arn])["tasks"][0]
            if order.index(task["lastStatus"]) < order.index(status):
                return None
            self.assertEqual(task["lastStatus"], status, task)
            return task
        return until(f"{arn} is {status}\n" + self.plane.tail() + "".join(host.log() for host in self.hosts), there, seconds)

    def server(self, host, **options):
        return self.reach(self.launch("server", host, NAME=host, **options), "RUNNING")

    def stop(self, task):
        self.api.call("StopTask", task=task["taskArn"])
        return self.reach(task["taskArn"], "STOPPED")

    def says(self, host, script, **options):
        """The exit code of a script in a task on this host."""
        task = self.reach(self.launch("client", host, script=script, **options), "STOPPED", 40)
        return task["containers"][0].get("exitCode"), task

    @staticmethod
    def address(task):
        return next(detail["value"] for detail in task["attachments"][0]["details"] if detail["name"] == "privateIPv4Address")

    def test_1_the_aws_cli_shows_the_interface(self):
        answer = self.plane.aws("run-task", "--task-definition", "server", "--network-configuration",
                                "awsvpcConfiguration={subnets=[subnet-default],securityGroups=[sg-default]}")
        arn = answer["tasks"][0]["taskArn"]
        self.assertEqual(answer["tasks"][0]["lastStatus"], "PROVISIONING")
        self.assertEqual(answer["tasks"][0]["attachments"][0]["status"], "PRECREATED")
        self.reach(arn, "RUNNING")
        task = self.plane.task(arn)
        attachment = task["attachments"][0]
        self.assertEqual((attachment["type"], attachment["status"]), ("ElasticNetworkInterface", "ATTACHED"))
        details = {detail["name"]: detail["value"] for detail in attachment["details"]}
        self.assertEqual(details["subnetId"], "subnet-default")
        self.assertRegex(details["networkInterfaceId"], "^eni-[0-9a-f]{17}$")
        self.assertRegex(details["macAddress"], "^02:be:0a:46:00:[0-9a-f]{2}$")
        address = details["privateIPv4Address"]
        self.assertRegex(address, r"^10\.70\.0\.\d+$")
        self.assertEqual(details["privateDnsName"], "ip-" + address.replace(".", "-") + ".ec2.internal")
        self.assertEqual(task["containers"][0]["networkInterfaces"],
                         [{"attachmentId": attachment["id"], "privateIpv4Address": address}])
        self.stop(task)
        self.assertEqual(self.plane.task(arn)["attachments"][0]["status"], "DELETED")

    def test_1_what_a_call_names_must_be_there(self):
        def refused(network):
            extra = ["--network-configuration", network] if network else []
            return self.plane.refused("run-task", "--task-definition", "server", *extra)
        self.assertIn("(InvalidParameterException)", refused(None))
        self.assertIn("Network Configuration must be provided when networkMode 'awsvpc' is specified.", refused(None))
        self.assertIn("The subnet ID 'subnet-x' does not exist", refused("awsvpcConfiguration={subnets=[subnet-x]}"))
        self.assertIn("The security group 'sg-x' does not exist",
                      refused("awsvpcConfiguration={subnets=[subnet-default],securityGroups=[sg-x]}"))
        self.assertIn("Assign public IP is not supported for this launch type",
                      refused("awsvpcConfiguration={subnets=[subnet-default],assignPublicIp=ENABLED}"))
        answer = self.plane.aws("run-task", "--task-definition", "server", "--network-configuration",
                                "awsvpcConfiguration={subnets=[subnet-far]}")
        self.assertEqual({failure["reason"] for failure in answer["failures"]}, {"LOCATION"})

    def test_2_tasks_see_their_own_network(self):
        code, task = self.says("h1", 'set -- /sys/class/net/*; test "$*" = "/sys/class/net/eth0 /sys/class/net/lo" || exit 1; '
                                     'case "$(hostname)" in ip-10-70-0-*.ec2.internal) ;; *) exit 2 ;; esac; '
                                     'case "$(cat /etc/hosts)" in *10.70.0.*"$(hostname)"*) ;; *) exit 3 ;; esac; '
                                     'case "$(cat /etc/hosts)" in *127.0.0.1*main*) ;; *) exit 4 ;; esac')
        self.assertEqual(code, 0, task)

    def test_2_tasks_read_of_their_interface_at_the_metadata_endpoint(self):
        code, task = self.says("h1", "wget -qO- $ECS_CONTAINER_METADATA_URI_V4; echo; cat /etc/resolv.conf")
        self.assertEqual(code, 0, task)
        metadata, *resolv = self.plane.berth("logs", task["taskArn"]).stdout.splitlines()
        shown = json.loads(metadata)["Networks"][0]
        details = {detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]}
        names = [line.split() for line in resolv]
        self.assertEqual(shown.pop("DomainNameServers", []), [words[1] for words in names if words[:1] == ["nameserver"]])
        self.assertEqual(shown.pop("DomainNameSearchList", []), [one for words in names if words[:1] == ["search"] for one in words[1:]])
        self.assertEqual(shown, {"NetworkMode": "awsvpc", "IPv4Addresses": [details["privateIPv4Address"]], "AttachmentIndex": 0,
                                 "MACAddress": details["macAddress"], "IPv4SubnetCIDRBlock": "10.70.0.0/24",
                                 "PrivateDNSName": details["privateDnsName"], "SubnetGatewayIpv4Address": "10.70.0.1/24"})

    def test_3_tasks_of_one_subnet_reach_each_other_across_hosts(self):
        servers = {host.name: self.server(host.name) for host in self.hosts}
        addresses = {name: self.address(task) for name, task in servers.items()}
        self.assertEqual(len(set(addresses.values())), 3)
        fetch = " && ".join(f"case \"$(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} 8080)\" in *{name}*) ;; *) exit 1 ;; esac"
                            for name, address in addresses.items())
        for host in self.hosts:
            code, task = self.says(host.name, fetch)
            self.assertEqual(code, 0, f"from {host.name}: {task}" + "".join(h.output("ip", "route") for h in self.hosts))
        # The operator on the host itself, and nobody by way of the agent's or the control plane's ports.
        self.assertEqual(self.hosts[0].output("curl", "-s", "-m", "3", f"http://{addresses['h1']}:8080/"), "h1\n")
        registry = self.registry.port
        host = self.hosts[1]
        listener = subprocess.Popen(host.enter("python3", "-m", "http.server", "9000"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until("something listens on the host", lambda: host.run(["curl", "-s", "-m", "1", "http://127.0.0.1:9000/"], check=False).returncode == 0)
            code, task = self.says("h2", f"nc -w 3 10.253.0.1 {registry} </dev/null || exit 1; nc -w 1 10.253.0.1 5081 </dev/null && exit 2; "
                                         f"nc -w 1 {host.address} 9000 </dev/null && exit 3; nc -w 1 10.70.0.1 9000 </dev/null && exit 4; exit 0")
        finally:
            for pid in run(["ps", "-o", "pid=", "--ppid", str(listener.pid)]).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            listener.wait(10)
        self.assertEqual(code, 0, task)
        for task in servers.values():
            self.stop(task)
        for host in self.hosts:
            until("routes are gone", lambda: not host.output("ip", "route", "show", "proto", "190").strip(), 5)

    def test_4_groups_decide_across_hosts(self):
        web = self.server("h1", groups=("sg-web",))
        address = self.address(web)
        code, task = self.says("h2", f"nc -w 3 {address} 8080 </dev/null || exit 1; nc -w 1 {address} 8081 </dev/null && exit 2; exit 0")
        self.assertEqual(code, 0, f"{task}\n" + self.hosts[0].output("nft", "list", "ruleset"))
        code, task = self.says("h3", f"nc -w 1 {address} 8080 </dev/null && exit 2; exit 0", groups=("sg-web",))
        self.assertEqual(code, 0, "not a member of the group that may come")
        self.stop(web)

    def test_5_a_partition_heals(self):
        before = self.server("h1")
        self.hosts[1].partition(True)
        until("the partition is seen", lambda: self.connected() == 2)
        self.stop(before)
        after = self.server("h3")
        self.hosts[1].partition(False)
        until("the host is back", lambda: self.connected() == 3)
        until("its routes are today's", lambda: self.address(after) in self.hosts[1].output("ip", "route") or self.client_on_h2(after), 10)
        code, task = self.says("h2", self.knock(after))
        self.assertEqual(code, 0, task)
        self.assertNotIn(self.address(before), self.hosts[1].output("ip", "route"))
        self.stop(after)

    def client_on_h2(self, server):
        """A host without a task in the network has no routes of it."""
        return self.says("h2", self.knock(server))[0] == 0

    def knock(self, server):
        return f"nc -w 3 {self.address(server)} 8080 </dev/null"

    def test_6_a_killed_agent_and_a_killed_control_plane_cut_nothing(self):
        server = self.server("h1")
        client = self.launch("client", "h2", script=f"trap 'exit 0' TERM; while nc -w 3 {self.address(server)} 8080 </dev/null; do :; done; exit 3")
        self.reach(client, "RUNNING")
        self.hosts[0].kill_agent()
        self.hosts[1].kill_agent()
        self.plane.kill()
        self.hosts[0].start_agent()
        self.hosts[1].start_agent()
        self.plane.up()
        type(self).api = Api(self.plane.port())
        until("all are back", lambda: self.connected() == 3)
        code, task = self.says("h3", self.knock(server))
        self.assertEqual(code, 0, task)
        task = self.api.call("DescribeTasks", tasks=[client])["tasks"][0]
        self.assertEqual(task["lastStatus"], "RUNNING", "it was never cut off")
        self.stop(task)
        self.stop(server)

    def test_7_a_killed_host_comes_back(self):
        lost = self.server("h3")
        near = self.server("h1")
        until("h1 knows the way", lambda: self.address(lost) in self.hosts[0].output("ip", "route"), 5)
        self.hosts[2].power_cut()
        until("the host is missed", lambda: self.connected() == 2)
        self.hosts[2].start()
        until("the host is back", lambda: self.connected() == 3)
        ended = self.reach(lost["taskArn"], "STOPPED")
        self.assertEqual(ended["attachments"][0]["status"], "DELETED")
        until("nobody routes to what is gone", lambda: self.address(lost) not in self.hosts[0].output("ip", "route"), 5)
        again = self.server("h3")
        self.assertNotEqual(self.address(again), self.address(lost), "not at once again")
        code, task = self.says("h1", self.knock(again))
        self.assertEqual(code, 0, task)
        code, task = self.says("h3", self.knock(near))
        self.assertEqual(code, 0, task)
        self.stop(again)
        self.stop(near)


if __name__ == "__main__":
    unittest.main(verbosity=2)
