// SPDX-License-Identifier: Apache-2.0
// The arguments that the placement benches take beside Google Benchmark's.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace berth::bench {

// What follows `--name=` in `argument`, or nothing where it is another one.
[[nodiscard]] std::optional<std::string_view> value_of(std::string_view argument,
                                                       std::string_view name);
// A number of `least` or more; ends the process with 2 and a sentence that names the argument.
[[nodiscard]] std::size_t number_or_exit(std::string_view name, std::string_view text,
                                         std::size_t least);
// The same, with commas between.
[[nodiscard]] std::vector<std::size_t> numbers_or_exit(std::string_view name, std::string_view text,
                                                       std::size_t least);

}  // namespace berth::bench
