// SPDX-License-Identifier: Apache-2.0
// A request made ready: its needs as floors, its expressions parsed, what it asks of node classes
// answered once.
//
// Checks are of three kinds. What a node's class decides (owner, provider, zone, attributes, limits
// per task, expressions over these) is answered once for each class: the verdict. What only the
// node's identity decides (expressions over ec2InstanceId and registeredAt) is a bitmap of nodes,
// brought up to date from the books' log; most requests have none. What depends on its tasks
// (amounts, ports, devices, distinctInstance, expressions over tasks) is looked at in each
// decision. State and connection are in the offers. Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/query.hpp"
#include "core/placement/scored_request.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// The needs of one owner's nodes.
struct OwnerPlan {
  struct LeastOffer {
    ColumnId column = 0;
    std::int32_t least = 0;
  };

  std::string owner;
  Needs needs;
  std::uint32_t holding = 0;           // shared by the request
  std::vector<LeastOffer> floors{};    // of other columns
  std::vector<std::uint32_t> ports{};  // keys
  // The floors decide about the devices; else each candidate's devices are looked at.
  bool floors_decide_devices = true;
};

struct MemberOf {
  std::string expression;
  Query query;
};

// How the strategies are worked through.
struct Route {
  // Over these, in this order: [spread over an attribute] [spread over instances] [one of binpack,
  // random]; what comes after a binpack chooses among its ties. Scored: a strategy beyond ECS's has
  // something to decide; the first is `rest`. Anything else is Scan.
  enum class Kind : std::uint8_t { Indexed, Scan, Scored };
  Kind kind = Kind::Scan;
  enum class Last : std::uint8_t { First, Binpack, Random };
  Last last = Last::First;
  bool spread_instance = false;
  bool probes = false;       // Random comes first of all
  bool one_pass = false;     // Scan::decide_in_one_pass may decide it
  bool breaks_ties = false;  // strategies from `rest` on choose among ties
  std::uint8_t rest = 0;
  ColumnId key = kCpuColumn;  // of Binpack
  std::optional<Tally::Slot> spread{};
};

// What a plan asks of every candidate and books on the one that is chosen, in one place.
struct PlanFloors {
  std::int32_t cpu = 0;
  std::int32_t memory = 0;
  std::uint32_t kind = 0;    // of TaskKinds; shared by the request
  bool has_devices = false;  // among its needs
  // The offers and the class's verdict say everything: no other floors, ports, devices, expressions
  // over identity or tasks, no distinctInstance.
  bool is_all = true;
};

// Verdicts of node classes, close at hand while classes are few.
class Verdicts {
 public:
  static constexpr std::uint8_t kUnknown = 0;
  static constexpr std::uint8_t kRefused = 1;
  static constexpr std::uint8_t kFirstPlan = 2;

  [[nodiscard]] std::uint8_t of(std::uint32_t number) const { return data()[number]; }
  void set(std::uint32_t number, std::uint8_t verdict) { data()[number] = verdict; }
  // New ones are unknown.
  void resize(std::size_t classes) {
    if (classes <= kFew) return;
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    if (classes > many_.size()) many_.resize(classes * 5 / 4, kUnknown);
  }
  void forget_all() {
    few_.fill(kUnknown);
    many_.assign(many_.size(), kUnknown);
  }
  [[nodiscard]] std::size_t bytes() const { return many_.capacity(); }

 private:
  static constexpr std::size_t kFew = 24;
  [[nodiscard]] const std::uint8_t* data() const {
    return many_.empty() ? few_.data() : many_.data();
  }
  [[nodiscard]] std::uint8_t* data() { return many_.empty() ? few_.data() : many_.data(); }

  std::array<std::uint8_t, kFew> few_{};
  std::vector<std::uint8_t> many_{};
};

inline constexpr std::size_t kMostOwners = 200;  // so that a verdict is a byte

struct alignas(64) Compiled {
  // ---- What every decision reads: two lines of the cache
  Route route{};
  bool counts_instances = false;  // spread over instances is among the strategies
  Tally::Kind counted_kind = Tally::Kind::Group;
  bool passes_all = false;  // whether every class passes, as of all_seen_classes
  bool expressions_read_identity = false;
  std::uint64_t seen_classes = ChangeLog::kNothingSeen;
  std::uint64_t all_seen_classes = ChangeLog::kNothingSeen;
  Tally::Set counted = 0;  // the set that spread and distinctInstance count: one of the next two
  Tally::Set group = 0;
  Tally::Set service = Tally::kNoSet;
  std::int32_t usual_count = 0;  // of tasks on the node chosen last, where counts are kept
  std::uint8_t scans_next = 0;   // decisions until the indexes are tried again
  std::uint8_t plan_count = 0;
  Verdicts verdicts{};
  PlanFloors first_plan{};

  // ---- What some read
  std::vector<PlanFloors> more_plans{};
  Request request;
  std::vector<OwnerPlan> owners{};
  std::vector<MemberOf> member_of{};
  bool distinct_instance = false;
  bool expressions_read_tasks = false;
  std::vector<Strategy> strategies{};
  std::vector<Tally::Slot> slots{};  // of the strategies that spread over an attribute, else 0
  // Nodes whose identity passes, where expressions read it.
  std::vector<std::uint64_t> identities{};
  std::uint64_t seen_identities = ChangeLog::kNothingSeen;
  std::unique_ptr<ScoredRequest> scored{};  // where a strategy is scored

  // Of owners[i].
  [[nodiscard]] const PlanFloors& floors(std::size_t i) const {
    return i == 0 ? first_plan : more_plans[i - 1];
  }
};

// What a node says, short of words.
struct Finding {
  Reason reason = Reason::Owner;
  std::size_t index = 0;  // of the attribute, port, amount, device need or expression
};

// Errors: as Engine::compile.
[[nodiscard]] Result<Compiled> compile_request(const Request& request, Books& books);
// Gives back what compile_request took.
void drop_request(Compiled& compiled, Books& books);
// What tasks with these needs hold, to be released. Errors: Invalid; `what` begins with `at`.
[[nodiscard]] Result<std::uint32_t> compile_holding(const Needs& needs, const std::string& at,
                                                    Books& books);

// Forgets verdicts of classes that are others now, and brings the bitmap up to date.
void catch_up(Compiled& compiled, const Books& books);
inline void refresh_verdicts(Compiled& compiled, const Books& books) {
  if (compiled.seen_classes != books.classes().log().count() || compiled.expressions_read_identity)
    catch_up(compiled, books);
}
// Answers for a class that nobody asked for yet.
std::uint8_t find_verdict(Compiled& compiled, const Books& books, std::uint32_t class_number);
[[nodiscard]] inline std::uint8_t verdict_of_class(Compiled& compiled, const Books& books,
                                                   std::uint32_t number) {
  const std::uint8_t known = compiled.verdicts.of(number);
  return known != Verdicts::kUnknown ? known : find_verdict(compiled, books, number);
}
[[nodiscard]] inline std::uint8_t verdict_of(Compiled& compiled, const Books& books,
                                             std::uint32_t node) {
  return verdict_of_class(compiled, books, books.class_number(node));
}
[[nodiscard]] inline std::uint8_t verdict_for(std::size_t plan) {
  return static_cast<std::uint8_t>(Verdicts::kFirstPlan + plan);
}

// The plan for this node's owner.
[[nodiscard]] const OwnerPlan* plan_for(const Compiled& compiled, const Books& books,
                                        std::uint32_t node);
// The first check that the node fails, in the order of Reason.
[[nodiscard]] std::optional<Finding> check(const Compiled& compiled, const Books& books,
                                           std::uint32_t node);
// Checks beside cpu, memory and the verdict, of a node that takes tasks. Requires:
// refresh_verdicts.
[[nodiscard]] bool passes_the_rest(const Compiled& compiled, std::size_t plan, const Books& books,
                                   std::uint32_t node);
// All checks but cpu and memory.
[[nodiscard]] inline bool passes_beside_offers(Compiled& compiled, std::size_t plan,
                                               const Books& books, std::uint32_t node) {
  return verdict_of(compiled, books, node) == verdict_for(plan) &&
         (compiled.floors(plan).is_all || passes_the_rest(compiled, plan, books, node));
}
// Only devices and expressions over tasks.
[[nodiscard]] bool passes_one_by_one(const Compiled& compiled, const OwnerPlan& plan,
                                     const Books& books, std::uint32_t node);
// Whether passes_one_by_one says anything that the floors do not.
[[nodiscard]] bool needs_one_by_one(const Compiled& compiled, const OwnerPlan& plan,
                                    const Books& books);
// The sum of the weights that hold for a live node.
[[nodiscard]] std::int32_t affinity_of(const Affinity& affinity, const Books& books,
                                       std::uint32_t node);
// The finding in words.
[[nodiscard]] Refusal refusal_of(const Compiled& compiled, const Books& books, std::uint32_t node,
                                 Finding finding);

}  // namespace berth::placement
