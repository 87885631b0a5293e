// SPDX-License-Identifier: Apache-2.0
#include "bench/placement/arguments.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace berth::bench {

std::optional<std::string_view> value_of(std::string_view argument, std::string_view name) {
  const std::string prefix = "--" + std::string(name) + "=";
  if (!argument.starts_with(prefix)) return std::nullopt;
  return argument.substr(prefix.size());
}

std::size_t number_or_exit(std::string_view name, std::string_view text, std::size_t least) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least &&
      value <= 10'000'000) {
    return value;
  }
  std::fprintf(stderr, "--%s: \"%s\" is not a number from %zu to 10000000\n",
               std::string(name).c_str(), std::string(text).c_str(), least);
  std::exit(2);
}

std::vector<std::size_t> numbers_or_exit(std::string_view name, std::string_view text,
                                         std::size_t least) {
  std::vector<std::size_t> out;
  for (;;) {
    const std::size_t comma = text.find(',');
    out.push_back(number_or_exit(name, text.substr(0, comma), least));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace berth::bench
