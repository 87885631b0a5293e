// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/quantity.hpp"

#include <cctype>
#include <charconv>
#include <string>

namespace berth::runtime::options {
namespace {

struct Quantity {
  double number = 0;
  std::string unit;  // lower case, without blanks
};

std::optional<Quantity> read(std::string_view text) {
  Quantity out;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data(), end, out.number);
  // Said so that "nan" is none either.
  if (problem != std::errc() || !(out.number >= 0 && out.number <= 1e12)) return std::nullopt;
  for (const char* at = rest; at != end; ++at) {
    if (*at != ' ') out.unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*at)));
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> read_cpu(std::string_view text) {
  const auto amount = read(text);
  if (!amount) return std::nullopt;
  if (amount->unit.empty()) return static_cast<std::int64_t>(amount->number);
  if (amount->unit == "vcpu") return static_cast<std::int64_t>(amount->number * 1024);
  return std::nullopt;
}

std::optional<std::int64_t> read_memory_mib(std::string_view text) {
  const auto amount = read(text);
  if (!amount) return std::nullopt;
  if (amount->unit.empty() || amount->unit == "mb") return static_cast<std::int64_t>(amount->number);
  if (amount->unit == "gb") return static_cast<std::int64_t>(amount->number * 1024);
  return std::nullopt;
}

}  // namespace berth::runtime::options
