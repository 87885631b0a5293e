// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "bench/replay/csv_table.hpp"
#include "bench/replay/trace.hpp"

namespace berth::replay {
namespace {

constexpr std::int64_t kMostAmount = std::int64_t{1} << 30;
constexpr std::int64_t kMostDevices = 1024;

// One row's fields, the first fault kept.
class Row {
 public:
  Row(const CsvTable& table, std::size_t row) : table_(table), row_(row) {}

  std::int64_t integer(std::size_t column, CsvTable::Range range) {
    const Outcome<std::int64_t> value = table_.integer(row_, column, range);
    if (!value) fail(value.error());
    return value.value_or(range.least);
  }
  [[nodiscard]] std::string_view text(std::size_t column) const {
    return table_.text(row_, column);
  }
  void fail(std::size_t column, std::string_view message) {
    fail(table_.fault(row_, column, message));
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  void fail(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }

  const CsvTable& table_;
  std::size_t row_;
  std::string fault_;
};

Outcome<CsvTable> read_table(const std::string& file) {
  return read_text(file).and_then(
      [&](std::string text) { return CsvTable::parse(file, std::move(text)); });
}

Outcome<std::vector<std::size_t>> columns(const CsvTable& table,
                                          std::initializer_list<std::string_view> names) {
  std::vector<std::size_t> out;
  for (const std::string_view name : names) {
    const Outcome<std::size_t> column = table.column(name);
    if (!column) return tl::unexpected(column.error());
    out.push_back(*column);
  }
  return out;
}

std::uint32_t model_number(Trace& trace, std::string_view model) {
  const auto number = std::ranges::find(trace.models, model) - trace.models.begin();
  if (number == std::ssize(trace.models)) trace.models.emplace_back(model);
  return static_cast<std::uint32_t>(number);
}

Outcome<Trace> with_nodes(const CsvTable& table) {
  const auto column = columns(table, {"sn", "cpu_milli", "memory_mib", "gpu", "model"});
  if (!column) return tl::unexpected(column.error());
  Trace trace;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    Row row(table, i);
    TraceNode node{
        .name = std::string(row.text((*column)[0])),
        .cpu_milli = row.integer((*column)[1], {0, kMostAmount}),
        .memory_mib = row.integer((*column)[2], {0, kMostAmount}),
        .devices = static_cast<std::int32_t>(row.integer((*column)[3], {0, kMostDevices}))};
    if (node.name.empty()) row.fail((*column)[0], "is empty");
    const std::string_view model = row.text((*column)[4]);
    if (node.devices > 0) {
      if (model.empty()) row.fail((*column)[4], "is empty, but there are devices");
      node.model = model_number(trace, model);
      if (trace.models.size() > placement::kMaxModels) row.fail((*column)[4], "is the 65th model");
    }
    if (!row.fault().empty()) return tl::unexpected(row.fault());
    trace.nodes.push_back(std::move(node));
  }
  return trace;
}

// Models that no node has are no candidates; a list of these only accepts nothing.
placement::ModelSet accepted(const Trace& trace, std::string_view list) {
  if (list.empty()) return placement::kAnyModel;
  placement::ModelSet models = 0;
  for (;;) {
    const std::size_t bar = std::min(list.find('|'), list.size());
    const auto found = std::ranges::find(trace.models, list.substr(0, bar));
    if (found != trace.models.end()) {
      models |= placement::ModelSet{1} << (found - trace.models.begin());
    }
    if (bar == list.size()) return models;
    list.remove_prefix(bar + 1);
  }
}

Outcome<Trace> with_tasks(Trace trace, const CsvTable& table) {
  const auto column = columns(table, {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"});
  if (!column) return tl::unexpected(column.error());
  const std::optional<std::size_t> models = table.find("gpu_spec");
  for (std::size_t i = 0; i < table.rows(); ++i) {
    Row row(table, i);
    TraceTask task{.name = std::string(row.text((*column)[0])),
                   .memory_mib = row.integer((*column)[2], {0, kMostAmount})};
    task.ask.cpu = row.integer((*column)[1], {0, kMostAmount});
    task.ask.devices = static_cast<std::int32_t>(row.integer((*column)[3], {0, kMostDevices}));
    const std::int64_t least = task.ask.devices == 0 ? 0 : task.ask.devices == 1 ? 1 : 1000;
    task.ask.share_milli = static_cast<std::int32_t>(row.integer((*column)[4], {least, 1000}));
    if (task.ask.devices == 0) task.ask.share_milli = 0;
    if (models) task.ask.models = accepted(trace, row.text(*models));
    if (task.name.empty()) row.fail((*column)[0], "is empty");
    if (!row.fault().empty()) return tl::unexpected(row.fault());
    trace.tasks.push_back(std::move(task));
  }
  return trace;
}

}  // namespace

std::vector<std::string> models_of(const Trace& trace, placement::ModelSet set) {
  std::vector<std::string> out;
  if (set == placement::kAnyModel) return out;
  for (std::size_t i = 0; i < trace.models.size(); ++i) {
    if ((set >> i & 1) != 0) out.push_back(trace.models[i]);
  }
  return out;
}

Outcome<Trace> read_openb_nodes(const std::string& nodes_file) {
  Outcome<Trace> trace = read_table(nodes_file).and_then(with_nodes);
  if (trace && trace->nodes.empty()) return tl::unexpected(nodes_file + ": has no nodes");
  return trace;
}

Outcome<Trace> read_openb(const std::string& nodes_file, const std::string& tasks_file) {
  Outcome<Trace> trace = read_openb_nodes(nodes_file);
  if (!trace) return trace;
  if (trace->gpu_milli() == 0) return tl::unexpected(nodes_file + ": no node has devices");
  trace = read_table(tasks_file).and_then([&](const CsvTable& table) {
    return with_tasks(*std::move(trace), table);
  });
  if (trace && trace->tasks.empty()) return tl::unexpected(tasks_file + ": has no tasks");
  return trace;
}

}  // namespace berth::replay
