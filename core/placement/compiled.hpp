// SPDX-License-Identifier: Apache-2.0
// A request made ready: its needs as column floors, its expressions parsed, its lasting checks as a
// bitmap of nodes.
//
// Checks are of two kinds. Lasting ones depend on what a node is (owner, state, zone, attributes,
// expressions over these, limits per task); their outcome is kept in a bitmap for each owner and
// brought up to date from the books' log of changes. Passing ones depend on what its tasks hold
// (amounts, ports, devices, expressions over tasks, distinctInstance). Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/kernels.hpp"
#include "core/placement/query.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// The needs of one owner's nodes.
struct OwnerPlan {
  struct LeastColumn {
    ColumnId column = 0;
    std::int32_t least = 0;
  };

  std::string owner;
  Needs needs;
  std::shared_ptr<const Holding> holding;
  std::vector<LeastColumn> floors{};
  // The floors decide about the devices; else each candidate's devices are looked at.
  bool floors_decide_devices = true;
  std::vector<std::uint64_t> lasting{};  // nodes that pass every lasting check
};

struct MemberOf {
  std::string expression;
  Query query;
};

struct Compiled {
  Request request;
  Tally::Set counted = 0;  // the set that spread and distinctInstance count
  std::vector<OwnerPlan> owners{};
  std::vector<MemberOf> member_of{};
  bool distinct_instance = false;
  bool expressions_read_tasks = false;
  std::vector<Strategy> strategies{};
  // Changes of the books that `lasting` has taken in.
  std::uint64_t seen = Books::kNothingSeen;
};

// What a node says, short of words.
struct Finding {
  Reason reason = Reason::Owner;
  std::size_t index = 0;  // of the attribute, port, amount, device need or expression
};

// Errors: as Engine::compile.
[[nodiscard]] Result<Compiled> compile_request(const Request& request, Books& books);
// What tasks with these needs hold. Errors: Invalid; `what` begins with `at`.
[[nodiscard]] Result<std::shared_ptr<const Holding>> compile_holding(const Needs& needs,
                                                                     const std::string& at,
                                                                     Books& books);

// Brings the bitmaps up to date.
void refresh_lasting(Compiled& compiled, const Books& books);

// The plan for this node's owner.
[[nodiscard]] const OwnerPlan* plan_for(const Compiled& compiled, const Books& books,
                                        std::uint32_t node);
// The first check that the node fails, in the order of Reason.
[[nodiscard]] std::optional<Finding> check(const Compiled& compiled, const Books& books,
                                           std::uint32_t node);
// Only the passing checks; the node is known to pass the lasting ones.
[[nodiscard]] bool passes_now(const Compiled& compiled, const OwnerPlan& plan, const Books& books,
                              std::uint32_t node);
// Only those of the passing checks that neither floors nor lists of nodes decide: devices,
// expressions over tasks.
[[nodiscard]] bool passes_one_by_one(const Compiled& compiled, const OwnerPlan& plan,
                                     const Books& books, std::uint32_t node);
// The finding in words.
[[nodiscard]] Refusal refusal_of(const Compiled& compiled, const Books& books, std::uint32_t node,
                                 Finding finding);

}  // namespace berth::placement
