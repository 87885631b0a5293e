// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <boost/json/array.hpp>

#include "sdk/runtime/metadata/documents.hpp"

namespace berth::runtime::metadata {
namespace {

namespace json = boost::json;

json::object cpu_document(const StatsSample& sample) {
  const v1::ContainerStats& stats = sample.stats;
  return {{"system_cpu_usage", sample.system_cpu_ns},
          {"cpu_usage", json::object{{"total_usage", stats.cpu_usage_ns()}}},
          {"online_cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"throttling_data", json::object{{"periods", stats.cpu_periods()},
                                           {"throttled_periods", stats.cpu_throttled_periods()},
                                           {"throttled_time", stats.cpu_throttled_ns()}}}};
}

// As Docker: usage is with all file cache, and readers take off what `stats` says of it.
json::object memory_document(const StatsSample& sample) {
  const v1::ContainerStats& stats = sample.stats;
  json::object out{{"usage", sample.memory.stat.empty() ? stats.memory_usage_bytes()
                                                        : sample.memory.usage_bytes},
                   {"failcnt", stats.memory_limit_hits()}};
  json::object detail;
  for (const auto& [name, value] : sample.memory.stat) detail[name] = value;
  if (!detail.empty()) out["stats"] = std::move(detail);
  if (stats.memory_limit_bytes() != 0) out["limit"] = stats.memory_limit_bytes();
  return out;
}

json::object io_document(const v1::ContainerStats& stats) {
  const auto entry = [](const char* operation, std::uint64_t bytes) {
    return json::object{{"op", operation}, {"value", bytes}};
  };
  if (!stats.has_io_read_bytes()) return {{"io_service_bytes_recursive", nullptr}};
  return {{"io_service_bytes_recursive", json::array{entry("Read", stats.io_read_bytes()),
                                                     entry("Write", stats.io_write_bytes())}}};
}

json::object rates(const v1::ContainerStats& now, const v1::ContainerStats& before) {
  const double seconds = static_cast<double>(now.at().ms() - before.at().ms()) / 1000;
  const auto rate = [&](std::uint64_t last, std::uint64_t first) {
    return seconds > 0 && last >= first ? static_cast<double>(last - first) / seconds : 0.0;
  };
  return {{"rx_bytes_per_sec", rate(now.net_rx_bytes(), before.net_rx_bytes())},
          {"tx_bytes_per_sec", rate(now.net_tx_bytes(), before.net_tx_bytes())}};
}

}  // namespace

json::object stats_document(const StatsSample& now, const StatsSample* before,
                            const std::string& runtime_id) {
  const v1::ContainerStats& stats = now.stats;
  json::object out{{"read", rfc3339(stats.at().ms())},
                   {"preread", before ? rfc3339(before->stats.at().ms()) : "0001-01-01T00:00:00Z"},
                   {"name", stats.container()},
                   {"id", runtime_id},
                   {"num_procs", 0},  // Windows' processors: Docker says 0 elsewhere
                   {"pids_stats", json::object{{"current", stats.pids()}}},
                   {"blkio_stats", io_document(stats)},
                   {"storage_stats", json::object{}},
                   {"cpu_stats", cpu_document(now)},
                   {"precpu_stats", before ? cpu_document(*before) : json::object{}},
                   {"memory_stats", memory_document(now)}};
  // The host's network is not the container's to count.
  if (!stats.has_net_rx_bytes()) return out;
  out["networks"] = json::object{{"eth0", json::object{{"rx_bytes", stats.net_rx_bytes()},
                                                       {"tx_bytes", stats.net_tx_bytes()}}}};
  if (before) out["network_rate_stats"] = rates(stats, before->stats);
  return out;
}

}  // namespace berth::runtime::metadata
