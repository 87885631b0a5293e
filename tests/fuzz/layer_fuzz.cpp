// SPDX-License-Identifier: Apache-2.0
// Layers of any entries ("TYPE PATH [TARGET]" a line) and of any bytes: nothing outside their
// directory changes, and what they made can be removed.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/image/layer_writer.hpp"
#include "sdk/runtime/image/unpack.hpp"

namespace {

using namespace berth;                  // NOLINT
using namespace berth::runtime::image;  // NOLINT

class Once : public ByteSource {
 public:
  explicit Once(std::string_view bytes) : bytes_(bytes) {}
  sdk::Result<std::string_view> read() override { return std::exchange(bytes_, {}); }

 private:
  std::string_view bytes_;
};

struct Place {
  std::string path;
  int fd = -1;

  Place() {
    // In memory where that is to be had: thousands of layers come and go.
    char name[64] = "/dev/shm/berth-fuzz-XXXXXX";
    if (access("/dev/shm", W_OK) != 0) std::strcpy(name, "/tmp/berth-fuzz-XXXXXX");
    if (!mkdtemp(name)) abort();
    path = name;
    fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !write_file(fd, "witness", "untouched", Lasting::WhileHostLives)) abort();
  }
  ~Place() {
    if (!remove_tree(fd, "witness") || rmdir(path.c_str()) != 0) abort();
    close(fd);
  }
  void check() const {
    const auto witness = read_file(fd, "witness", 100);
    if (!witness || *witness != "untouched") abort();
    std::set<std::string> names;
    DIR* dir = opendir(path.c_str());
    while (const dirent* entry = readdir(dir)) names.insert(entry->d_name);
    closedir(dir);
    if (names != std::set<std::string>{".", "..", "layer", "witness"}) abort();
    if (!remove_tree(fd, "layer")) abort();
  }
};

void add_entries(LayerWriter& writer, std::string_view text) {
  for (int entries = 0; !text.empty() && entries < 64; ++entries) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() < 2) continue;
    static constexpr EntryKind kKinds[] = {EntryKind::File,    EntryKind::Directory,
                                           EntryKind::Symlink, EntryKind::HardLink,
                                           EntryKind::Fifo,    EntryKind::Device};
    Entry entry{.path = {}, .kind = kKinds[static_cast<unsigned char>(line[0]) % 6], .mode = 0644};
    const std::string_view rest = line.substr(2);
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    entry.path = rest.substr(0, blank);
    entry.target = rest.substr(std::min(blank + 1, rest.size()));
    // Strings of the archive are C strings; those of the line may hold more.
    entry.target = entry.target.c_str();
    if (entry.kind == EntryKind::Device) entry.mode |= S_IFCHR;
    (void)writer.add(entry, [](int file) -> sdk::Result<void> {
      if (write(file, "x", 1) != 1) abort();
      return {};
    });
  }
  (void)writer.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Place place;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::string layer = place.path + "/layer";
  for (const bool as_archive : {false, true}) {
    if (mkdir(layer.c_str(), 0755) != 0) abort();
    const int fd = open(layer.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (as_archive) {
      UnpackBudget budget{1 << 20, 100};
      Once source{text};
      (void)unpack_layer(source, digest_of(text), fd, budget);
    } else {
      LayerWriter writer{fd};
      add_entries(writer, text);
    }
    close(fd);
    place.check();
  }
  return 0;
}
