// SPDX-License-Identifier: Apache-2.0
#include "core/control/plans.hpp"

#include <algorithm>

#include "berth/v1/plugin.pb.h"
#include "core/control/canonical.hpp"

namespace berth::control {
namespace {

constexpr std::size_t kMaxKept = 4096;
constexpr std::int64_t kMaxAmount = 0x7fffffff;

bool is_amount(std::int64_t value) {
  return value >= 0 && value <= kMaxAmount;
}

// A plan comes from outside: amounts that placement could not count are the plugin's fault, not the
// caller's.
bool is_sane(const v1::Requirement& requirement) {
  if (!is_amount(requirement.cpu()) || !is_amount(requirement.memory_mib()) ||
      !is_amount(requirement.eni_slots())) {
    return false;
  }
  const auto& ports = requirement.ports();
  const auto& amounts = requirement.amounts();
  const auto& devices = requirement.devices();
  return std::all_of(ports.begin(), ports.end(),
                     [](const auto& port) { return port.number() > 0 && port.number() < 65536; }) &&
         std::all_of(amounts.begin(), amounts.end(),
                     [](const auto& amount) { return is_amount(amount.value()); }) &&
         std::all_of(devices.begin(), devices.end(), [](const auto& device) {
           return is_amount(device.count()) && is_amount(device.share_milli()) &&
                  is_amount(device.memory_mib());
         });
}

}  // namespace

void Plans::get(const PluginName& plugin, const v1::PlanRequest& request, Done done) {
  Key key{plugin, canonical_bytes(request)};
  const auto known = known_.find(key);
  if (known != known_.end()) return done(known->second);
  if (!plugins_.is_up(plugin)) {
    return done(fail(Errc::Unavailable,
                     "The launch type plugin " + plugin.str() + " is not running.", Subject::Plugin,
                     plugin.str()));
  }
  auto [asked, first] = asked_.try_emplace(key);
  asked->second.push_back(std::move(done));
  if (!first) return;
  plugins_.call({plugin, v1::METHOD_LAUNCH_PLAN, key.second},
                [this, key](const Result<std::string>& result) { answered(key, result); });
}

void Plans::plugin_up(const PluginName& plugin) {
  const auto of_plugin = [&](const Key& key) { return key.first == plugin; };
  std::erase_if(known_, [&](const auto& one) { return of_plugin(one.first); });
  std::erase_if(oldest_first_, of_plugin);
}

void Plans::answered(const Key& key, const Result<std::string>& result) {
  const auto asked = asked_.find(key);
  if (asked == asked_.end()) return;
  const std::vector<Done> waiting = std::move(asked->second);
  asked_.erase(asked);
  Result<Plan> plan = fail(
      Errc::Internal, "The launch type plugin " + key.first.str() + " made an unreadable plan.",
      Subject::Plugin, key.first.str());
  auto response = std::make_shared<v1::PlanResponse>();
  if (!result) {
    Error error = result.error();
    error.subject = Subject::Plugin;
    plan = tl::unexpected(std::move(error));
  } else if (response->ParseFromString(*result) && is_sane(response->requirement())) {
    plan = Plan(response);
    keep(key, *plan);
  }
  for (const Done& done : waiting) done(plan);
}

void Plans::keep(const Key& key, Plan plan) {
  if (!known_.emplace(key, std::move(plan)).second) return;
  oldest_first_.push_back(key);
  if (oldest_first_.size() <= kMaxKept) return;
  known_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

}  // namespace berth::control
