// SPDX-License-Identifier: Apache-2.0
// What a person may do about a refusal: the API says what is wrong in ECS's words, which tell
// nothing of Berth's commands.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

namespace berth::cli {

// A sentence for the message's next line; empty where there is nothing to add.
[[nodiscard]] std::string hint_for(std::string_view message);

}  // namespace berth::cli
