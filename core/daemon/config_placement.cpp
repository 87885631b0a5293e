// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config_placement.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace berth::daemon {
namespace {

constexpr std::int64_t kMostCacheMib = std::int64_t{1} << 20;

Refusal check_allowed(std::string_view file, const toml::table& table,
                      const PlacementSection& placement) {
  for (const std::string& type : placement.strategies) {
    const auto parsed = placement::parse_extended_strategy(type, "");
    if (parsed && parsed->is_scored()) continue;
    if (parsed || parsed.error().what != "type") {
      return refuse(file, *table.get("strategies"), "placement.strategies",
                    "'" + type + "' is ECS's own and always allowed");
    }
    return refuse(file, *table.get("strategies"), "placement.strategies", parsed.error().message);
  }
  return {};
}

Refusal read_default(std::string_view file, const toml::table& table, PlacementSection& out) {
  PlacementSection::Strategy one;
  if (auto refusal = Section(file, "placement.default_strategy", table)
                         .text("type", one.type)
                         .text("field", one.field)
                         .read()) {
    return refusal;
  }
  const auto parsed = placement::parse_extended_strategy(one.type, one.field);
  if (!parsed) {
    return refuse(file, member_of(table, parsed.error().what),
                  "placement.default_strategy." + parsed.error().what, parsed.error().message);
  }
  if (parsed->kind == placement::Strategy::Kind::Affinity) {
    return refuse(file, member_of(table, "type"), "placement.default_strategy.type",
                  "affinity is what one request asks for and cannot be the default");
  }
  out.default_strategies.push_back(std::move(one));
  return {};
}

Refusal read_expected(std::string_view file, const toml::table& table, PlacementSection& out) {
  PlacementSection::ExpectedTask task;
  if (auto refusal = Section(file, "placement.expected_task", table)
                         .number("cpu", 0, 1'000'000'000, task.cpu)
                         .number("gpus", 0, 1'000, task.gpus)
                         .number("gpu_milli", 1, 999, task.gpu_milli)
                         .number("weight", 1, 1'000'000, task.weight)
                         .texts("models", task.models)
                         .read()) {
    return refusal;
  }
  if (task.gpus > 0 && task.gpu_milli > 0) {
    return refuse(file, member_of(table, "gpu_milli"), "placement.expected_task",
                  "gpus asks for whole ones and gpu_milli for a share of one; only one of them");
  }
  out.expected_tasks.push_back(std::move(task));
  return {};
}

bool uses_fragmentation(const PlacementSection& placement) {
  const auto names = [](const std::string& type) {
    const auto parsed = placement::parse_extended_strategy(type, "");
    return parsed && parsed->kind == placement::Strategy::Kind::Fragmentation;
  };
  return std::ranges::any_of(placement.strategies, names) ||
         std::ranges::any_of(placement.default_strategies,
                             [&](const auto& one) { return names(one.type); });
}

}  // namespace

Refusal read_placement(std::string_view file, const toml::node& node, PlacementSection& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return refuse(file, node, "placement", "must be a table");
  if (auto refusal = Section(file, "placement", *table)
                         .texts("strategies", out.strategies)
                         .number("count_cache_mib", 0, kMostCacheMib, out.count_cache_mib)
                         .number("score_cache_mib", 0, kMostCacheMib, out.score_cache_mib)
                         .on("default_strategy",
                             [&](const toml::node& list, const std::string& key) {
                               return read_tables(file, list, key, [&](const toml::table& one) {
                                 return read_default(file, one, out);
                               });
                             })
                         .on("expected_task",
                             [&](const toml::node& list, const std::string& key) {
                               return read_tables(file, list, key, [&](const toml::table& one) {
                                 return read_expected(file, one, out);
                               });
                             })
                         .read()) {
    return refusal;
  }
  if (auto refusal = check_allowed(file, *table, out)) return refusal;
  if (out.default_strategies.size() > placement::kMaxStrategies) {
    return refuse(file, *table, "placement.default_strategy", "at most 5 strategies");
  }
  // Checked by the engine itself, which knows what can be measured.
  if (!out.expected_tasks.empty()) {
    if (const auto error = placement::Engine().set_target_workload(expected_tasks(out))) {
      return refuse(file, *table, "placement.expected_task", error->message);
    }
  } else if (uses_fragmentation(out)) {
    return refuse(file, *table, "placement.expected_task",
                  "fragmentation measures by the tasks that are expected: name them");
  }
  return {};
}

std::vector<placement::ExpectedTask> expected_tasks(const PlacementSection& section) {
  constexpr std::int32_t kWhole = 1000;
  std::vector<placement::ExpectedTask> out;
  for (const auto& task : section.expected_tasks) {
    const bool share = task.gpu_milli > 0;
    out.push_back({.cpu = task.cpu,
                   .devices = share ? 1 : static_cast<std::int32_t>(task.gpus),
                   .share_milli = share           ? static_cast<std::int32_t>(task.gpu_milli)
                                  : task.gpus > 0 ? kWhole
                                                  : 0,
                   .models = task.models,
                   .weight = task.weight});
  }
  return out;
}

placement::EngineOptions engine_options(const PlacementSection& section) {
  placement::EngineOptions out;
  out.cache_bytes = static_cast<std::size_t>(section.count_cache_mib) << 20;
  out.score_cache_bytes = static_cast<std::size_t>(section.score_cache_mib) << 20;
  out.advise_memory = [](void* at, std::size_t bytes) {
    // Where the kernel has none, the usual ones do.
    static_cast<void>(::madvise(at, bytes, MADV_HUGEPAGE));
  };
  return out;
}

}  // namespace berth::daemon
