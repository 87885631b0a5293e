// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <utility>

#include "bench/replay/dice.hpp"
#include "bench/replay/player.hpp"
#include "core/placement/engine.hpp"

namespace berth::replay {
namespace {

constexpr const char* kOwner = "trace";
constexpr const char* kModelAttribute = "gpu-model";

placement::Strategy strategy_of(const Strategy& from) {
  using Kind = placement::Strategy::Kind;
  using Engine = placement::Strategy;
  // What the study of FGD measures: memory only has to suffice.
  constexpr std::uint8_t kStudy = Engine::kCpu | Engine::kDevices;
  switch (from.policy) {
    case Policy::Fgd:
      return {.kind = Kind::Fragmentation, .levels = from.levels};
    case Policy::BestFit:
      return {.kind = Kind::BestFit, .levels = from.levels, .measured = kStudy};
    case Policy::DotProduct:
      return {.kind = Kind::DotProduct, .levels = from.levels, .measured = kStudy};
    case Policy::Packing:
      return {Kind::GpuPacking};
    case Policy::Clustering:
      return {Kind::GpuClustering};
    case Policy::L2:
      return {Kind::L2Fit};
    case Policy::BinpackCpu:
      return {Kind::BinpackCpu};
    case Policy::BinpackMemory:
      return {Kind::BinpackMemory};
    case Policy::Spread:
      return {Kind::SpreadInstance};
    case Policy::Random:
      break;
  }
  return {Kind::Random};
}

placement::NodeSpec spec_of(const Trace& trace, std::uint32_t row) {
  const TraceNode& node = trace.nodes[row];
  placement::NodeSpec out{.id = std::to_string(row),
                          .owner = kOwner,
                          .cpu = node.cpu_milli,
                          .memory_mib = node.memory_mib};
  if (node.devices == 0) return out;
  const std::string& model = trace.models[node.model];
  for (std::int32_t i = 0; i < node.devices; ++i) {
    out.devices.push_back(
        {.id = std::to_string(i), .type = "GPU", .model = model, .share_milli = 1000});
  }
  out.attributes.push_back({kModelAttribute, model});
  return out;
}

// One group for all tasks: spread counts them all.
placement::Request request_of(const Trace& trace, const TraceTask& task,
                              const placement::Strategy& strategy) {
  placement::Needs needs{.cpu = task.ask.cpu, .memory_mib = task.memory_mib};
  placement::Request out{.group = "trace", .needs = {}, .strategies = {strategy}};
  if (task.ask.devices > 0) {
    placement::DeviceNeed need{.type = "GPU"};
    (task.ask.whole() ? need.count : need.share_milli) =
        task.ask.whole() ? task.ask.devices : task.ask.share_milli;
    needs.devices.push_back(need);
    // All devices of a node are of one model.
    std::string accepted;
    for (const std::string& model : models_of(trace, task.ask.models))
      accepted += (accepted.empty() ? "'" : ", '") + model + "'";
    if (task.ask.models != placement::kAnyModel)
      out.constraints.push_back(
          {.expression = "attribute:" + std::string(kModelAttribute) + " in [" + accepted + "]"});
  }
  out.needs.push_back({kOwner, std::move(needs)});
  return out;
}

class EnginePlayer final : public Player {
 public:
  EnginePlayer(const Trace& trace, Strategy strategy)
      : trace_(trace), strategy_(strategy_of(strategy)), dice_(strategy.seed) {}

  // Errors: what the engine says of the trace.
  std::optional<std::string> prepare(const std::vector<std::uint32_t>& node_order) {
    for (const std::uint32_t row : node_order) {
      const auto node = engine_.add_node(spec_of(trace_, row));
      if (!node) return "node " + trace_.nodes[row].name + ": " + node.error().message;
    }
    if (strategy_.kind == placement::Strategy::Kind::Fragmentation) {
      std::vector<placement::ExpectedTask> expected;
      for (const placement::TargetClass& one : target_classes(trace_)) {
        expected.push_back({.cpu = one.ask.cpu,
                            .devices = one.ask.devices,
                            .share_milli = one.ask.share_milli,
                            .models = models_of(trace_, one.ask.models),
                            .weight = one.weight});
      }
      if (const auto error = engine_.set_target_workload(expected)) return "fgd: " + error->message;
    }
    for (const TraceTask& task : trace_.tasks) {
      const auto [at, is_new] = requests_.try_emplace({task.ask, task.memory_mib});
      if (!is_new) continue;
      const auto request = engine_.compile(request_of(trace_, task, strategy_));
      if (!request) return "task " + task.name + ": " + request.error().message;
      at->second = *request;
    }
    return std::nullopt;
  }

  std::optional<std::uint32_t> place(const TraceTask& task) override {
    const auto placed = engine_.place(requests_.at({task.ask, task.memory_mib}), dice_.roll());
    if (!placed) return std::nullopt;
    return static_cast<std::uint32_t>(placed->node);
  }

 private:
  const Trace& trace_;
  placement::Strategy strategy_;
  Dice dice_;
  placement::Engine engine_;
  // Tasks that ask for the same are of one kind.
  std::map<std::pair<placement::DeviceAsk, std::int64_t>, placement::RequestId> requests_;
};

}  // namespace

Outcome<std::unique_ptr<Player>> engine_player(const Trace& trace,
                                               const std::vector<std::uint32_t>& node_order,
                                               Strategy strategy) {
  auto out = std::make_unique<EnginePlayer>(trace, strategy);
  if (auto error = out->prepare(node_order)) return tl::unexpected(*std::move(error));
  return out;
}

}  // namespace berth::replay
