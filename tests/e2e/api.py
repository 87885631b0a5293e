# SPDX-License-Identifier: Apache-2.0
"""A bare client of the API for tests that count milliseconds: no retries, no SDK."""
import http.client
import json
import time

from signature import authorization


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body}")
        self.status, self.body = status, body


class Api:
    """`key`: id and secret of an access key; any is taken on loopback while the control plane knows none."""

    def __init__(self, port, timeout=70, key=("test", "test")):
        self.key, self.host = key, f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __del__(self):
        self.connection.close()

    def call(self, operation, **members):
        """Operation of ECS, or of Berth as "Berth.WatchTask". Raises Refused, or OSError where the API is gone."""
        prefix, _, name = operation.rpartition(".")
        target = ("Berth_20261122." if prefix else "AmazonEC2ContainerServiceV20141113.") + name
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        data = json.dumps(members).encode()
        headers = {"host": self.host, "x-amz-date": stamp, "x-amz-target": target}
        headers["Authorization"] = authorization(headers, data, *self.key, "ecs")
        headers["Content-Type"] = "application/x-amz-json-1.1"
        try:
            self.connection.request("POST", "/", data, headers)
            answer = self.connection.getresponse()
            body = answer.read().decode()
        except (http.client.HTTPException, OSError) as error:
            self.connection.close()
            raise OSError(str(error)) from error
        if answer.status != 200:
            raise Refused(answer.status, body)
        return json.loads(body)
