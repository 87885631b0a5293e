// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, with CDI files and the script of the stand-in for NVML in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/sdk/cdi/files.hpp"

namespace berth::test {

class Room : public Files {
 public:
  Room() { ::setenv("BERTH_STAND_IN_NVML", (path / "nvml").c_str(), 1); }
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
};

// Two devices of NVML, the second one joined to the first by a link.
inline constexpr const char* kTwo =
    "driver 550.54.15\n"
    "gpu uuid=GPU-a name=NVIDIA_A100 memory_mib=40960 used_mib=1024 minor=0 pci=00000000:07:00.0 "
    "busy=25 temperature=41 power_mw=61500 links=00000000:0F:00.0\n"
    "gpu uuid=GPU-b name=NVIDIA_A100 memory_mib=40960 minor=1 pci=00000000:0F:00.0 "
    "links=00000000:07:00.0\n";

}  // namespace berth::test
