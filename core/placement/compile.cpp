// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/placement/compiled.hpp"

namespace berth::placement {
namespace {

constexpr std::int64_t kMaxDeviceUnits = 256;

Error invalid(const std::string& what, const std::string& why) {
  return Error{Error::Code::Invalid, what + " " + why + ".", what};
}

std::optional<Error> out_of_range(std::int64_t amount, const std::string& what) {
  if (amount >= 0 && amount <= kMaxAmount) return std::nullopt;
  return invalid(what, "is " + std::to_string(amount) + "; amounts are 0 to 2^30");
}

std::optional<Error> refuse_devices(const Needs& needs, const std::string& at) {
  std::int64_t units = 0;
  for (std::size_t i = 0; i < needs.devices.size(); ++i) {
    const DeviceNeed& need = needs.devices[i];
    const std::string here = at + "devices[" + std::to_string(i) + "]";
    if (need.type.empty()) return invalid(here + ".type", "is empty");
    if (auto error = out_of_range(need.count, here + ".count")) return error;
    if (auto error = out_of_range(need.share_milli, here + ".share_milli")) return error;
    if (auto error = out_of_range(need.memory_mib, here + ".memory_mib")) return error;
    if (need.count > 0 && need.share_milli > 0) {
      return invalid(here,
                     "wants whole devices and a share; it takes one of count and share_milli");
    }
    if (need.count == 0 && need.share_milli == 0 && need.memory_mib == 0)
      return invalid(here, "wants nothing");
    units += std::max<std::int64_t>(need.count, 1);
    if (units > kMaxDeviceUnits) return invalid(here, "goes beyond 256 devices for one task");
  }
  return std::nullopt;
}

std::optional<Error> refuse_needs(const Needs& needs, const std::string& at) {
  if (auto error = out_of_range(needs.cpu, at + "cpu")) return error;
  if (auto error = out_of_range(needs.memory_mib, at + "memory_mib")) return error;
  if (auto error = out_of_range(needs.eni_slots, at + "eni_slots")) return error;
  for (std::size_t i = 0; i < needs.amounts.size(); ++i) {
    const std::string here = at + "amounts[" + std::to_string(i) + "]";
    const Amount& amount = needs.amounts[i];
    if (amount.name.empty()) return invalid(here + ".name", "is empty");
    if (auto error = out_of_range(amount.value, here + ".value")) return error;
    for (std::size_t j = 0; j < i; ++j) {
      if (needs.amounts[j].name == amount.name)
        return invalid(here + ".name", "is there twice: " + amount.name);
    }
  }
  for (std::size_t i = 0; i < needs.ports.size(); ++i) {
    if (std::find(needs.ports.begin(), needs.ports.begin() + static_cast<std::ptrdiff_t>(i),
                  needs.ports[i]) != needs.ports.begin() + static_cast<std::ptrdiff_t>(i)) {
      return invalid(at + "ports[" + std::to_string(i) + "]",
                     "is there twice: " + std::to_string(needs.ports[i].number));
    }
  }
  return refuse_devices(needs, at);
}

// Necessary conditions on a node's devices, as floors; sufficient ones for a single need of whole
// devices of any model.
void add_device_floors(OwnerPlan& plan, Books& books) {
  struct Sum {
    std::string_view type;
    std::int64_t whole = 0;
    std::int64_t share = 0;
  };
  std::vector<Sum> sums;
  for (const DeviceNeed& need : plan.needs.devices) {
    auto sum =
        std::find_if(sums.begin(), sums.end(), [&](const Sum& s) { return s.type == need.type; });
    if (sum == sums.end()) sum = sums.insert(sums.end(), Sum{need.type});
    sum->whole += need.count;
    sum->share += need.share_milli;
  }
  const auto add = [&](Column::Kind kind, std::string_view type, std::int64_t least) {
    if (least > 0)
      plan.floors.push_back(
          {books.column_id(kind, type), static_cast<std::int32_t>(std::min(least, kMaxAmount))});
  };
  for (const Sum& sum : sums) {
    add(Column::Kind::DeviceWhole, sum.type, sum.whole);
    add(Column::Kind::DeviceShare, sum.type, sum.share);
  }
  const auto& devices = plan.needs.devices;
  plan.floors_decide_devices =
      devices.empty() || (devices.size() == 1 && devices[0].count > 0 && devices[0].model.empty() &&
                          devices[0].memory_mib == 0);
}

// Where nothing is needed nothing needs to be left: a node may be over-booked by what it was told
// to run.
std::int32_t floor_of(std::int64_t need) {
  return static_cast<std::int32_t>(need > 0 ? need : -kMaxAmount);
}

Result<OwnerPlan> compile_owner(const OwnerNeeds& from, const std::string& at, Books& books) {
  OwnerPlan plan{.owner = from.owner, .needs = from.needs};
  auto holding = compile_holding(from.needs, at, books);
  if (!holding) return holding.error();
  plan.holding = *holding;
  const Holding& held = books.holdings().at(plan.holding);
  plan.ports = held.ports;
  for (const Holding::Part& part : held.parts) {
    plan.floors.push_back({part.column, static_cast<std::int32_t>(part.amount)});
  }
  add_device_floors(plan, books);
  return plan;
}

std::optional<Error> add_constraints(const Request& request, Compiled& out) {
  if (request.constraints.size() > kMaxConstraints)
    return invalid("constraints", "are more than 10");
  for (std::size_t i = 0; i < request.constraints.size(); ++i) {
    const Constraint& constraint = request.constraints[i];
    const std::string at = "constraints[" + std::to_string(i) + "].expression";
    if (constraint.kind == Constraint::Kind::DistinctInstance) {
      if (!constraint.expression.empty())
        return invalid(at, "is given, but distinctInstance takes none");
      out.distinct_instance = true;
      continue;
    }
    if (constraint.expression.size() > kMaxExpression)
      return invalid(at, "is longer than 2000 characters");
    auto query = Query::parse(constraint.expression);
    if (!query) {
      Error error = query.error();
      error.what = at;
      return error;
    }
    out.expressions_read_tasks = out.expressions_read_tasks || query->depends_on_tasks();
    out.expressions_read_identity = out.expressions_read_identity ||
                                    (query->depends_on_identity() && !query->depends_on_tasks());
    out.member_of.push_back(MemberOf{constraint.expression, *std::move(query)});
  }
  return std::nullopt;
}

std::optional<Error> add_strategies(const Request& request, Compiled& out) {
  if (request.strategies.size() > kMaxStrategies) return invalid("strategies", "are more than 5");
  out.strategies = request.strategies;
  for (std::size_t i = 0; i < request.strategies.size(); ++i) {
    const Strategy& strategy = request.strategies[i];
    if (strategy.kind == Strategy::Kind::SpreadAttribute && strategy.attribute.empty()) {
      return invalid("strategies[" + std::to_string(i) + "].attribute", "is empty");
    }
  }
  if (out.strategies.empty()) {
    out.strategies =
        request.service.empty() ? run_task_default_strategies() : service_default_strategies();
  }
  return std::nullopt;
}

PlanFloors floors_of(const Compiled& compiled, const OwnerPlan& plan) {
  return {.cpu = floor_of(plan.needs.cpu),
          .memory = floor_of(plan.needs.memory_mib),
          .has_devices = !plan.needs.devices.empty(),
          .is_all = plan.floors.empty() && plan.ports.empty() && plan.needs.devices.empty() &&
                    !compiled.expressions_read_identity && !compiled.expressions_read_tasks &&
                    !compiled.distinct_instance};
}

// Whether an earlier entry names the same owner.
bool has_owner(const Request& request, std::size_t before) {
  for (std::size_t i = 0; i < before; ++i) {
    if (request.needs[i].owner == request.needs[before].owner) return true;
  }
  return false;
}

Route route_of(const Compiled& compiled) {
  using Kind = Strategy::Kind;
  const auto& strategies = compiled.strategies;
  Route out{.kind = Route::Kind::Indexed};
  std::size_t at = 0;
  const auto is = [&](Kind kind) { return at < strategies.size() && strategies[at].kind == kind; };
  if (is(Kind::SpreadAttribute)) out.spread = compiled.slots[at++];
  if (is(Kind::SpreadInstance)) {
    out.spread_instance = true;
    ++at;
  }
  if (is(Kind::Random)) {
    out.last = Route::Last::Random;
    out.probes = at == 0;
    at = strategies.size();  // what follows has nothing left to decide
  } else if (is(Kind::BinpackCpu) || is(Kind::BinpackMemory)) {
    out.last = Route::Last::Binpack;
    out.key = is(Kind::BinpackCpu) ? kCpuColumn : kMemoryColumn;
    ++at;
  } else if (at < strategies.size()) {
    out.kind = Route::Kind::Scan;
  }
  out.rest = static_cast<std::uint8_t>(at);
  // What comes after a random has nothing left to decide.
  const auto decides = [](const Strategy& one) {
    return one.is_scored() || one.kind == Kind::Random;
  };
  const auto first = std::find_if(strategies.begin(), strategies.end(), decides);
  if (first != strategies.end() && first->is_scored()) {
    out.kind = Route::Kind::Scored;
    out.rest = static_cast<std::uint8_t>(first - strategies.begin());
  }
  out.breaks_ties = out.rest < strategies.size();
  // Offers and classes say who passes, and one column or none who is best.
  const bool one_key = out.last == Route::Last::First || (!out.spread_instance && !out.breaks_ties);
  out.one_pass = out.kind == Route::Kind::Indexed && one_key && compiled.plan_count == 1 &&
                 compiled.first_plan.is_all;
  return out;
}

}  // namespace

Result<std::uint32_t> compile_holding(const Needs& needs, const std::string& at, Books& books) {
  if (auto error = refuse_needs(needs, at)) return *std::move(error);
  Holding out{.cpu = static_cast<std::int32_t>(needs.cpu),
              .memory_mib = static_cast<std::int32_t>(needs.memory_mib)};
  const auto add = [&](Column::Kind kind, std::string_view name, std::int64_t amount) {
    if (amount > 0) out.parts.push_back({books.column_id(kind, name), amount});
  };
  add(Column::Kind::Eni, "ENI", needs.eni_slots);
  for (const Amount& amount : needs.amounts) add(Column::Kind::Amount, amount.name, amount.value);
  for (const Port port : needs.ports) out.ports.push_back(port_key(port));
  return books.holdings().acquire(std::move(out));
}

Result<Compiled> compile_request(const Request& request, Books& books) {
  Compiled out;
  out.request = request;
  if (request.needs.empty()) return invalid("needs", "names no owner: no node could take the task");
  if (request.needs.size() > kMostOwners) return invalid("needs", "name more than 200 owners");
  if (auto error = add_constraints(request, out)) return *std::move(error);
  if (auto error = add_strategies(request, out)) return *std::move(error);
  for (std::size_t i = 0; i < request.needs.size(); ++i) {
    const std::string at = "needs[" + std::to_string(i) + "]";
    auto plan =
        has_owner(request, i)
            ? Result<OwnerPlan>(invalid(at + ".owner", "is there twice: " + request.needs[i].owner))
            : compile_owner(request.needs[i], at + ".", books);
    if (!plan) {
      for (const OwnerPlan& made : out.owners) books.holdings().release(made.holding);
      return plan.error();
    }
    if (i == 0) {
      out.first_plan = floors_of(out, *plan);
    } else {
      out.more_plans.push_back(floors_of(out, *plan));
    }
    ++out.plan_count;
    out.owners.push_back(*std::move(plan));
  }
  for (const Strategy& strategy : out.strategies) {
    const bool tracked = strategy.kind == Strategy::Kind::SpreadAttribute;
    out.slots.push_back(tracked ? books.track(strategy.attribute) : 0);
  }
  out.group = books.tally().acquire(Tally::Kind::Group, request.group);
  out.counted = out.group;
  if (!request.service.empty()) {
    out.service = books.tally().acquire(Tally::Kind::Service, request.service);
    out.counted_kind = Tally::Kind::Service;
    out.counted = out.service;
  }
  for (std::size_t i = 0; i < out.owners.size(); ++i) {
    PlanFloors& floors = i == 0 ? out.first_plan : out.more_plans[i - 1];
    floors.kind = books.acquire_kind(out.group, out.service, out.owners[i].holding);
  }
  out.route = route_of(out);
  out.counts_instances =
      std::any_of(out.strategies.begin(), out.strategies.end(),
                  [](const Strategy& one) { return one.kind == Strategy::Kind::SpreadInstance; });
  return out;
}

void drop_request(Compiled& compiled, Books& books) {
  for (std::size_t i = 0; i < compiled.owners.size(); ++i) {
    books.release_kind(compiled.floors(i).kind);
    books.holdings().release(compiled.owners[i].holding);
  }
  for (std::size_t i = 0; i < compiled.strategies.size(); ++i) {
    if (compiled.strategies[i].kind == Strategy::Kind::SpreadAttribute)
      books.tally().untrack(compiled.slots[i]);
  }
  books.tally().release(compiled.group);
  if (compiled.service != Tally::kNoSet) books.tally().release(compiled.service);
}

}  // namespace berth::placement
