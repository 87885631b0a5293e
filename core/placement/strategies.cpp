// SPDX-License-Identifier: Apache-2.0
// Strategies by name.
#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "core/placement/types.hpp"

namespace berth::placement {
namespace {

constexpr std::string_view kAttributePrefix = "attribute:";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

Error bad_field(std::string_view type, std::string_view field, std::string_view want) {
  return Error{Error::Code::Invalid,
               "The placement strategy " + std::string(type) + " has the field '" +
                   std::string(field) + "'; it takes " + std::string(want) + ".",
               "field"};
}

using Kind = Strategy::Kind;

struct Extended {
  std::string_view type;
  Kind kind;
};
constexpr std::array<Extended, 7> kExtended = {{{"bestFit", Kind::BestFit},
                                                {"dotProduct", Kind::DotProduct},
                                                {"l2", Kind::L2Fit},
                                                {"gpuPacking", Kind::GpuPacking},
                                                {"gpuClustering", Kind::GpuClustering},
                                                {"fragmentation", Kind::Fragmentation},
                                                {"affinity", Kind::Affinity}}};
constexpr std::array<std::pair<std::string_view, std::uint8_t>, 3> kMeasures = {
    {{"cpu", Strategy::kCpu}, {"memory", Strategy::kMemory}, {"devices", Strategy::kDevices}}};
constexpr std::string_view kLevelsPrefix = "levels:";

// What a field said so far.
struct ListRead {
  std::uint8_t measured = 0;
  bool levels = false;
};

// One item of an extended strategy's field. False: it is none, or is there twice.
bool read_item(std::string_view item, Strategy& out, ListRead& seen) {
  for (const auto& [name, bit] : kMeasures) {
    if (item != name || !out.is_measured() || (seen.measured & bit) != 0) continue;
    seen.measured = static_cast<std::uint8_t>(seen.measured | bit);
    return true;
  }
  if (!item.starts_with(kLevelsPrefix) || !out.has_levels() || seen.levels) return false;
  seen.levels = true;
  item.remove_prefix(kLevelsPrefix.size());
  const auto read = std::from_chars(item.data(), item.data() + item.size(), out.levels);
  return read.ec == std::errc{} && read.ptr == item.data() + item.size() && out.levels >= 2 &&
         out.levels <= Strategy::kMaxLevels;
}

std::string fields_of(const Strategy& strategy) {
  if (!strategy.is_measured() && !strategy.has_levels()) return "no field";
  std::string out = "a list of ";
  if (strategy.is_measured()) out += "cpu, memory, devices";
  if (strategy.is_measured() && strategy.has_levels()) out += " and ";
  if (strategy.has_levels()) out += "levels:<2 to 100000>";
  return out;
}

Result<Strategy> parse_list(const Extended& extended, std::string_view field) {
  Strategy out{extended.kind};
  ListRead seen;
  const std::string items = lower(field);
  for (std::size_t begin = 0; !items.empty() && begin <= items.size();) {
    const std::size_t end = std::min(items.find(',', begin), items.size());
    if (!read_item(std::string_view(items).substr(begin, end - begin), out, seen))
      return bad_field(extended.type, field, fields_of(out));
    begin = end + 1;
  }
  if (seen.measured != 0) out.measured = seen.measured;
  return out;
}

}  // namespace

Result<Strategy> parse_extended_strategy(std::string_view type, std::string_view field) {
  std::string names;
  for (const Extended& one : kExtended) {
    if (lower(one.type) == lower(type)) return parse_list(one, field);
    names += ", " + std::string(one.type);
  }
  auto out = parse_strategy(type, field);
  if (out || out.error().what != "type") return out;
  Error error = out.error();
  error.message.insert(error.message.size() - 1, names);
  return error;
}

Result<Strategy> parse_strategy(std::string_view type, std::string_view field) {
  const std::string kind = lower(type);
  const std::string name = lower(field);
  if (kind == "random")
    return Strategy{Strategy::Kind::Random};  // ECS takes a field here and drops it
  if (kind == "spread") {
    if (name == "instanceid" || name == "host") return Strategy{Strategy::Kind::SpreadInstance};
    if (name.starts_with(kAttributePrefix) && name.size() > kAttributePrefix.size()) {
      return Strategy{Strategy::Kind::SpreadAttribute,
                      std::string(field.substr(kAttributePrefix.size()))};
    }
    return bad_field("spread", field, "instanceId, host or attribute:<name>");
  }
  if (kind == "binpack") {
    if (name == "cpu") return Strategy{Strategy::Kind::BinpackCpu};
    if (name == "memory") return Strategy{Strategy::Kind::BinpackMemory};
    return bad_field("binpack", field, "cpu or memory");
  }
  return Error{Error::Code::Invalid,
               "There is no placement strategy '" + std::string(type) +
                   "'; it is one of random, spread, binpack.",
               "type"};
}

std::string_view strategy_type(const Strategy& strategy) {
  switch (strategy.kind) {
    case Strategy::Kind::Random:
      return "random";
    case Strategy::Kind::SpreadInstance:
    case Strategy::Kind::SpreadAttribute:
      return "spread";
    case Strategy::Kind::BinpackCpu:
    case Strategy::Kind::BinpackMemory:
      return "binpack";
    default:
      break;
  }
  for (const Extended& one : kExtended) {
    if (one.kind == strategy.kind) return one.type;
  }
  return {};
}

std::string strategy_field(const Strategy& strategy) {
  switch (strategy.kind) {
    case Strategy::Kind::Random:
      return {};
    case Strategy::Kind::SpreadInstance:
      return "instanceId";
    case Strategy::Kind::SpreadAttribute:
      return std::string(kAttributePrefix) + strategy.attribute;
    case Strategy::Kind::BinpackCpu:
      return "cpu";
    case Strategy::Kind::BinpackMemory:
      return "memory";
    default:
      break;
  }
  std::string out;
  if (strategy.measured != Strategy::kAll) {
    for (const auto& [name, bit] : kMeasures) {
      if ((strategy.measured & bit) != 0) out += "," + std::string(name);
    }
  }
  if (strategy.levels != Strategy::kDefaultLevels)
    out += "," + std::string(kLevelsPrefix) + std::to_string(strategy.levels);
  return out.empty() ? out : out.substr(1);
}

std::vector<Strategy> service_default_strategies() {
  return {Strategy{Strategy::Kind::SpreadAttribute, std::string(kZoneAttribute)},
          Strategy{Strategy::Kind::SpreadInstance}};
}

std::vector<Strategy> run_task_default_strategies() {
  return {Strategy{Strategy::Kind::Random}};
}

}  // namespace berth::placement
