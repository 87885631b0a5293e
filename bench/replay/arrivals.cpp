// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

#include "bench/replay/dice.hpp"
#include "bench/replay/trace.hpp"

namespace berth::replay {
namespace {

struct Line {
  std::string_view name;  // what it must begin with
  std::size_t number = 0;
  std::size_t rows = 0;  // of the table that it numbers
};

Outcome<std::vector<std::uint32_t>> row_numbers(const std::string& file, std::string_view text,
                                                const Line& line) {
  const std::string at = file + ":" + std::to_string(line.number) + ": ";
  if (!text.starts_with(std::string(line.name) + " ")) {
    return tl::unexpected(at + "does not begin with '" + std::string(line.name) + " '");
  }
  text.remove_prefix(line.name.size());
  std::vector<std::uint32_t> out;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == '\r') {
      text.remove_prefix(1);
      continue;
    }
    const std::string_view word = text.substr(0, std::min(text.find_first_of(" \r"), text.size()));
    text.remove_prefix(word.size());
    std::uint32_t row = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), row);
    if (error != std::errc{} || end != word.data() + word.size() || row >= line.rows) {
      return tl::unexpected(at + std::string(line.name) + "[" + std::to_string(out.size()) +
                            "] is not a row number below " + std::to_string(line.rows) + ": '" +
                            std::string(word.substr(0, 80)) + "'");
    }
    out.push_back(row);
  }
  return out;
}

}  // namespace

std::int64_t Trace::gpu_milli() const {
  std::int64_t devices = 0;
  for (const TraceNode& node : nodes) devices += node.devices;
  return devices * 1000;
}

Outcome<Arrivals> read_arrivals(const std::string& file, const Trace& trace) {
  const Outcome<std::string> text = read_text(file);
  if (!text) return tl::unexpected(text.error());
  const std::size_t first = std::min(text->find('\n'), text->size());
  const std::size_t second = std::min(first + 1, text->size());
  const std::size_t end = std::min(text->find('\n', second), text->size());
  if (text->find_first_not_of("\r\n", end) != std::string::npos) {
    return tl::unexpected(file + ":3: there are only two lines, nodes and pods");
  }
  const std::string_view all = *text;
  auto nodes = row_numbers(file, all.substr(0, first), {"nodes", 1, trace.nodes.size()});
  if (!nodes) return tl::unexpected(std::move(nodes).error());
  std::vector<bool> seen(trace.nodes.size());
  for (std::size_t i = 0; i < nodes->size(); ++i) {
    if (seen[(*nodes)[i]]) {
      return tl::unexpected(file + ":1: nodes[" + std::to_string(i) + "] is there twice: '" +
                            std::to_string((*nodes)[i]) + "'");
    }
    seen[(*nodes)[i]] = true;
  }
  if (nodes->size() != trace.nodes.size()) {
    return tl::unexpected(file + ":1: nodes has " + std::to_string(nodes->size()) + " of " +
                          std::to_string(trace.nodes.size()) + " rows");
  }
  auto tasks = row_numbers(file, all.substr(second, end - second), {"pods", 2, trace.tasks.size()});
  if (!tasks) return tl::unexpected(std::move(tasks).error());
  return Arrivals{*std::move(nodes), *std::move(tasks)};
}

Outcome<Arrivals> shuffled_arrivals(const Trace& trace, ArrivalOptions options) {
  Dice dice(options.seed);
  Arrivals out;
  out.nodes.resize(trace.nodes.size());
  std::iota(out.nodes.begin(), out.nodes.end(), 0U);
  dice.shuffle(out.nodes);

  out.tasks.resize(trace.tasks.size());
  std::iota(out.tasks.begin(), out.tasks.end(), 0U);
  std::ranges::stable_sort(out.tasks, {}, [&](std::uint32_t row) -> const std::string& {
    return trace.tasks[row].name;
  });
  dice.shuffle(out.tasks);
  const auto target =
      static_cast<std::int64_t>(options.load * static_cast<double>(trace.gpu_milli()));
  std::int64_t total = 0;
  for (const TraceTask& task : trace.tasks) total += task.gpu_milli();
  while (total > target) {
    const std::size_t victim = dice.below(out.tasks.size());
    total -= trace.tasks[out.tasks[victim]].gpu_milli();
    out.tasks.erase(out.tasks.begin() + static_cast<std::ptrdiff_t>(victim));
  }
  while (out.tasks.size() < kMaxArrivals) {
    const auto row = static_cast<std::uint32_t>(dice.below(trace.tasks.size()));
    if (total + trace.tasks[row].ask.share_milli > target) return out;
    total += trace.tasks[row].gpu_milli();
    out.tasks.push_back(row);
  }
  return tl::unexpected("the tasks ask for so little GPU that over " +
                        std::to_string(kMaxArrivals) + " would have to come");
}

}  // namespace berth::replay
