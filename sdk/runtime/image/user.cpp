// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/user.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <optional>

#include "sdk/runtime/image/file.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxFile = 16u << 20;
constexpr std::size_t kMaxLine = 64u << 10;
constexpr std::size_t kMaxGroups = 65536;  // the kernel's own bound

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The highest one means "none" to the kernel.
  if (error != std::errc{} || end != text.data() + text.size() || value == UINT32_MAX) return {};
  return value;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The file as it is for the container; empty where there is none or it is no file.
sdk::Result<std::string> content(int root, const char* path) {
  // Not blocking: the image may have put a FIFO there.
  const Fd file = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::string{};
  std::string out;
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0) return system_error(path, errno);
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > kMaxFile) {
      return sdk::fail(BERTH_INVALID,
                       std::string{"the image's "} + path + " is longer than 16 MiB");
    }
  }
}

// Calls with the first N fields of each line that has as many.
template <std::size_t N, typename Call>
void each_line(std::string_view text, Call call) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.size() > kMaxLine || line.front() == '#') continue;
    std::array<std::string_view, N> fields;
    std::size_t count = 0;
    while (count < N) {
      const std::size_t colon = std::min(line.find(':'), line.size());
      fields[count++] = line.substr(0, colon);
      if (colon == line.size()) break;
      line.remove_prefix(colon + 1);
    }
    if (count == N) call(fields);
  }
}

bool lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    const std::size_t comma = std::min(members.find(','), members.size());
    if (members.substr(0, comma) == name) return true;
    members.remove_prefix(std::min(comma + 1, members.size()));
  }
  return false;
}

sdk::Error unknown(std::string_view what, std::string_view name) {
  return sdk::fail(BERTH_INVALID,
                   "unable to find " + std::string{what} + " " + std::string{name.substr(0, 100)} +
                       ": no matching entries in the image's " +
                       (what == "user" ? "/etc/passwd" : "/etc/group"),
                   "user");
}

sdk::Result<void> find_user(std::string_view passwd, std::string_view wanted, ProcessUser& out) {
  const auto id = number(wanted);
  bool found = false;
  each_line<6>(passwd, [&](const std::array<std::string_view, 6>& fields) {
    const auto uid = number(fields[2]);
    const auto gid = number(fields[3]);
    // A name made of digits wins over the number, as everywhere.
    const bool by_name = fields[0] == wanted;
    if (!uid || !gid || (found && !(by_name && out.name != wanted))) return;
    if (!by_name && !(id && *uid == *id)) return;
    found = true;
    out.uid = *uid;
    out.gid = *gid;
    out.name = fields[0];
    out.home = fields[5].starts_with('/') ? std::string{fields[5]} : "/";
  });
  if (found) return {};
  if (!id) {
    if (is_number(wanted))
      return sdk::fail(BERTH_INVALID, "the user's number is out of range", "user");
    return unknown("user", wanted);
  }
  out.uid = *id;
  return {};
}

sdk::Result<void> find_group(std::string_view groups, std::string_view wanted, ProcessUser& out) {
  std::optional<std::uint32_t> found;
  each_line<3>(groups, [&](const std::array<std::string_view, 3>& fields) {
    const auto gid = number(fields[2]);
    if (!found && gid && fields[0] == wanted) found = gid;
  });
  if (!found) found = number(wanted);
  if (!found) {
    if (is_number(wanted))
      return sdk::fail(BERTH_INVALID, "the group's number is out of range", "user");
    return unknown("group", wanted);
  }
  out.gid = *found;
  return {};
}

void find_additional(std::string_view groups, ProcessUser& out) {
  if (out.name.empty()) return;
  each_line<4>(groups, [&](const std::array<std::string_view, 4>& fields) {
    const auto gid = number(fields[2]);
    if (gid && *gid != out.gid && lists(fields[3], out.name) &&
        out.additional_gids.size() < kMaxGroups) {
      out.additional_gids.push_back(*gid);
    }
  });
  std::ranges::sort(out.additional_gids);
  const auto repeated = std::ranges::unique(out.additional_gids);
  out.additional_gids.erase(repeated.begin(), repeated.end());
}

}  // namespace

sdk::Result<ProcessUser> resolve_user(const std::string& rootfs, std::string_view user) {
  const std::size_t colon = user.find(':');
  const std::string_view wanted = user.substr(0, colon);
  const bool has_group = colon != std::string_view::npos && colon + 1 < user.size();
  const Fd root{open(rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!root) return system_error(rootfs, errno);
  ProcessUser out;
  const auto passwd = content(root.get(), "etc/passwd");
  if (!passwd) return passwd.error();
  if (auto found = find_user(*passwd, wanted.empty() ? "0" : wanted, out); !found) {
    return found.error();
  }
  const auto groups = content(root.get(), "etc/group");
  if (!groups) return groups.error();
  if (has_group) {
    if (auto found = find_group(*groups, user.substr(colon + 1), out); !found) return found.error();
  } else {
    find_additional(*groups, out);
  }
  return out;
}

}  // namespace berth::runtime::image
