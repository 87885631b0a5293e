// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/temp_dir.hpp"

#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace berth::test {

TempDir::TempDir() {
  char name[] = "/tmp/berth-test-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TempDir::~TempDir() {
  // A failed test may have left mounts behind.
  std::vector<std::string> mounts;
  std::ifstream table{"/proc/self/mounts"};
  for (std::string device, target, rest; table >> device >> target && std::getline(table, rest);) {
    if (target.starts_with(path_ + "/")) mounts.push_back(target);
  }
  for (auto it = mounts.rbegin(); it != mounts.rend(); ++it) umount2(it->c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_text(const std::string& path, const std::string& content) {
  std::ofstream{path, std::ios::binary} << content;
}

std::string read_text(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace berth::test
