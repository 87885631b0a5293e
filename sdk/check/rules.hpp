// SPDX-License-Identifier: Apache-2.0
// The rules as functions; README.md explains each by its id. They run in a process of their own
// (runner.hpp).
#pragma once

#include "sdk/check/rule.hpp"

namespace berth::check {

[[nodiscard]] Outcome load_opens(const Subject& subject);
[[nodiscard]] Outcome load_symbol(const Subject& subject);
[[nodiscard]] Outcome table_layout(const Subject& subject);
[[nodiscard]] Outcome table_name(const Subject& subject);

[[nodiscard]] Outcome life_create(const Subject& subject);
[[nodiscard]] Outcome life_config(const Subject& subject);
[[nodiscard]] Outcome life_quiet(const Subject& subject);
[[nodiscard]] Outcome life_repeat(const Subject& subject);
[[nodiscard]] Outcome life_two(const Subject& subject);
[[nodiscard]] Outcome life_destroy(const Subject& subject);
[[nodiscard]] Outcome life_threads(const Subject& subject);

[[nodiscard]] Outcome manifest_describe(const Subject& subject);
[[nodiscard]] Outcome manifest_methods(const Subject& subject);

[[nodiscard]] Outcome call_once(const Subject& subject);
[[nodiscard]] Outcome call_unknown(const Subject& subject);
[[nodiscard]] Outcome call_garbage(const Subject& subject);
[[nodiscard]] Outcome call_cancel(const Subject& subject);
[[nodiscard]] Outcome call_threads(const Subject& subject);
[[nodiscard]] Outcome call_activate_once(const Subject& subject);
[[nodiscard]] Outcome message_unknown_fields(const Subject& subject);

[[nodiscard]] Outcome launch_plan(const Subject& subject);
[[nodiscard]] Outcome launch_unknown_task(const Subject& subject);
[[nodiscard]] Outcome launch_inventory(const Subject& subject);

}  // namespace berth::check
