// SPDX-License-Identifier: Apache-2.0
#include "core/cli/usage.hpp"

#include <cstdio>

#include "core/cli/json_access.hpp"

namespace berth::cli {
namespace {

std::optional<double> optional_number(const boost::json::object& object, std::string_view key) {
  if (!object.contains(key)) return std::nullopt;
  return number_of(object, key);
}

std::string percent_text(const std::optional<double>& percent) {
  if (!percent) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", *percent);
  return text;
}

std::string pair_text(const std::optional<double>& one, const std::optional<double>& other) {
  if (!one && !other) return "-";
  return bytes_text(one.value_or(0)) + " / " + bytes_text(other.value_or(0));
}

}  // namespace

std::vector<Usage> UsageMeter::add(const boost::json::object& answer) {
  std::vector<Usage> all;
  std::map<std::pair<std::string, std::string>, Counters> seen;
  for (const auto& item : list_of(answer, "containers")) {
    if (!item.is_object()) continue;
    const auto& object = item.as_object();
    Usage usage;
    usage.task = tail_of(text_of(object, "taskArn"));
    usage.container = text_of(object, "container");
    usage.memory_bytes = number_of(object, "memoryBytes");
    usage.memory_limit_bytes = optional_number(object, "memoryLimitBytes");
    usage.memory_limit_hits = number_of(object, "memoryLimitHits");
    usage.oom_kills = number_of(object, "oomKills");
    usage.pids = number_of(object, "pids");
    usage.received_bytes = optional_number(object, "networkReceivedBytes");
    usage.sent_bytes = optional_number(object, "networkSentBytes");
    usage.read_bytes = optional_number(object, "ioReadBytes");
    usage.written_bytes = optional_number(object, "ioWriteBytes");
    const Counters now{.at = number_of(object, "at"),
                       .cpu_seconds = number_of(object, "cpuSeconds"),
                       .periods = number_of(object, "cpuPeriods"),
                       .throttled = number_of(object, "cpuThrottledPeriods")};
    const auto key = std::pair(usage.task, usage.container);
    const auto before = last_.find(key);
    // Counters that went back are those of a new container of this name.
    if (before != last_.end() && now.at > before->second.at &&
        now.cpu_seconds >= before->second.cpu_seconds) {
      usage.cpu_percent =
          100 * (now.cpu_seconds - before->second.cpu_seconds) / (now.at - before->second.at);
      const double periods = now.periods - before->second.periods;
      usage.throttled_percent =
          periods > 0 ? 100 * (now.throttled - before->second.throttled) / periods : 0;
    }
    seen[key] = now;
    all.push_back(std::move(usage));
  }
  last_ = std::move(seen);
  return all;
}

std::string bytes_text(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit > 0 && bytes < 10 ? "%.1f%s" : "%.0f%s", bytes,
                kUnits[unit]);
  return text;
}

std::vector<std::string> usage_heads() {
  return {"TASK", "CONTAINER", "CPU",         "THROTTLED",       "MEMORY / LIMIT",
          "HITS", "OOM",       "NET RX / TX", "IO READ / WRITE", "PIDS"};
}

std::vector<std::string> usage_cells(const Usage& usage) {
  const std::string limit = usage.memory_limit_bytes ? bytes_text(*usage.memory_limit_bytes) : "-";
  return {usage.task.substr(0, 12),
          usage.container,
          percent_text(usage.cpu_percent),
          percent_text(usage.throttled_percent),
          bytes_text(usage.memory_bytes) + " / " + limit,
          std::to_string(static_cast<long long>(usage.memory_limit_hits)),
          std::to_string(static_cast<long long>(usage.oom_kills)),
          pair_text(usage.received_bytes, usage.sent_bytes),
          pair_text(usage.read_bytes, usage.written_bytes),
          std::to_string(static_cast<long long>(usage.pids))};
}

}  // namespace berth::cli
