// SPDX-License-Identifier: Apache-2.0
// Twins: the engine and the oracle side by side through one random history. Each step does the same
// to both and compares what they say.
//
// Errors: Difference, where they disagree. Needs nothing but the standard library, so that property
// tests and the soak share it. Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/placement/engine.hpp"
#include "tests/core/placement/oracle.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {

class Difference : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Twins {
 public:
  struct Shape {
    EngineOptions options{};
    // Values of one more attribute, "shelf", which some requests spread over; 0: there is none.
    std::int64_t shelves = 0;
    // Nodes differ in cpu, memory and zone alone, and most requests ask for nothing else.
    bool plain = false;
  };
  // Which ways decisions were made.
  struct Ways {
    std::uint64_t indexed = 0;
    std::uint64_t one_pass = 0;   // by a scan of few nodes
    std::uint64_t gave_up = 0;    // strategies that are indexed, decided by a scan all the same
    std::uint64_t unindexed = 0;  // other strategies
    std::uint64_t scored = 0;     // strategies beyond ECS's among them
  };

  explicit Twins(Shape shape);
  explicit Twins(EngineOptions options) : Twins(Shape{.options = options}) {}

  void add_node(Draw& draw);
  void compile(Draw& draw);
  // A task where it fits or not.
  void adopt(Draw& draw);
  void choose_to_stop(Draw& draw) const;
  // Some tasks may be stopped, others no more; then who goes first.
  void change_leavers(Draw& draw);
  void choose_of_leavers(Draw& draw);
  // Any one operation.
  void step(std::uint64_t seed);
  void compare_books() const;
  void compare_view();

  [[nodiscard]] const Ways& ways() const { return ways_; }

 private:
  struct Known {
    RequestId id;
    Request request;
  };

  [[nodiscard]] const Known* any_request(Draw& draw) const;
  [[nodiscard]] std::optional<std::uint32_t> any_node(Draw& draw) const;
  NodeSpec draw_spec(Draw& draw, std::string id) const;
  void change_node(Draw& draw);
  // The tasks that are expected change.
  void expect(Draw& draw);
  void set_status(Draw& draw);
  void remove_node(Draw& draw);
  void drop(Draw& draw);
  void end_task(Draw& draw, bool retire);
  void take(const Request& request, const Placement& placed);
  void place(Draw& draw);
  void place_on(Draw& draw);
  void explain(Draw& draw) const;
  void what_if(Draw& draw);

  Shape shape_;
  Engine engine_;
  Oracle oracle_;
  std::vector<Known> requests_;
  LeaversId leavers_;
  std::map<LeaverRank, ReservationId> ranks_;  // of all that may be stopped
  Ways ways_;
  int next_id_ = 0;
};

}  // namespace berth::placement::testing
