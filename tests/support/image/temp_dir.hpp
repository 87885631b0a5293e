// SPDX-License-Identifier: Apache-2.0
// A directory under /tmp that goes when the test ends, with whatever is mounted in it.
#pragma once

#include <string>

namespace berth::test {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write_text(const std::string& path, const std::string& content);
[[nodiscard]] std::string read_text(const std::string& path);

}  // namespace berth::test
