// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/sysfs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::gpu {

SysfsText read_sysfs(const std::filesystem::path& file) {
  const runtime::OwnedFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {{}, errno};
  std::array<char, 4096> buffer{};  // sysfs gives a page at most
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got < 0) return {{}, errno};
  std::string text(buffer.data(), static_cast<std::size_t>(got));
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  return {std::move(text), 0};
}

std::optional<std::int64_t> read_number(const std::filesystem::path& file) {
  const std::string text = read_sysfs(file).text;
  std::int64_t number = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || stop != text.data() + text.size()) return {};
  return number;
}

std::string numa_node(const std::filesystem::path& device) {
  const auto number = read_number(device / "numa_node");
  return number && *number >= 0 ? std::to_string(*number) : "";
}

}  // namespace berth::gpu
