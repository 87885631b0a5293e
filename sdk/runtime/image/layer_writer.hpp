// SPDX-License-Identifier: Apache-2.0
// Writes the entries of one layer below one directory, whatever their names and links try.
//
// Invariants: 1. Every path is resolved by the kernel with the layer's directory as root, so no
// name, link or
//   earlier entry leads out of it. 2. Nothing that exists is opened for writing: files are made
//   anew or replaced.
//   3. Whiteouts become what overlayfs understands: a character device 0:0, or an opaque directory.
// What is taken and what is not:
//   - ".." in a name refuses the layer; a leading "/" is dropped.
//   - Hard links lead to files of the same layer only.
//   - Of devices only those that every container gets (null, zero, full, random, urandom, tty,
//   ptmx) are made. Others are
//     skipped below dev/, where containers never see them, and refuse the layer elsewhere.
//   - Of extended attributes user.*, security.capability and POSIX ACLs are set; the rest belongs
//   to the host and is dropped,
//     most of all overlayfs's own.
//   - AUFS's ".wh..wh.*" is skipped; a ".wh." that names nothing, or that has entries below it,
//   refuses the layer.
// Threads: one at a time.
// Errors: INVALID for what is refused, naming the entry; NO_CAPACITY.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/file.hpp"

namespace berth::runtime::image {

enum class EntryKind { File, Directory, Symlink, HardLink, Fifo, Device };

struct Entry {
  std::string path;
  EntryKind kind = EntryKind::File;
  mode_t mode = 0;  // permission bits; with the type bits for Device
  dev_t device = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  timespec mtime{};
  std::string target{};  // of links
  std::vector<std::pair<std::string, std::string>> xattrs{};
};

class LayerWriter {
 public:
  // `root`: a directory of ours, open for reading; it is borrowed.
  explicit LayerWriter(int root);

  // Makes one entry. `fill` writes a File's content to a descriptor.
  [[nodiscard]] sdk::Result<void> add(const Entry& entry,
                                      const std::function<sdk::Result<void>(int fd)>& fill);
  // Sets what has to wait for the last entry: times of directories.
  [[nodiscard]] sdk::Result<void> finish();

  // Directories that no entry described, made because something lies in them.
  [[nodiscard]] const std::set<std::string>& implied() const { return implied_; }
  // How many of these were made, for budgets.
  [[nodiscard]] std::int64_t implied_made() const { return implied_made_; }
  // Whether the layer hides all of what lies below it.
  [[nodiscard]] bool root_is_opaque() const { return root_is_opaque_; }

 private:
  struct Place {  // where an entry goes
    int parent = -1;
    std::string name;
    std::string path;  // clean, of the entry
  };
  sdk::Result<void> remember(const std::string& path);
  sdk::Result<int> directory(const std::string& path);
  sdk::Result<void> make_implied(const std::string& path);
  sdk::Result<void> add_whiteout(const std::string& parent, std::string_view name);
  sdk::Result<void> clear(const Place& place);
  sdk::Result<void> make_directory(const Place& place, const Entry& entry);
  sdk::Result<void> make_file(const Place& place, const Entry& entry,
                              const std::function<sdk::Result<void>(int)>& fill);
  sdk::Result<void> make_other(const Place& place, const Entry& entry);
  sdk::Result<void> make_hard_link(const Place& place, const Entry& entry);

  int root_;
  std::string open_path_;  // of the directory kept open
  Fd open_directory_;
  std::set<std::string> implied_;
  std::map<std::string, timespec> directory_times_;
  std::size_t remembered_bytes_ = 0;
  std::int64_t implied_made_ = 0;
  bool root_is_opaque_ = false;
};

}  // namespace berth::runtime::image
