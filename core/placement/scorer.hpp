// SPDX-License-Identifier: Apache-2.0
// Scorer: what a node is worth to a request by a strategy beyond ECS's, and which device
// Fragmentation gives it. README.md, "Scores", says what each measures.
//
// Amounts that are over-booked count as nothing left. Threads: one at a time: it keeps scratch
// space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/placement/cluster_scale.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/device_view.hpp"

namespace berth::placement {

class Scorer {
 public:
  // `device_type`: of the devices that the scores look at.
  Scorer(const Books& books, std::string device_type)
      : books_(books), device_type_(std::move(device_type)), scale_(device_type_) {}

  // Errors: as Engine::set_target_workload; then the one before stays.
  [[nodiscard]] std::optional<Error> set_target(const std::vector<ExpectedTask>& tasks);
  // Why the request's scored strategies cannot be used, or nothing.
  [[nodiscard]] std::optional<Error> refuse(const Request& request) const;
  // Requires: not refused. Null where no strategy is scored; to be dropped.
  [[nodiscard]] std::unique_ptr<ScoredRequest> prepare(const Request& request);
  void drop(const ScoredRequest& request);

  // To be called before the questions below, once a decision.
  void refresh() { scale_.refresh(books_); }
  // Another number each time that what all nodes' scores by the strategy depend on changed.
  [[nodiscard]] std::uint64_t generation(const Strategy& strategy) const;
  // Requires: the strategy is scored; the node passes the checks of the plan.
  [[nodiscard]] std::int32_t score(const Compiled& compiled, std::size_t strategy, std::size_t plan,
                                   std::uint32_t node) const;
  // The devices that a task gets there. Requires: the node passes the checks of the plan.
  [[nodiscard]] std::vector<DeviceGrant> devices(const Compiled& compiled, std::size_t plan,
                                                 std::uint32_t node) const;
  [[nodiscard]] std::size_t bytes() const { return scale_.bytes(); }

 private:
  using PlanAsk = ScoredRequest::PlanAsk;

  [[nodiscard]] PlanAsk ask_of(const Needs& needs) const;
  [[nodiscard]] std::int32_t measured(const Strategy& strategy, const Needs& needs,
                                      const PlanAsk& ask, std::uint32_t node) const;
  [[nodiscard]] std::int32_t packing(const Needs& needs, const PlanAsk& ask,
                                     std::uint32_t node) const;
  [[nodiscard]] std::int32_t clustering(const PlanAsk& ask, std::uint32_t node) const;
  // `device` of the answer is an index into the node's devices.
  [[nodiscard]] DeviceChoice fragmentation(const Fragmentation& by, const Needs& needs,
                                           const PlanAsk& ask, std::uint32_t node) const;
  [[nodiscard]] DeviceChoice fragmentation_by_trial(const Fragmentation& by, const Needs& needs,
                                                    const PlanAsk& ask, std::uint32_t node) const;

  const Books& books_;
  std::string device_type_;
  ClusterScale scale_;
  std::vector<TargetClass> target_;
  DeviceModels models_;
  std::map<std::int32_t, Fragmentation> fragmentations_;  // by levels
  std::size_t fragmentation_users_ = 0;
  std::uint64_t target_generation_ = 1;
  mutable DeviceView view_;
};

}  // namespace berth::placement
