// SPDX-License-Identifier: Apache-2.0
// The images that a store has, by name, and who holds which: in memory, and durably in images/ and
// holds/.
//
// Invariants: what put returns from is on the disk. Holds last as long as the host is up: they are
// there for containers,
//   which do not survive a power loss either. Records of another version are left where they are
//   and not shown; while there are such holds, nothing is known to be unused. Damaged ones are
//   removed.
// Threads: any.
// Errors: INVALID a holder's name; NO_CAPACITY; INTERNAL.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/image/records.hpp"
#include "sdk/runtime/image/reference.hpp"

namespace berth::runtime::image {

class Catalogue {
 public:
  [[nodiscard]] static sdk::Result<std::unique_ptr<Catalogue>> open(int root);

  [[nodiscard]] sdk::Result<void> put(const ImageRecord& record);
  // Notes that an image was asked for again and found to be up to date.
  void touch(const ImageRecord& record, std::int64_t now);
  // By name; a reference with a digest finds what any name of the same repository has under it.
  [[nodiscard]] std::optional<ImageRecord> find(const Reference& reference,
                                                const Platform& platform) const;
  [[nodiscard]] std::optional<ImageRecord> find_id(std::string_view config_digest,
                                                   std::string_view digest) const;

  [[nodiscard]] sdk::Result<void> hold(const ImageRecord& record, std::string_view holder);
  // Notes that the image was used until `now`.
  void release(std::string_view holder, std::int64_t now);
  [[nodiscard]] std::vector<std::string> holders() const;
  [[nodiscard]] std::optional<ImageRecord> held(std::string_view holder) const;

  // All images, by reference and platform.
  [[nodiscard]] std::vector<ImageRecord> images() const;
  // The images that are held, by holder.
  [[nodiscard]] std::map<std::string, ImageRecord> holds() const;

  // Takes out up to `most` images that nobody holds and that were used last before `before`
  // (seconds since the epoch), oldest first, and gives them.
  std::vector<ImageRecord> forget(std::int64_t before, std::size_t most);
  // All layers that an image or a holder needs, or nothing where that cannot be told.
  [[nodiscard]] std::optional<std::set<std::string>> needed_layers() const;

 private:
  Catalogue(Fd images, Fd holds) : images_dir_(std::move(images)), holds_dir_(std::move(holds)) {}
  void load();
  void use(const std::string& key, std::int64_t now);

  Fd images_dir_;
  Fd holds_dir_;
  mutable std::mutex mutex_;
  std::map<std::string, ImageRecord> images_;  // by file name
  std::map<std::string, ImageRecord> holds_;   // by holder
  bool unreadable_ = false;
};

}  // namespace berth::runtime::image
