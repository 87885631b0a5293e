// SPDX-License-Identifier: Apache-2.0
// The unpacked layers of a store's directory: each once, whole, under the name of its diff id.
//
// On disk: layers/<hex of the diff id>/{diff/, layer.json, synced}; drafts/<number>/ while one is
// being unpacked. Invariants: 1. A directory in layers/ is complete. Its content may still be on
// its way to the disk: `synced` says it has
//   arrived, and one without it that stems from another boot is dropped at open. 2. A pinned layer
//   is not removed.
// Threads: any.
// Errors: as unpack_layer and the blob; CANCELLED.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/byte_source.hpp"
#include "sdk/runtime/image/records.hpp"
#include "sdk/runtime/image/unpack.hpp"

namespace berth::runtime::image {

class LayerStore {
 public:
  // `root`: the store's directory, held open by the caller for as long as this lives.
  [[nodiscard]] static sdk::Result<std::unique_ptr<LayerStore>> open(int root, std::string path,
                                                                     std::size_t concurrent);
  ~LayerStore();
  LayerStore(const LayerStore&) = delete;
  LayerStore& operator=(const LayerStore&) = delete;

  [[nodiscard]] bool has(std::string_view diff_id) const;
  [[nodiscard]] std::string path(std::string_view diff_id) const;  // of its diff/
  [[nodiscard]] std::optional<LayerRecord> record(std::string_view diff_id) const;

  // While it lives, the layers named are not removed.
  class Pin {
   public:
    Pin() = default;
    Pin(LayerStore* store, std::vector<std::string> layers);
    Pin(Pin&& other) noexcept;
    Pin& operator=(Pin&&) = delete;
    ~Pin();

   private:
    LayerStore* store_ = nullptr;
    std::vector<std::string> layers_;
  };
  [[nodiscard]] Pin pin(std::vector<std::string> diff_ids);

  // Makes sure of one layer: there already, being unpacked by somebody else, or unpacked here from
  // what `open_blob` gives (called again, with the number of the attempt, for as long as it gives
  // streams that turn out to be no good).
  using OpenBlob = std::function<sdk::Result<std::unique_ptr<ByteSource>>(std::size_t attempt)>;
  struct Want {
    std::string diff_id;
    std::size_t attempts = 1;  // how many blobs there are to try
  };
  [[nodiscard]] sdk::Result<void> ensure(const Want& want, const OpenBlob& open_blob,
                                         UnpackBudget& budget, const std::stop_token& cancel);

  // Removes all layers that are neither pinned nor among what `needed` gives, or none where that
  // gives nothing. It is called with pins standing still, so that a layer is either still pinned or
  // already needed. The bytes of what went, as their records have them.
  using Needed = std::function<std::optional<std::set<std::string>>()>;
  std::uint64_t remove_unneeded(const Needed& needed);
  // Brings what was unpacked to the disk, in the background, and marks it.
  void sync_soon();

 private:
  class Impl;
  explicit LayerStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::runtime::image
