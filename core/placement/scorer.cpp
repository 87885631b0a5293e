// SPDX-License-Identifier: Apache-2.0
#include "core/placement/scorer.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/placement/scores.hpp"

namespace berth::placement {
namespace {

using Kind = Strategy::Kind;

Error invalid(const std::string& what, const std::string& why) {
  return Error{Error::Code::Invalid, what + " " + why + ".", what};
}

std::optional<Error> refuse_strategy(const Strategy& strategy, const std::string& at) {
  const std::string name = "the strategy " + std::string(strategy_type(strategy));
  if (strategy.has_levels()) {
    if (strategy.levels < 2 || strategy.levels > Strategy::kMaxLevels)
      return invalid(at + ".levels", "must be from 2 to 100000");
  } else if (strategy.levels != Strategy::kDefaultLevels) {
    return invalid(at + ".levels", "are given, but " + name + " has none");
  }
  if (strategy.is_measured()) {
    if (strategy.measured == 0 || strategy.measured > Strategy::kAll)
      return invalid(at + ".measured", "must name some of cpu, memory and devices");
  } else if (strategy.measured != Strategy::kAll) {
    return invalid(at + ".measured", "is given, but " + name + " measures nothing");
  }
  return std::nullopt;
}

// In words of the expected tasks.
Error in_tasks(Error error) {
  constexpr std::string_view kClasses = "classes";
  for (std::string* text : {&error.message, &error.what}) {
    if (text->starts_with(kClasses)) text->replace(0, kClasses.size(), "tasks");
  }
  return error;
}

}  // namespace

// ---- Requests and what is expected

std::optional<Error> Scorer::set_target(const std::vector<ExpectedTask>& tasks) {
  DeviceModels models;
  auto classes = DeviceModels::read(tasks, models);
  if (!classes) return classes.error();
  if (tasks.empty() && fragmentation_users_ > 0)
    return invalid("tasks", "must not be empty while requests use the strategy fragmentation");
  std::map<std::int32_t, Fragmentation> fragmentations;
  // Without users too: wrong tasks are refused now, and not when a request comes.
  std::vector<std::int32_t> levels = {Strategy::kDefaultLevels};
  for (const auto& [used, old] : fragmentations_) levels.push_back(used);
  for (std::size_t i = 0; i < levels.size() && !tasks.empty(); ++i) {
    auto made = Fragmentation::make(*classes, levels[i]);
    if (!made) return in_tasks(made.error());
    fragmentations.emplace(levels[i], *std::move(made));
  }
  target_ = *std::move(classes);
  models_ = std::move(models);
  fragmentations_ = std::move(fragmentations);
  ++target_generation_;
  return std::nullopt;
}

std::optional<Error> Scorer::refuse(const Request& request) const {
  bool by_affinity = false;
  for (std::size_t i = 0; i < request.strategies.size(); ++i) {
    const Strategy& strategy = request.strategies[i];
    const std::string at = "strategies[" + std::to_string(i) + "]";
    if (auto error = refuse_strategy(strategy, at)) return error;
    if (strategy.kind == Kind::Fragmentation && target_.empty())
      return invalid(at, "is fragmentation, but no target workload is set");
    by_affinity = by_affinity || strategy.kind == Kind::Affinity;
    if (strategy.kind == Kind::Affinity && request.affinity.empty())
      return invalid(at, "is affinity, but the request's affinity is empty");
  }
  if (!request.affinity.empty() && !by_affinity)
    return invalid("affinity", "is given, but no strategy is affinity");
  for (std::size_t i = 0; i < request.affinity.size(); ++i) {
    if (request.affinity[i].expression.size() > kMaxExpression)
      return invalid("affinity[" + std::to_string(i) + "].expression",
                     "is longer than 2000 characters");
  }
  const auto affinity = Affinity::make(request.affinity);
  return affinity ? std::nullopt : std::optional(affinity.error());
}

Scorer::PlanAsk Scorer::ask_of(const Needs& needs) const {
  PlanAsk out{.ask = {.cpu = needs.cpu}};
  const DeviceNeed* part = nullptr;
  for (const DeviceNeed& need : needs.devices) {
    if (need.type != device_type_) continue;
    out.whole += static_cast<std::int32_t>(need.count);
    if (need.count == 0 && part == nullptr) part = &need;
    out.device_milli += 1000 * need.count + need.share_milli;
  }
  if (out.whole > 0) {
    out.ask.devices = out.whole;
    out.ask.share_milli = 1000;
  } else if (part != nullptr) {
    out.ask.devices = 1;
    out.ask.share_milli = static_cast<std::int32_t>(part->share_milli);
  }
  if (needs.devices.size() != 1) {
    out.simple = out.ask.devices == 0;
    return out;
  }
  const DeviceNeed& only = needs.devices.front();
  out.one_part = part != nullptr;
  const bool usual = only.model.empty() && only.memory_mib == 0;
  out.simple = out.ask.devices == 0 || (usual && (out.whole > 0 || only.share_milli < 1000));
  return out;
}

std::unique_ptr<ScoredRequest> Scorer::prepare(const Request& request) {
  if (std::ranges::none_of(request.strategies, &Strategy::is_scored)) return nullptr;
  auto out = std::make_unique<ScoredRequest>();
  for (const OwnerNeeds& one : request.needs) out->asks.push_back(ask_of(one.needs));
  out->rows.resize(request.strategies.size());
  for (const Strategy& strategy : request.strategies) {
    if (strategy.kind != Kind::Fragmentation) continue;
    if (!out->fragmentation_levels) out->fragmentation_levels = strategy.levels;
    if (!fragmentations_.contains(strategy.levels))
      fragmentations_.emplace(strategy.levels, *Fragmentation::make(target_, strategy.levels));
  }
  if (!request.affinity.empty()) out->affinity = *Affinity::make(request.affinity);
  fragmentation_users_ += out->fragmentation_levels ? 1 : 0;
  return out;
}

void Scorer::drop(const ScoredRequest& request) {
  fragmentation_users_ -= request.fragmentation_levels ? 1 : 0;
}

std::uint64_t Scorer::generation(const Strategy& strategy) const {
  switch (strategy.kind) {
    case Kind::BestFit:
    case Kind::DotProduct:
    case Kind::GpuClustering:
      return scale_.generation();
    case Kind::Fragmentation:
      return target_generation_;
    default:
      return 1;
  }
}

// ---- Scores

std::int32_t Scorer::score(const Compiled& compiled, std::size_t strategy, std::size_t plan,
                           std::uint32_t node) const {
  const Strategy& by = compiled.strategies[strategy];
  const Needs& needs = compiled.owners[plan].needs;
  const PlanAsk& ask = compiled.scored->asks[plan];
  switch (by.kind) {
    case Kind::GpuPacking:
      return packing(needs, ask, node);
    case Kind::GpuClustering:
      return clustering(ask, node);
    case Kind::Fragmentation:
      return fragmentation(fragmentations_.at(by.levels), needs, ask, node).score;
    case Kind::Affinity:
      return affinity_of(*compiled.scored->affinity, books_, node);
    default:
      return measured(by, needs, ask, node);
  }
}

std::int32_t Scorer::measured(const Strategy& strategy, const Needs& needs, const PlanAsk& ask,
                              std::uint32_t node) const {
  const bool by_node = strategy.kind == Kind::L2Fit;
  const NodeScale scale = by_node ? scale_of(books_, node, device_type_) : scale_.largest();
  std::array<Dimension, 3> dimensions;
  std::size_t count = 0;
  // What nobody has is not measured.
  const auto add = [&](std::uint8_t bit, std::int64_t left, std::int64_t request,
                       std::int64_t most) {
    if ((strategy.measured & bit) == 0 || most == 0) return;
    const std::int64_t free = std::max<std::int64_t>(left, 0);
    dimensions[count++] = {.free = free, .request = std::min(request, free), .scale = most};
  };
  add(Strategy::kCpu, books_.left(kCpuColumn, node), needs.cpu, scale.cpu);
  add(Strategy::kMemory, books_.left(kMemoryColumn, node), needs.memory_mib, scale.memory_mib);
  if ((strategy.measured & Strategy::kDevices) != 0 && scale.device_milli > 0) {
    view_.look(books_.devices(node), device_type_, nullptr);
    add(Strategy::kDevices, view_.left_milli, ask.device_milli, scale.device_milli);
  }
  const auto given = std::span(dimensions).first(count);
  if (by_node) return l2_fit(given);
  return strategy.kind == Kind::BestFit ? best_fit(given, strategy.levels)
                                        : dot_product(given, strategy.levels);
}

std::int32_t Scorer::packing(const Needs& needs, const PlanAsk& ask, std::uint32_t node) const {
  if (ask.ask.devices == 0) return 0;
  const DeviceBook& book = books_.devices(node);
  view_.look(book, device_type_, nullptr);
  // Model 1 are those that serve one of the needs.
  DeviceAsk wanted = ask.ask;
  wanted.models = ModelSet{1} << 1;
  for (std::size_t i = 0; i < view_.free.size(); ++i) {
    const bool serves = std::ranges::any_of(
        needs.devices, [&](const DeviceNeed& need) { return book.serves(view_.devices[i], need); });
    view_.free[i].model = serves ? 1 : 0;
  }
  return gpu_packing(view_.free, wanted);
}

std::int32_t Scorer::clustering(const PlanAsk& ask, std::uint32_t node) const {
  if (ask.ask.devices == 0) return 0;
  const DeviceBook& book = books_.devices(node);
  view_.look(book, device_type_, nullptr);
  HostedKinds hosted;
  const NodeExtras* extras = books_.row(node).extras.get();
  for (const auto& [serial, grants] : extras->grants) {
    std::int32_t whole = 0;
    bool any = false;
    for (const DeviceGrant& grant : grants) {
      const auto device = book.find(grant.device_id);
      if (!device || book.devices()[*device].type != device_type_) continue;
      any = true;
      whole += grant.whole ? 1 : 0;
    }
    if (any) (whole == ask.whole ? hosted.same : hosted.others) = true;
  }
  return gpu_clustering({.left_milli = view_.left_milli,
                         .scale_milli = scale_.largest().device_milli,
                         .hosted = hosted},
                        ask.ask);
}

DeviceChoice Scorer::fragmentation(const Fragmentation& by, const Needs& needs, const PlanAsk& ask,
                                   std::uint32_t node) const {
  view_.look(books_.devices(node), device_type_, &models_);
  const std::int64_t cpu = books_.left(kCpuColumn, node);
  if (ask.simple && (view_.plain || needs.devices.empty()) && cpu >= needs.cpu) {
    DeviceAsk wanted = ask.ask;
    if (ask.one_part) wanted.models = DeviceModels::any_shared();
    if (auto choice = by.choose({.cpu = cpu, .devices = view_.free}, wanted)) {
      if (choice->device != DeviceChoice::kNone) choice->device = view_.devices[choice->device];
      return *choice;
    }
  }
  return fragmentation_by_trial(by, needs, ask, node);
}

// Takes the devices in a copy of the book and looks what is left then.
DeviceChoice Scorer::fragmentation_by_trial(const Fragmentation& by, const Needs& needs,
                                            const PlanAsk& ask, std::uint32_t node) const {
  DeviceBook book = books_.devices(node);
  const std::int64_t cpu = books_.left(kCpuColumn, node);
  const std::int64_t before = by.of({.cpu = cpu, .devices = view_.free});
  const auto score_now = [&] {
    view_.look(book, device_type_, &models_);
    return by.level(by.of({.cpu = cpu - needs.cpu, .devices = view_.free}) - before);
  };
  if (!ask.one_part) {
    const auto grants = book.choose(needs.devices);
    for (const DeviceGrant& grant : grants.value()) book.take(grant);
    return {.score = score_now()};
  }
  const DeviceNeed& need = needs.devices.front();
  DeviceChoice best{.score = -1};
  for (std::size_t i = 0; i < book.devices().size(); ++i) {
    if (!book.serves(i, need)) continue;
    const DeviceGrant grant = book.grant_of(need, 0, i);
    book.take(grant);
    if (const std::int32_t score = score_now(); score > best.score)
      best = {.score = score, .device = i};
    book.give_back(grant);
  }
  return best;
}

std::vector<DeviceGrant> Scorer::devices(const Compiled& compiled, std::size_t plan,
                                         std::uint32_t node) const {
  const Needs& needs = compiled.owners[plan].needs;
  if (needs.devices.empty()) return {};
  const DeviceBook& book = books_.devices(node);
  const ScoredRequest* scored = compiled.scored.get();
  if (scored == nullptr || !scored->fragmentation_levels || !scored->asks[plan].one_part)
    return book.choose(needs.devices).value();
  const DeviceChoice choice = fragmentation(fragmentations_.at(*scored->fragmentation_levels),
                                            needs, scored->asks[plan], node);
  return {book.grant_of(needs.devices.front(), 0, choice.device)};
}

}  // namespace berth::placement
