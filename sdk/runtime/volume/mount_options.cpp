// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/volume/mount_options.hpp"

#include <sys/mount.h>

#include <algorithm>
#include <iterator>

namespace berth::runtime::volume {
namespace {

struct Flag {
  std::string_view word;
  unsigned long set;
  unsigned long clear;
};
constexpr Flag kFlags[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
};

}  // namespace

MountOptions parse_mount_options(std::string_view text) {
  MountOptions out;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const auto* flag = std::find_if(std::begin(kFlags), std::end(kFlags),
                                    [&word](const Flag& one) { return one.word == word; });
    if (flag != std::end(kFlags)) {
      out.flags = (out.flags | flag->set) & ~flag->clear;
    } else if (!word.empty()) {
      if (!out.data.empty()) out.data += ',';
      out.data += word;
    }
  }
  return out;
}

}  // namespace berth::runtime::volume
