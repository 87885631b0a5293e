// SPDX-License-Identifier: Apache-2.0
// A short name of what a frame carries: "report", "call-start". Pure.
#pragma once

#include <string>

#include "berth/fleet/v1/fleet.pb.h"

namespace berth::fleet {

[[nodiscard]] std::string frame_name(const v1::Frame& frame);

}  // namespace berth::fleet
