// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/text_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace berth::replay {

Outcome<std::string> read_text(const std::string& path, std::size_t most_mib) {
  errno = 0;
  // gzread gives what is not gzip as it is.
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    return tl::unexpected(path + ": " + (errno != 0 ? std::strerror(errno) : "cannot be opened"));
  }
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> closer(file, gzclose);
  std::string text;
  constexpr unsigned kStep = 1U << 18;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + kStep);
    const int got = gzread(file, text.data() + before, kStep);
    text.resize(before + static_cast<std::size_t>(std::max(got, 0)));
    int code = Z_OK;
    const char* reason = gzerror(file, &code);
    // A file that ends early is told by the code alone, after its last bytes.
    if (got < 0 || code != Z_OK) {
      return tl::unexpected(path + ": " + (code == Z_ERRNO ? std::strerror(errno) : reason));
    }
    if (text.size() > most_mib << 20) {
      return tl::unexpected(path + ": has over " + std::to_string(most_mib) + " MiB of text");
    }
    if (got == 0) return text;
  }
}

}  // namespace berth::replay
