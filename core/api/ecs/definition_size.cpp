// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "core/api/ecs/definition.hpp"

namespace berth::api {
namespace {

// A plain number of units, or a real number followed by `unit` (in any case), which stands for
// `factor` of them.
std::optional<std::int64_t> parse_amount(std::string_view text, std::string_view unit,
                                         double factor) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool has_unit = lower.ends_with(unit);
  if (has_unit) lower.resize(lower.size() - unit.size());
  while (!lower.empty() && lower.back() == ' ') lower.pop_back();
  const char* end = lower.data() + lower.size();
  if (!has_unit) {
    std::int64_t amount = 0;
    const auto read = std::from_chars(lower.data(), end, amount);
    if (lower.empty() || read.ec != std::errc() || read.ptr != end || amount < 0) {
      return std::nullopt;
    }
    return amount;
  }
  double number = 0;
  const auto read = std::from_chars(lower.data(), end, number, std::chars_format::fixed);
  if (lower.empty() || read.ec != std::errc() || read.ptr != end || !(number >= 0) ||
      number > 1e6) {
    return std::nullopt;
  }
  return std::llround(number * factor);
}

struct FargateSize {
  std::int64_t cpu;
  std::int64_t least;
  std::int64_t most;
  std::int64_t step;
};
constexpr FargateSize kFargateSizes[] = {
    {512, 1024, 4096, 1024},    {1024, 2048, 8192, 1024},     {2048, 4096, 16'384, 1024},
    {4096, 8192, 30'720, 1024}, {8192, 16'384, 61'440, 4096}, {16'384, 32'768, 122'880, 8192}};

}  // namespace

std::optional<std::int64_t> parse_cpu(std::string_view text) {
  return parse_amount(text, "vcpu", 1024);
}

std::optional<std::int64_t> parse_memory(std::string_view text) {
  return parse_amount(text, "gb", 1024);
}

bool is_fargate_size(std::int64_t cpu, std::int64_t memory_mib) {
  // The smallest size alone does not follow a step.
  if (cpu == 256) return memory_mib == 512 || memory_mib == 1024 || memory_mib == 2048;
  return std::ranges::any_of(kFargateSizes, [&](const FargateSize& size) {
    return size.cpu == cpu && memory_mib >= size.least && memory_mib <= size.most &&
           (memory_mib - size.least) % size.step == 0;
  });
}

}  // namespace berth::api
