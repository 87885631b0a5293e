// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, with CDI files in it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace berth::test {

class Files {
 public:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-cdi-XXXXXX").string();
    path = ::mkdtemp(name.data());
    std::filesystem::create_directories(path / "cdi");
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() { std::filesystem::remove_all(path); }

  // All at once, so that who reads meanwhile has the old text or the new.
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file.string() + "~") << text;
    std::filesystem::rename(file.string() + "~", file);
  }

  std::filesystem::path path;
};

// What a tool of a vendor's writes about two devices, with nodes that any host has.
inline constexpr const char* kCdiOfTwo = R"(---
cdiVersion: 0.5.0
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  deviceNodes:
  - path: /dev/nvidiactl
    hostPath: /dev/zero
  hooks:
  - args:
    - tool
    - hook
    - update-ldcache
    hookName: createContainer
    path: /bin/true
  mounts:
  - containerPath: /usr/lib/libcuda.so.550.54.15
    hostPath: /etc/hostname
    options:
    - ro
    - nosuid
    - nodev
    - bind
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/null
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
      hostPath: /dev/full
  name: "1"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/null
    - path: /dev/nvidia1
      hostPath: /dev/full
  name: all
kind: nvidia.com/gpu
)";

}  // namespace berth::test
