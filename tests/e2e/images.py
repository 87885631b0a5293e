# SPDX-License-Identifier: Apache-2.0
"""Small images, made here and pushed to a registry with nothing but HTTP."""
import base64
import gzip
import hashlib
import io
import json
import ssl
import tarfile
import urllib.error
import urllib.request

BUSYBOX = "/bin/busybox"
APPLETS = ["sh", "httpd", "nc", "echo", "cat", "sleep", "true", "false", "ls", "id", "env", "wget", "kill", "trap", "dd", "tail", "head",
           "ps", "hostname", "pwd", "mkdir", "touch", "seq", "awk", "date", "rm", "stat", "stty", "yes"]


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files=(), directories=("tmp",), applets=True):
    """A gzip layer and its diff id. files: (path, bytes, mode)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(path, kind, data=b"", mode=0o755, target=""):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), target
            tar.addfile(entry, io.BytesIO(data))
        for directory in directories:
            add(directory, tarfile.DIRTYPE, mode=0o1777 if directory == "tmp" else 0o755)
        if applets:
            add("bin", tarfile.DIRTYPE)
            with open(BUSYBOX, "rb") as program:
                add("bin/busybox", tarfile.REGTYPE, program.read())
            for name in APPLETS:
                add("bin/" + name, tarfile.SYMTYPE, target="busybox")
            add("etc", tarfile.DIRTYPE)
            add("etc/passwd", tarfile.REGTYPE, b"root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n", 0o644)
            add("etc/group", tarfile.REGTYPE, b"root:x:0:\napp:x:1000:\nextra:x:2000:app\n", 0o644)
        for path, data, mode in files:
            add(path, tarfile.REGTYPE, data, mode)
    plain = raw.getvalue()
    return gzip.compress(plain, 6, mtime=0), digest_of(plain)


class Registry:
    """Client of one registry: url like https://127.0.0.1:5000."""

    def __init__(self, url, user=None, password=None, ca=None):
        self.url = url
        self.header = {}
        if user:
            self.header["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.context = ssl.create_default_context(cafile=ca) if url.startswith("https") else None

    def request(self, method, path, data=None, headers=None):
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data=data, method=method, headers={**self.header, **(headers or {})})
        return urllib.request.urlopen(request, context=self.context, timeout=20)

    def blob(self, repository, data):
        digest = digest_of(data)
        location = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
        joint = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{joint}digest={digest}", data, {"Content-Type": "application/octet-stream"})
        return digest

    def manifest(self, repository, reference, body, kind):
        data = json.dumps(body).encode()
        self.request("PUT", f"/v2/{repository}/manifests/{reference}", data, {"Content-Type": kind})
        return digest_of(data), len(data)

    def image(self, repository, tag, layers=None, **config):
        """Pushes an image; config members as in the OCI image config's `config`. Gives its manifest's digest and size."""
        layers = layers or [layer()]
        body = {"architecture": config.pop("architecture", "amd64"), "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}
        config_data = json.dumps(body).encode()
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {
            "schemaVersion": 2, "mediaType": kind,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config_data),
                       "digest": self.blob(repository, config_data)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": len(data),
                        "digest": self.blob(repository, data)} for data, _ in layers]}
        return self.manifest(repository, tag, manifest, kind)

    def index(self, repository, tag, platforms):
        """platforms: {(os, architecture): (digest, size)}."""
        kind = "application/vnd.oci.image.index.v1+json"
        return self.manifest(repository, tag, {
            "schemaVersion": 2, "mediaType": kind,
            "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
                           "platform": {"os": system, "architecture": machine}}
                          for (system, machine), (digest, size) in platforms.items()]}, kind)
