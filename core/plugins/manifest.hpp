// SPDX-License-Identifier: Apache-2.0
// What a plugin says of itself, checked, and read by the core.
//
// Threads: any.
#pragma once

#include <string_view>

#include "berth/v1/plugin.pb.h"
#include "core/model/error.hpp"
#include "sdk/loading/library.hpp"

namespace berth::plugins {

inline constexpr std::string_view kLaunch = "berth.launch/1";
inline constexpr std::string_view kHost = "berth.host/1";
inline constexpr std::string_view kRegistry = "berth.registry/1";
inline constexpr std::string_view kCredentials = "berth.credentials/1";

// Name and version are the table's; at least one interface that this Berth knows, none twice; each
// known one offers what the contract demands of it and says what it serves. Interfaces, methods and
// features that are not known are no fault. Errors: Invalid, with have and want.
[[nodiscard]] Result<void> check_manifest(const v1::Manifest& manifest,
                                          const loading::Library& library);

// The interface of that id, or null. Valid until: the manifest changes.
[[nodiscard]] const v1::Interface* find_interface(const v1::Manifest& manifest,
                                                  std::string_view id);

}  // namespace berth::plugins
