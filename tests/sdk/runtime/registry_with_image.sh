#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# registry_with_image.sh DIR: runs a registry on a free loopback port, with the image test/box:1 (busybox, a web page), until it is
# killed. DIR/port appears when both are there.
set -euo pipefail
dir=$1
mkdir -p "$dir/data"
cat >"$dir/config.yml" <<YML
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $dir/data}}
http: {addr: "127.0.0.1:0"}
YML
: >"$dir/registry.log"
docker-registry serve "$dir/config.yml" >>"$dir/registry.log" 2>&1 &
registry=$!
trap 'kill $registry 2>/dev/null' EXIT
address=$(timeout 20 grep -m1 -o 'listening on 127.0.0.1:[0-9]*' <(tail -f -n +1 --pid=$registry "$dir/registry.log"))
port=${address##*:}

cd "$dir"
umoci init --layout image >/dev/null
umoci new --image image:1 >/dev/null
umoci unpack --image image:1 bundle >/dev/null
mkdir -p bundle/rootfs/{bin,etc,www,tmp}
cp "$(command -v busybox)" bundle/rootfs/bin/busybox
for name in sh echo sleep httpd nc id env cat true false head tr dd kill hostname pwd touch ls; do
  ln -s busybox bundle/rootfs/bin/$name
done
echo 'app:x:1234:1234::/home/app:/bin/sh' >bundle/rootfs/etc/passwd
echo 'app:x:1234:' >bundle/rootfs/etc/group
echo hello >bundle/rootfs/www/index.html
umoci repack --image image:1 bundle >/dev/null
umoci config --image image:1 --config.cmd /bin/sh --config.cmd -c --config.cmd 'echo default' \
  --config.env FROM_IMAGE=yes --config.workingdir /www >/dev/null
skopeo copy -q --dest-tls-verify=false oci:image:1 "docker://127.0.0.1:$port/test/box:1" >/dev/null
rm -rf bundle
echo "$port" >port.new
mv port.new port
wait $registry
