// SPDX-License-Identifier: Apache-2.0
// A recorded cluster and the tasks that came to it; and in which order they come in one replay.
//
// Threads: any; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/replay/text_file.hpp"
#include "core/placement/fragmentation.hpp"

namespace berth::replay {

struct TraceNode {
  std::string name;
  std::int64_t cpu_milli = 0;
  std::int64_t memory_mib = 0;
  std::int32_t devices = 0;
  std::uint32_t model = 0;  // of its devices: index into Trace::models
};

struct TraceTask {
  std::string name;
  std::int64_t memory_mib = 0;
  placement::DeviceAsk ask{};  // cpu in thousandths of a core

  [[nodiscard]] std::int64_t gpu_milli() const {
    return std::int64_t{ask.devices} * ask.share_milli;
  }
};

struct Trace {
  std::vector<TraceNode> nodes;
  std::vector<TraceTask> tasks{};
  std::vector<std::string> models{};

  [[nodiscard]] std::int64_t gpu_milli() const;  // of all nodes
};

// Their names; none where any is accepted.
[[nodiscard]] std::vector<std::string> models_of(const Trace& trace, placement::ModelSet set);

// Nodes as tie-breaks go, best first, and tasks as they come: row numbers from 0.
struct Arrivals {
  std::vector<std::uint32_t> nodes;
  std::vector<std::uint32_t> tasks;
};

// The files of the openb trace: CSV with the columns sn, cpu_milli, memory_mib, gpu, model and
// name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec (which may be missing); others are not
// read.
[[nodiscard]] Outcome<Trace> read_openb(const std::string& nodes_file,
                                        const std::string& tasks_file);
// Without the tasks.
[[nodiscard]] Outcome<Trace> read_openb_nodes(const std::string& nodes_file);

// A file of two lines, "nodes" and "pods", each followed by row numbers; every node exactly once.
[[nodiscard]] Outcome<Arrivals> read_arrivals(const std::string& file, const Trace& trace);

// Berth's own shuffle by the protocol of the FGD study: tasks by name, shuffled, and tasks drawn
// with replacement appended until the next would ask for more than `load` times the cluster's GPUs
// (or random ones removed where they ask for more). It is not the stream of random numbers of the
// study's own program.
struct ArrivalOptions {
  std::uint64_t seed = 42;
  double load = 1.3;
};
// Errors: the tasks ask for so little GPU that over kMaxArrivals would have to come.
inline constexpr std::size_t kMaxArrivals = 4'000'000;
[[nodiscard]] Outcome<Arrivals> shuffled_arrivals(const Trace& trace, ArrivalOptions options);

}  // namespace berth::replay
