# SPDX-License-Identifier: Apache-2.0
"""Roles, secrets and metadata, from the AWS CLI to what a container sees, and the search for a secret in all that was written."""
import glob
import http.server
import json
import os
import subprocess
import threading
import unittest

from signature import signed
from stack import BIN, Scene, until

ROLE = "arn:aws:iam::000000000000:role/app"
ASSUMED = "arn:aws:iam::111122223333:role/assumed"
EXECUTION = "arn:aws:iam::000000000000:role/execution"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf"
# Of no other text, so that a search for one finds nothing but itself.
VALUES = {"role": "kR7-role-secret-zz", "assumed": "kS3-assumed-secret-zz", "file": "kF9-file-secret-zz", "ssm": "kP2-ssm-secret-zz",
          "asm": "kM5-asm-secret-zz", "execution": "kE4-execution-secret-zz", "envfile": "kN6-envfile-secret-zz"}


class Aws:
    """STS, SSM and Secrets Manager on loopback, as far as a task needs them; each checks signatures."""

    def __init__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = outer.answer(self, body)
                data = answer.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @staticmethod
    def answer(request, body):
        target = request.headers.get("X-Amz-Target", "")
        if target == "AmazonSSM.GetParameters":
            if not signed(request, body, "AKIDEXEC", VALUES["execution"], "ssm"):
                return 400, json.dumps({"__type": "InvalidSignatureException", "message": "no"})
            names = json.loads(body)["Names"]
            return 200, json.dumps({"Parameters": [{"Name": n, "Value": VALUES["ssm"]} for n in names if n == "/app/remote"],
                                    "InvalidParameters": [n for n in names if n != "/app/remote"]})
        if target == "secretsmanager.GetSecretValue":
            if not signed(request, body, "AKIDEXEC", VALUES["execution"], "secretsmanager"):
                return 400, json.dumps({"__type": "InvalidSignatureException", "message": "no"})
            return 200, json.dumps({"SecretString": json.dumps({"password": VALUES["asm"]})})
        if b"Action=AssumeRole" in body and signed(request, body, "AKIDSTS", "sts-secret", "sts"):
            return 200, ("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>"
                         f"{VALUES['assumed']}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z"
                         "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>")
        return 403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.check_closed)
        cls.registry = cls.scene.registry("plain")
        cls.image = f"{cls.registry.host}/tools:1"
        cls.registry.client.image("tools", "1", Env=["PATH=/bin"], Cmd=["/bin/sh"])
        cls.aws = Aws()
        cls.scene.closers.append(cls.aws.stop)
        kept = cls.scene.directory + "/kept"
        cls.keep(kept + "/role-secret", VALUES["role"])
        cls.keep(kept + "/execution-secret", VALUES["execution"])
        cls.keep(kept + "/secrets/app/local", VALUES["file"])
        cls.keep(kept + "/env/bucket/app.env", f"FROM_FILE={VALUES['envfile']}\n")
        cls.stack = cls.scene.start(f'''
[plugins.roles]
assume = ["arn:aws:iam::111122223333:role/*"]
[plugins.roles.role."{ROLE}"]
access_key_id = "AKIDROLE"
secret_access_key_file = "{kept}/role-secret"
[plugins.roles.role."{EXECUTION}"]
access_key_id = "AKIDEXEC"
secret_access_key_file = "{kept}/execution-secret"
[plugins.roles.sts]
endpoint = "{cls.aws.url}"
access_key_id = "AKIDSTS"
secret_access_key = "sts-secret"
[agent.secrets]
directory = "{kept}/secrets"
environment_files = "{kept}/env"
ssm_endpoint = "{cls.aws.url}"
secretsmanager_endpoint = "{cls.aws.url}"
''')

    @staticmethod
    def keep(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(text)

    def run_one(self, family, script, status="STOPPED", container=None, **members):
        self.stack.register(family, [{"name": "main", "image": self.image, "memory": 32, "command": ["/bin/sh", "-c", script],
                                      **(container or {})}], **members)
        return self.stack.await_status(self.stack.run_task(family)[0], status)

    def logs(self, task):
        return self.stack.berth("logs", task["taskArn"]).stdout

    def written(self, value):
        """Files of control plane and agent that hold a value, but for what the container itself printed and what lies in memory."""
        found = []
        for place, _, files in os.walk(self.stack.data):
            if place.endswith("/secret") or "/secret/" in place:
                continue
            for name in files:
                if name == "json.log" or not os.path.isfile(os.path.join(place, name)):
                    continue  # what it printed; sockets and links to nowhere
                with open(os.path.join(place, name), "rb") as one:
                    if value.encode() in one.read():
                        found.append(os.path.join(place, name))
        return found

    def test_a_container_reads_its_metadata(self):
        task = self.run_one("metadata", "wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task")
        shown = json.loads(self.logs(task))
        self.assertEqual(shown["TaskARN"], task["taskArn"])
        self.assertEqual(shown["Family"], "metadata")
        self.assertEqual(shown["AvailabilityZone"], "us-east-1a")
        self.assertEqual(shown["Containers"][0]["ContainerARN"], task["containers"][0]["containerArn"])
        self.assertEqual(shown["Containers"][0]["Networks"][0]["NetworkMode"], "bridge")

    def test_a_container_gets_the_credentials_of_its_role(self):
        ask = "wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        shown = json.loads(self.logs(self.run_one("role", ask, taskRoleArn=ROLE)))
        self.assertEqual((shown["RoleArn"], shown["AccessKeyId"], shown["SecretAccessKey"]), (ROLE, "AKIDROLE", VALUES["role"]))
        shown = json.loads(self.logs(self.run_one("assumed", ask, taskRoleArn=ASSUMED)))
        self.assertEqual((shown["AccessKeyId"], shown["Token"], shown["Expiration"]), ("ASIAASSUMED", "session", "2099-01-01T00:00:00.000Z"))

    def test_a_call_overrides_roles_cpu_and_memory(self):
        ask = "wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; echo; echo $SSM; exec sleep 1000"
        # The definition's own roles would give other keys, and none for SSM.
        self.stack.register("overridden", [{"name": "main", "image": self.image, "memory": 32, "stopTimeout": 2, "command": ["/bin/sh", "-c", ask],
                                            "secrets": [{"name": "SSM", "valueFrom": "/app/remote"}]}],
                            taskRoleArn=ROLE, executionRoleArn=ROLE, cpu="1024", memory="512")
        arn = self.stack.run_task("overridden", overrides={"taskRoleArn": ASSUMED, "executionRoleArn": EXECUTION, "cpu": "512", "memory": "256"})[0]
        task = self.stack.await_status(arn, "RUNNING")
        lines = until("it has told what it got", lambda: (told := self.logs(task).splitlines())[1:] and told)
        self.assertEqual(json.loads(lines[0])["AccessKeyId"], "ASIAASSUMED")
        self.assertEqual(json.loads(lines[0])["RoleArn"], ASSUMED)
        self.assertEqual(lines[1], VALUES["ssm"])
        limits = {}
        for name in ("cpu.max", "memory.max", "cpu.cfs_quota_us", "memory.limit_in_bytes"):
            for path in glob.glob(f"/sys/fs/cgroup/**/{arn.rsplit('/', 1)[1]}/{name}", recursive=True):
                with open(path, encoding="ascii") as limit:
                    limits[name] = limit.read().split()[0]
        self.assertIn(limits, ({"cpu.max": "50000", "memory.max": str(256 << 20)},
                               {"cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": str(256 << 20)}))
        self.stack.call("StopTask", task=arn)
        self.assertEqual((task["cpu"], task["memory"]), ("512", "256"))

    def test_a_role_that_nobody_knows_keeps_a_task_from_starting(self):
        task = self.run_one("unknown", "true", taskRoleArn="arn:aws:iam::000000000000:role/unknown")
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertTrue(task["stoppedReason"].startswith(
            "ECS was unable to assume the role 'arn:aws:iam::000000000000:role/unknown' that was provided for this task."), task)

    def test_secrets_come_from_directory_ssm_and_secrets_manager_and_are_written_nowhere(self):
        secrets = [{"name": "LOCAL", "valueFrom": "/app/local"}, {"name": "SSM", "valueFrom": "/app/remote"},
                   {"name": "ASM", "valueFrom": SECRET + ":password::"}]
        task = self.run_one("secrets", 'echo "$LOCAL $SSM $ASM $FROM_FILE"; exec sleep 1000', status="RUNNING", executionRoleArn=EXECUTION,
                            taskRoleArn=ROLE, container={
                                "secrets": secrets, "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/app.env"}],
                                "healthCheck": {"command": ["CMD-SHELL", '[ -n "$LOCAL$FROM_FILE" ]'], "interval": 5}})
        self.assertEqual(self.logs(task), f"{VALUES['file']} {VALUES['ssm']} {VALUES['asm']} {VALUES['envfile']}\n")
        # A check has run, and a command runs: each has the container's variables.
        until("the container is healthy", lambda: self.stack.task(task["taskArn"])["healthStatus"] == "HEALTHY", 60)
        command = subprocess.Popen([BIN + "/berth", "--api", self.stack.url, "exec", task["taskArn"].rsplit("/", 1)[1], "--", "/bin/sh", "-c",
                                    'echo "$LOCAL $FROM_FILE"; exec sleep 1000'], env=self.stack.env, stdout=subprocess.PIPE)
        self.addCleanup(command.stdout.close)
        self.addCleanup(command.wait)
        self.addCleanup(command.kill)
        self.assertEqual(command.stdout.readline().decode(), f"{VALUES['file']} {VALUES['envfile']}\n")
        for value in VALUES.values():
            self.assertEqual(self.written(value), [])
        self.stack.aws("stop-task", "--task", task["taskArn"])
        self.stack.await_status(task["taskArn"], "STOPPED")
        for value in VALUES.values():
            self.assertEqual(self.written(value), [])
        described = json.dumps(self.stack.task(task["taskArn"]))
        self.assertFalse([value for value in VALUES.values() if value in described])

    def test_a_missing_parameter_stops_the_task_in_ecs_words(self):
        task = self.run_one("missing", "true", executionRoleArn=EXECUTION, container={"secrets": [{"name": "X", "valueFrom": "/app/none"}]})
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertEqual(task["stoppedReason"], "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
                         "retrieval failed: unable to retrieve secrets from ssm: invalid parameters: /app/none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
