// SPDX-License-Identifier: Apache-2.0
// Messages of the contract in the form of the placement engine, and back.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "berth/v1/launch.pb.h"
#include "berth/v1/resources.pb.h"
#include "core/placement/types.hpp"

namespace berth::control {

[[nodiscard]] placement::NodeSpec node_spec_of(const v1::Node& node, const std::string& owner);
[[nodiscard]] placement::Needs needs_of(const v1::Requirement& requirement);

// Grants name containers in messages, and the number of the need in the engine; both go by the
// needs' order.
[[nodiscard]] v1::Allocation allocation_of(const v1::Requirement& requirement,
                                           const std::vector<placement::DeviceGrant>& grants);
[[nodiscard]] std::vector<placement::DeviceGrant> grants_of(const v1::Requirement& requirement,
                                                            const v1::Allocation& allocation);

}  // namespace berth::control
