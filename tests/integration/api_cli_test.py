# SPDX-License-Identifier: Apache-2.0
"""The API as Debian's AWS CLI meets it: berthd with its real core and store, no plugins, every call a signed one.

Covers what needs no host: clusters, definitions, lists and pages, refusals, TLS, wrong keys, and that all of it is there again after a kill -9.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

BIN = os.environ["BERTH_BIN"]
DEFINITION = {
    "family": "web",
    "networkMode": "bridge",
    "cpu": ".25 vCPU",
    "memory": "1GB",
    "containerDefinitions": [
        {"name": "front", "image": "localhost/web:1", "memory": 64, "portMappings": [{"containerPort": 80}],
         "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}], "stopTimeout": 5},
        {"name": "init", "image": "localhost/web:1", "memory": 64, "essential": False, "command": ["true"]},
    ],
    "tags": [{"key": "team", "value": "a b"}],
}


class Berthd:
    """berthd in a directory of its own, on a free port."""

    def __init__(self, directory, tls=None, libraries=()):
        self.directory = directory
        plugins = os.path.join(directory, "plugins.d")
        os.makedirs(plugins, exist_ok=True)
        config = os.path.join(directory, "berth.toml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'data_dir = "{directory}/data"\napi = "127.0.0.1:0"\nplugin_dirs = ["{plugins}"]\n')
            if tls:
                out.write(f'tls_certificate = "{tls}.pem"\ntls_key = "{tls}.key"\n')
            out.write('[[access_key]]\nid = "AKIDTEST"\nsecret = "sosecret/+="\n')
            for number, path in enumerate(libraries):
                out.write(f'[plugins.p{number}]\npath = "{path}"\n')
        os.chmod(config, 0o600)
        self.log = open(os.path.join(directory, "log"), "ab")
        ready, child = os.pipe()
        self.process = subprocess.Popen([os.path.join(BIN, "berthd"), "--config", config, "--ready-fd", str(child)],
                                        pass_fds=[child], stdout=self.log, stderr=self.log)
        os.close(child)
        with os.fdopen(ready, "rb") as line:
            if not line.readline():
                with open(os.path.join(directory, "log"), encoding="utf-8") as log:
                    raise AssertionError(f"berthd did not start: {log.read()}")
        with open(os.path.join(directory, "data", "api.port"), encoding="utf-8") as port:
            self.url = ("https" if tls else "http") + "://127.0.0.1:" + port.read().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def stop(self):
        self.process.terminate()
        self.end()

    def end(self):
        self.process.wait(timeout=30)
        self.log.close()


class Scene:
    """A server, and the AWS CLI as its client; for tests to mix in."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="berth-api-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.server = None
        self.addCleanup(lambda: self.server and self.server.process.poll() is None and self.server.stop())
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.directory, "AWS_ACCESS_KEY_ID": "AKIDTEST",
                            "AWS_SECRET_ACCESS_KEY": "sosecret/+=", "AWS_DEFAULT_REGION": "eu-west-3",
                            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}

    def start(self, **options):
        self.server = Berthd(self.directory, **options)

    def raw(self, *arguments, **environment):
        command = ["aws", "ecs", *arguments, "--endpoint-url", self.server.url, "--output", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**self.environment, **environment},
                              check=False)

    def aws(self, *arguments, **environment):
        done = self.raw(*arguments, **environment)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def refused(self, exception, *arguments, **environment):
        done = self.raw(*arguments, **environment)
        self.assertNotEqual(done.returncode, 0, arguments)
        self.assertIn(f"({exception})", done.stderr)
        return done.stderr


class ApiTest(Scene, unittest.TestCase):
    def register(self, **changes):
        return self.aws("register-task-definition", "--cli-input-json", json.dumps({**DEFINITION, **changes}))["taskDefinition"]

    def test_clusters_live_and_die(self):
        self.start()
        self.assertEqual(self.aws("list-clusters")["clusterArns"], ["arn:aws:ecs:us-east-1:000000000000:cluster/default"])
        made = self.aws("create-cluster", "--cluster-name", "prod", "--tags", "key=a,value=b")["cluster"]
        self.assertEqual(made["status"], "ACTIVE")
        self.assertEqual(made["tags"], [{"key": "a", "value": "b"}])
        self.assertEqual(self.aws("create-cluster", "--cluster-name", "prod")["cluster"]["clusterArn"], made["clusterArn"])
        described = self.aws("describe-clusters", "--clusters", "prod", "nope", "--include", "STATISTICS", "TAGS")
        self.assertEqual(described["clusters"][0]["tags"], made["tags"])
        self.assertIn({"name": "runningEC2TasksCount", "value": "0"}, described["clusters"][0]["statistics"])
        self.assertEqual(described["failures"], [{"arn": "arn:aws:ecs:us-east-1:000000000000:cluster/nope", "reason": "MISSING"}])
        self.assertEqual(self.aws("delete-cluster", "--cluster", "prod")["cluster"]["status"], "INACTIVE")
        self.assertEqual(len(self.aws("list-clusters")["clusterArns"]), 1)
        self.refused("ClusterNotFoundException", "list-tasks", "--cluster", "prod")
        self.refused("ClusterNotFoundException", "delete-cluster", "--cluster", "never")

    def test_definitions_are_numbered_described_and_survive_kill(self):
        self.start()
        first = self.register()
        self.assertEqual((first["revision"], first["status"], first["cpu"], first["memory"]), (1, "ACTIVE", "256", "1024"))
        self.assertEqual(first["compatibilities"], ["EXTERNAL", "EC2"])
        front = first["containerDefinitions"][0]
        self.assertEqual(front["portMappings"], [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}])
        self.assertEqual((front["essential"], front["cpu"], front["environment"]), (True, 0, []))
        self.assertIn({"name": "ecs.capability.container-ordering"}, first["requiresAttributes"])
        self.assertEqual(first["registeredBy"], "arn:aws:iam::000000000000:root")
        for _ in range(4):
            self.register()
        before = self.aws("describe-task-definition", "--task-definition", "web:3", "--include", "TAGS")
        self.assertEqual(before["tags"], DEFINITION["tags"])
        self.server.kill()
        self.start()
        self.assertEqual(self.aws("describe-task-definition", "--task-definition", "web:3", "--include", "TAGS"), before)
        self.assertEqual(self.aws("describe-task-definition", "--task-definition", "web")["taskDefinition"]["revision"], 5)
        gone = self.aws("deregister-task-definition", "--task-definition", "web:5")["taskDefinition"]
        self.assertEqual(gone["status"], "INACTIVE")
        self.assertEqual(self.aws("describe-task-definition", "--task-definition", "web")["taskDefinition"]["revision"], 4)
        self.assertEqual(self.register()["revision"], 6)
        pages = self.aws("list-task-definitions", "--family-prefix", "web", "--sort", "DESC", "--page-size", "2")
        self.assertEqual([arn.rsplit(":", 1)[1] for arn in pages["taskDefinitionArns"]], ["6", "4", "3", "2", "1"])
        self.assertEqual(len(self.aws("list-task-definitions", "--status", "INACTIVE")["taskDefinitionArns"]), 1)
        self.assertEqual(self.aws("list-task-definition-families", "--family-prefix", "w")["families"], ["web"])

    def test_refusals_have_the_names_that_scripts_know(self):
        self.start()
        self.assertIn("Unable to describe task definition.",
                      self.refused("ClientException", "describe-task-definition", "--task-definition", "none"))
        containers = json.dumps([{"name": "a", "image": "i"}])
        self.assertIn("At least one of 'memory' or 'memoryReservation' must be specified.",
                      self.refused("ClientException", "register-task-definition", "--family", "f",
                                   "--container-definitions", containers))
        self.assertIn("CreateTaskSet", self.refused("UnsupportedFeatureException", "create-task-set", "--service", "s",
                                                    "--cluster", "default", "--task-definition", "web"))
        self.register()
        self.assertIn("No Container Instances were found in your cluster.",
                      self.refused("InvalidParameterException", "run-task", "--task-definition", "web"))
        self.refused("ClientException", "run-task", "--task-definition", "none")
        started = self.aws("start-task", "--task-definition", "web", "--container-instances", "0" * 32)
        self.assertEqual((started["tasks"], started["failures"][0]["reason"]), ([], "MISSING"))
        self.refused("InvalidParameterException", "start-task", "--task-definition", "web", "--container-instances",
                     "arn:aws:ecs:us-east-1:000000000000:container-instance/other/" + "0" * 32)
        self.refused("InvalidParameterException", "stop-task", "--task", "0" * 32)
        self.assertEqual(self.aws("describe-tasks", "--tasks", "0" * 32)["failures"][0]["reason"], "MISSING")
        self.assertEqual(self.aws("list-container-instances", "--filter", "agentConnected == true")["containerInstanceArns"], [])
        self.refused("InvalidParameterException", "list-container-instances", "--filter", "a b c")

    def test_signatures_are_verified(self):
        self.start()
        self.refused("InvalidSignatureException", "list-clusters", AWS_SECRET_ACCESS_KEY="wrong")
        self.refused("UnrecognizedClientException", "list-clusters", AWS_ACCESS_KEY_ID="AKIDOTHER")
        done = self.raw("list-clusters", "--no-sign-request")
        self.assertIn("MissingAuthenticationToken", done.stderr)
        self.assertEqual(len(self.aws("list-clusters")["clusterArns"]), 1)

    def test_tls_is_served(self):
        key = os.path.join(self.directory, "tls")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key + ".key", "-out",
                        key + ".pem"], check=True, capture_output=True)
        self.start(tls=key)
        self.assertEqual(len(self.aws("list-clusters", "--ca-bundle", key + ".pem")["clusterArns"]), 1)
        self.assertIn("SSL", self.raw("list-clusters").stderr)
        self.assertEqual(len(self.aws("list-clusters", "--ca-bundle", key + ".pem")["clusterArns"]), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
