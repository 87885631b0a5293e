// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/sysctl.hpp"

#include <fcntl.h>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {

bool write_sysctl(const std::string& name, const char* value) {
  const std::string path = "/proc/sys/" + name;
  if (state::read_file(path).value_or("") == std::string(value) + "\n") return true;
  const OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && state::write_all(fd.get(), value);
}

std::uint32_t mark_of(const std::string& bridge) {
  std::uint32_t hash = 2166136261u;
  for (const char c : bridge) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace berth::runtime
