// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, with CDI files and the script of the stand-in for NVML in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace berth::test {

class Room {
 public:
  Room() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-gpu-XXXXXX").string();
    path = ::mkdtemp(name.data());
    std::filesystem::create_directories(path / "cdi");
    ::setenv("BERTH_STAND_IN_NVML", (path / "nvml").c_str(), 1);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() { std::filesystem::remove_all(path); }

  // All at once, so that who reads meanwhile has the old text or the new.
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file.string() + "~") << text;
    std::filesystem::rename(file.string() + "~", file);
  }
  void nvml(const std::string& script) const { write("nvml", script); }

  // A line for the script. The stand-in outlives the room, and tells each XID once.
  [[nodiscard]] std::string xid(const std::string& uuid, int number, int serial = 0) const {
    return "xid " + uuid + " " + std::to_string(number) + " " + path.string() + "-" +
           std::to_string(serial) + "\n";
  }

  // A FIFO for the stand-in to hang at, and the way to let it go on.
  [[nodiscard]] std::string fifo() const {
    const std::filesystem::path file = path / "fifo";
    if (!std::filesystem::exists(file)) {
      EXPECT_EQ(::mkfifo(file.c_str(), 0600), 0);
    }
    return file;
  }
  void let_go() const { const std::ofstream open(fifo()); }

  std::filesystem::path path;
};

// Two devices of NVML, the second one joined to the first by a link.
inline constexpr const char* kTwo =
    "driver 550.54.15\n"
    "gpu uuid=GPU-a name=NVIDIA_A100 memory_mib=40960 used_mib=1024 minor=0 pci=00000000:07:00.0 "
    "busy=25 temperature=41 power_mw=61500 links=00000000:0F:00.0\n"
    "gpu uuid=GPU-b name=NVIDIA_A100 memory_mib=40960 minor=1 pci=00000000:0F:00.0 "
    "links=00000000:07:00.0\n";

// What a tool of the vendor's writes about them, with nodes that any host has.
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
