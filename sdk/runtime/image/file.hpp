// SPDX-License-Identifier: Apache-2.0
// File descriptors with an owner, and the few calls relative to them that this folder is made of.
//
// Threads: any. Errors: NO_CAPACITY for a full disk or quota, INVALID for names and links that
// cannot be followed, INTERNAL for the rest; the message ends with the system's own words.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>

#include "berth/result.hpp"

namespace berth::runtime::image {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// What errno says, after "<what>: ".
[[nodiscard]] sdk::Error system_error(std::string_view what, int error);

// Opens `path` below `root` with open(2)'s flags: links are followed as if root were "/", mounts
// and magic links are not crossed. -1 and errno where that fails.
[[nodiscard]] Fd open_in_root(int root, const char* path, int flags);

// As open_in_root, but any link on the way is ELOOP.
[[nodiscard]] Fd open_without_links(int root, const char* path, int flags);

// The directory of that name, made where it is missing.
[[nodiscard]] sdk::Result<Fd> make_and_open(int parent, const char* name, mode_t mode);

// Removes `name` in `parent` with all below it; missing is fine. Follows no link, crosses no mount,
// and needs neither stack nor descriptors in proportion to the depth.
[[nodiscard]] sdk::Result<void> remove_tree(int parent, const char* name);

// The whole file, if it is not longer than `most`.
[[nodiscard]] sdk::Result<std::string> read_file(int directory, const char* name, std::size_t most);

enum class Lasting {
  OverPowerLoss,   // on the disk before this returns
  WhileHostLives,  // survives kill -9 of this process; after a power loss it may be damaged
};

// Writes `name` in `directory` so that whoever reads it meets the old content or the new.
[[nodiscard]] sdk::Result<void> write_file(int directory, const std::string& name,
                                           std::string_view content,
                                           Lasting lasting = Lasting::OverPowerLoss);

}  // namespace berth::runtime::image
