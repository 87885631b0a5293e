// SPDX-License-Identifier: Apache-2.0
// Secrets and environment files in a directory that the operator names: one file each.
//
// A name is a path below the directory. Nothing outside of it is read: no "..", no link that leads
// out. Files of secrets must belong to root or to the agent's user and be closed to group and
// others. Threads: any. Errors: NOT_FOUND no such file; DENIED one that may not be used, with what
// to change; INVALID. No message holds anything of a file.
#pragma once

#include <filesystem>
#include <string>

#include "berth/result.hpp"

namespace berth::runtime::secrets {

class Directory {
 public:
  enum class Holds {
    Secrets,  // modes are checked; one line end at the end is not part of the secret
    Files,    // given as they are
  };
  Directory(std::filesystem::path path, Holds holds) : path_(std::move(path)), holds_(holds) {}

  [[nodiscard]] sdk::Result<std::string> read(const std::string& name) const;

 private:
  std::filesystem::path path_;
  Holds holds_;
};

}  // namespace berth::runtime::secrets
