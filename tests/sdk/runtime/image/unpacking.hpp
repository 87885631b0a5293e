// SPDX-License-Identifier: Apache-2.0
// A directory to unpack layers into, with a witness beside it that must not change.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/unpack.hpp"
#include "tests/support/image/bytes.hpp"
#include "tests/support/image/tar_builder.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::runtime::image {

class Unpacking {
 public:
  Unpacking() {
    mkdir((dir_ / "layer").c_str(), 0755);
    test::write_text(dir_ / "witness", "untouched");
    fd_ = open((dir_ / "layer").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~Unpacking() { close(fd_); }

  sdk::Result<UnpackedLayer> unpack(const std::string& tar) {
    test::Bytes source{test::gzip(tar)};
    return unpack_layer(source, digest_of(tar), fd_, budget);
  }
  sdk::Result<UnpackedLayer> unpack(const test::TarBuilder& tar) { return unpack(tar.bytes()); }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_ / "layer/" + name; }
  [[nodiscard]] std::string outside(const std::string& name) const { return dir_ / name; }
  [[nodiscard]] struct stat stat_of(const std::string& name) const {
    struct stat status {};
    if (lstat(path(name).c_str(), &status) != 0) status.st_mode = 0;
    return status;
  }
  [[nodiscard]] bool exists(const std::string& name) const { return stat_of(name).st_mode != 0; }
  [[nodiscard]] bool is_whiteout(const std::string& name) const {
    const auto status = stat_of(name);
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
  }

  UnpackBudget budget{std::int64_t{1} << 30, 100000};

 private:
  test::TempDir dir_;
  int fd_ = -1;
};

}  // namespace berth::runtime::image
