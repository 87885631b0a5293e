// SPDX-License-Identifier: Apache-2.0
// One pull: resolve the name, fetch manifest and configuration, make sure of the layers, write the
// record.
//
// Threads: run() is called once and blocks; it uses threads of its own for the layers.
// Errors: as ImageStore::pull.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/image/catalogue.hpp"
#include "sdk/runtime/image/image_store.hpp"
#include "sdk/runtime/image/layer_store.hpp"
#include "sdk/runtime/image/records.hpp"
#include "sdk/runtime/image/repository.hpp"

namespace berth::runtime::image {

struct PullParts {
  http::Client& client;
  LayerStore& layers;
  Catalogue& catalogue;
  std::size_t threads = 4;  // of one pull
};

// Pulls `reference` (its digest, where it has one, already being the pin). `name` is what was asked
// for, for the record. `pin` keeps the layers until the caller has held the image.
[[nodiscard]] sdk::Result<ImageRecord> pull_image(PullParts parts, const Reference& reference,
                                                  const std::string& name, RegistryAccess& access,
                                                  const PullOptions& options,
                                                  std::optional<LayerStore::Pin>& pin);

// Puts ECS's name before the message and into `reason`.
[[nodiscard]] sdk::Error name_error(sdk::Error error, const std::string& registry);

}  // namespace berth::runtime::image
