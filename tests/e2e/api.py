# SPDX-License-Identifier: Apache-2.0
"""A bare client of the API for tests that count milliseconds: no retries, no SDK."""
import http.client
import json
import time


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body}")
        self.status, self.body = status, body


class Api:
    def __init__(self, port, timeout=70):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __del__(self):
        self.connection.close()

    def call(self, operation, **members):
        """Operation of ECS, or of Berth as "Berth.WatchTask". Raises Refused, or OSError where the API is gone."""
        prefix, _, name = operation.rpartition(".")
        target = ("Berth_20261122." if prefix else "AmazonEC2ContainerServiceV20141113.") + name
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, "X-Amz-Date": stamp,
                   # Any well-formed signature is accepted on loopback while no access keys are configured.
                   "Authorization": f"AWS4-HMAC-SHA256 Credential=test/{stamp[:8]}/us-east-1/ecs/aws4_request, "
                                    f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}"}
        try:
            self.connection.request("POST", "/", json.dumps(members), headers)
            answer = self.connection.getresponse()
            body = answer.read().decode()
        except (http.client.HTTPException, OSError) as error:
            self.connection.close()
            raise OSError(str(error)) from error
        if answer.status != 200:
            raise Refused(answer.status, body)
        return json.loads(body)
