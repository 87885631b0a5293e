# SPDX-License-Identifier: Apache-2.0
"""Images behind credentials that AWS gives: ECR's tokens, also of an execution role, and secrets that containers name."""
import http.server
import json
import threading
import unittest

from signature import signed
from stack import Scene, TokenEndpoint

EXECUTION = "arn:aws:iam::000000000000:role/execution"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:registry-AbCdEf"
ROLE = f'''
[plugins.roles.role."{EXECUTION}"]
access_key_id = "AKIDEXEC"
secret_access_key = "execution-secret"
'''


class SecretsManager:
    """One secret on loopback, for those who sign with the execution role's key."""

    def __init__(self, text):
        outer = self
        self.calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                known = signed(self, body, "AKIDEXEC", "execution-secret", "secretsmanager")
                outer.calls.append((known, json.loads(body).get("SecretId")))
                right = known and self.headers.get("X-Amz-Target") == "secretsmanager.GetSecretValue"
                answer = {"SecretString": text} if right else {"__type": "AccessDeniedException", "message": "not for you"}
                data = json.dumps(answer).encode()
                self.send_response(200 if right else 400)
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


class RegistriesOfAws(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.addCleanup(self.scene.check_closed)

    def ecr(self, names, more=""):
        """A registry for those with ECR's token of the day, its token endpoint, and a stack that asks there."""
        registry = self.scene.registry("ecr", tls=True, user="AWS", password="token-of-the-day")
        endpoint = TokenEndpoint("AWS", "token-of-the-day", registry.url)
        self.scene.closers.append(endpoint.stop)
        for name in names:
            registry.client.image(name, "1", Cmd=["/bin/echo", name])
        stack = self.scene.start(f'''
[plugins.registry-ecr.registries."{registry.host}"]
ca_file = "{registry.ca}"
ecr = true
[plugins.registry-ecr.ecr]
endpoint = "{endpoint.url}"
region = "us-east-1"
access_key_id = "AKIDEXAMPLE"
secret_access_key = "secret"
{more}''')
        return registry, endpoint, stack

    def test_pulls_with_one_token_from_the_endpoint(self):
        names = ("one", "two", "three")
        registry, endpoint, stack = self.ecr(names)
        arns = {}
        for name in names:
            stack.register(name, [{"name": "main", "image": f"{registry.host}/{name}:1", "memory": 32}])
            arns[name] = stack.run_task(name)[0]
        for name, arn in arns.items():
            task = stack.await_status(arn, "STOPPED")
            self.assertEqual(task["containers"][0].get("exitCode"), 0, task)
            self.assertEqual(stack.berth("logs", arn).stdout, name + "\n")
        self.assertEqual(len(endpoint.calls), 1, "concurrent pulls share one token")
        self.assertIn("Credential=AKIDEXAMPLE/", endpoint.calls[0]["Authorization"])
        self.assertIn("/us-east-1/ecr/aws4_request", endpoint.calls[0]["Authorization"])

    def test_asks_ecr_with_the_credentials_of_the_execution_role(self):
        registry, endpoint, stack = self.ecr(("one", "two"), ROLE)
        stack.register("one", [{"name": "main", "image": f"{registry.host}/one:1", "memory": 32}], executionRoleArn=EXECUTION)
        task = stack.await_status(stack.run_task("one")[0], "STOPPED")
        self.assertEqual(task["containers"][0].get("exitCode"), 0, task)
        stack.berth("images", "pull", f"{registry.host}/two:1", "--execution-role", EXECUTION)
        self.assertEqual(len(endpoint.calls), 1, "the role's token serves all its pulls")
        self.assertIn("Credential=AKIDEXEC/", endpoint.calls[0]["Authorization"])
        stack.berth("images", "pull", f"{registry.host}/one:1")
        self.assertIn("Credential=AKIDEXAMPLE/", endpoint.calls[1]["Authorization"], "another's token is not borrowed")

    def test_pulls_with_the_secret_that_the_container_names(self):
        registry = self.scene.registry("private", tls=True, user="reader", password="s3cret pass")
        manager = SecretsManager(json.dumps({"username": "reader", "password": "s3cret pass"}))
        self.scene.closers.append(manager.stop)
        registry.client.image("web", "1", Cmd=["/bin/echo", "private"])
        stack = self.scene.start(f'''
[plugins.registry-ecr]
secretsmanager_endpoint = "{manager.url}"
[plugins.registry-ecr.registries."{registry.host}"]
ca_file = "{registry.ca}"
{ROLE}''')
        container = {"name": "main", "image": f"{registry.host}/web:1", "memory": 32}
        named = {**container, "repositoryCredentials": {"credentialsParameter": SECRET}}
        stack.register("named", [named], executionRoleArn=EXECUTION)
        task = stack.await_status(stack.run_task("named")[0], "STOPPED")
        self.assertEqual(task["containers"][0].get("exitCode"), 0, task)
        self.assertEqual(manager.calls, [(True, SECRET)])
        registry.client.image("other", "1", Cmd=["/bin/echo", "other"])
        stack.register("unnamed", [{**container, "image": f"{registry.host}/other:1"}], executionRoleArn=EXECUTION)
        refused = stack.await_status(stack.run_task("unnamed")[0], "STOPPED")
        self.assertEqual(refused["stopCode"], "TaskFailedToStart", refused)
        self.assertIn("CannotPullContainerAuthError", refused["containers"][0]["reason"])
        pulled = stack.berth("images", "pull", f"{registry.host}/other:1", "--execution-role", EXECUTION, "--credentials", SECRET)
        self.assertIn("PULLED", pulled.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
