// SPDX-License-Identifier: Apache-2.0
// Tar archives byte by byte, so that tests can write what no honest tool would.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace berth::test {

struct TarEntry {
  std::string path;
  char type =
      '0';  // '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' FIFO
  std::string content{};
  std::string target{};
  unsigned mode = 0644;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::int64_t mtime = 1700000000;
  unsigned major = 0;
  unsigned minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs{};
};

class TarBuilder {
 public:
  TarBuilder& add(const TarEntry& entry);
  TarBuilder& file(std::string path, std::string content = "", unsigned mode = 0644);
  TarBuilder& directory(std::string path, unsigned mode = 0755);
  TarBuilder& symlink(std::string path, std::string target);
  TarBuilder& hard_link(std::string path, std::string target);

  // With the two empty blocks at its end.
  [[nodiscard]] std::string bytes() const;

 private:
  void header(const TarEntry& entry, const std::string& path, char type, std::size_t size);
  std::string bytes_;
};

[[nodiscard]] std::string gzip(const std::string& bytes);
[[nodiscard]] std::string zstd(const std::string& bytes);

}  // namespace berth::test
