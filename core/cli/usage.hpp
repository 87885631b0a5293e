// SPDX-License-Identifier: Apache-2.0
// What containers use, computed from two answers of TaskStats.
//
// Threads: any; pure.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace berth::cli {

// One container over the time between two looks. Absent: not counted there, or seen only once so
// far.
struct Usage {
  std::string task;  // its id
  std::string container;
  std::optional<double> cpu_percent;        // of one vCPU
  std::optional<double> throttled_percent;  // of the periods of its quota; 0 where it has none
  double memory_bytes = 0;
  std::optional<double> memory_limit_bytes;
  double memory_limit_hits = 0;
  double oom_kills = 0;
  double pids = 0;
  std::optional<double> received_bytes;  // network, since its start
  std::optional<double> sent_bytes;
  std::optional<double> read_bytes;  // block devices, since its start
  std::optional<double> written_bytes;
};

// The counters of a look, kept to be compared with the next one.
class UsageMeter {
 public:
  // In the order of the answer.
  std::vector<Usage> add(const boost::json::object& answer);

 private:
  struct Counters {
    double at = 0;
    double cpu_seconds = 0;
    double periods = 0;
    double throttled = 0;
  };
  std::map<std::pair<std::string, std::string>, Counters> last_;
};

// "1.5GiB", "312MiB", "4KiB", "17B".
[[nodiscard]] std::string bytes_text(double bytes);

// Column heads and cells for people.
[[nodiscard]] std::vector<std::string> usage_heads();
[[nodiscard]] std::vector<std::string> usage_cells(const Usage& usage);

}  // namespace berth::cli
