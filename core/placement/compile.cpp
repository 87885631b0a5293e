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

Result<OwnerPlan> compile_owner(const OwnerNeeds& from, const std::string& at, Books& books) {
  OwnerPlan plan{.owner = from.owner, .needs = from.needs, .holding = nullptr};
  auto holding = compile_holding(from.needs, at, books);
  if (!holding) return holding.error();
  plan.holding = *std::move(holding);
  for (const Holding::Part& part : plan.holding->parts) {
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

}  // namespace

Result<std::shared_ptr<const Holding>> compile_holding(const Needs& needs, const std::string& at,
                                                       Books& books) {
  if (auto error = refuse_needs(needs, at)) return *std::move(error);
  auto out = std::make_shared<Holding>();
  const auto add = [&](ColumnId column, std::int64_t amount) {
    if (amount > 0) out->parts.push_back({column, amount});
  };
  add(kCpuColumn, needs.cpu);
  add(kMemoryColumn, needs.memory_mib);
  add(kEniColumn, needs.eni_slots);
  for (const Amount& amount : needs.amounts) {
    if (amount.value > 0) add(books.column_id(Column::Kind::Amount, amount.name), amount.value);
  }
  for (const Port port : needs.ports) out->ports.push_back(port_key(port));
  return std::shared_ptr<const Holding>(std::move(out));
}

Result<Compiled> compile_request(const Request& request, Books& books) {
  Compiled out;
  out.request = request;
  if (request.needs.empty()) return invalid("needs", "names no owner: no node could take the task");
  for (std::size_t i = 0; i < request.needs.size(); ++i) {
    const std::string at = "needs[" + std::to_string(i) + "]";
    for (std::size_t j = 0; j < i; ++j) {
      if (request.needs[j].owner == request.needs[i].owner) {
        return invalid(at + ".owner", "is there twice: " + request.needs[i].owner);
      }
    }
    auto plan = compile_owner(request.needs[i], at + ".", books);
    if (!plan) return plan.error();
    out.owners.push_back(*std::move(plan));
  }
  if (auto error = add_constraints(request, out)) return *std::move(error);
  if (auto error = add_strategies(request, out)) return *std::move(error);
  out.counted = request.service.empty()
                    ? books.tally().acquire(Tally::Kind::Group, request.group)
                    : books.tally().acquire(Tally::Kind::Service, request.service);
  return out;
}

}  // namespace berth::placement
