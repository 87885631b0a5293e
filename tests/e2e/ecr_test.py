# SPDX-License-Identifier: Apache-2.0
"""Images behind ECR-style credentials: one token for all pulls, from a signed GetAuthorizationToken."""
import unittest

from stack import Scene, TokenEndpoint


class EcrStyleRegistry(unittest.TestCase):
    def test_pulls_with_one_token_from_the_endpoint(self):
        scene = Scene()
        try:
            registry = scene.registry("ecr", tls=True, user="AWS", password="token-of-the-day")
            endpoint = TokenEndpoint("AWS", "token-of-the-day", registry.url)
            scene.closers.append(endpoint.stop)
            for name in ("one", "two", "three"):
                registry.client.image(name, "1", Cmd=["/bin/echo", name])
            stack = scene.start(f'''
[plugins.registry-ecr.registries."{registry.host}"]
ca_file = "{registry.ca}"
ecr = true
[plugins.registry-ecr.ecr]
endpoint = "{endpoint.url}"
region = "us-east-1"
access_key_id = "AKIDEXAMPLE"
secret_access_key = "secret"
''')
            arns = {}
            for name in ("one", "two", "three"):
                stack.register(name, [{"name": "main", "image": f"{registry.host}/{name}:1", "memory": 32}])
                arns[name] = stack.run_task(name)[0]
            for name, arn in arns.items():
                task = stack.await_status(arn, "STOPPED")
                self.assertEqual(task["containers"][0].get("exitCode"), 0, task)
                self.assertEqual(stack.berth("logs", arn).stdout, name + "\n")
            self.assertEqual(len(endpoint.calls), 1, "concurrent pulls share one token")
            self.assertIn("Credential=AKIDEXAMPLE/", endpoint.calls[0]["Authorization"])
            self.assertIn("/us-east-1/ecr/aws4_request", endpoint.calls[0]["Authorization"])
        finally:
            left = scene.close()
        self.assertEqual(left, {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
