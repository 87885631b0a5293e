// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/pools.hpp"

#include <algorithm>
#include <iterator>

namespace berth::fargate {
namespace {

constexpr const char* kDefaultPool = "default";
constexpr const char* kPoolAttribute = "berth.pool";
// As agents register them.
constexpr const char* kSandboxAttribute = "berth.sandbox";
constexpr const char* kLimits[] = {"berth.task-pids", "berth.task-disk-gib"};

struct Kind {
  Sandbox sandbox;
  const char* setting;
  const char* attribute;  // the value that hosts register
  const char* remedy;     // for the operator of a host that has it not
};
constexpr Kind kKinds[] = {
    {Sandbox::UserNamespace, "user-namespace", "user-namespace",
     "set [user_namespaces] of its agent"},
    {Sandbox::Runsc, "runsc", "kernel", "set runtime = \"runsc\" of its agent"},
};

const Kind* kind_named(const std::string& name) {
  const auto* const at = std::find_if(std::begin(kKinds), std::end(kKinds),
                                      [&](const Kind& one) { return name == one.setting; });
  return at == std::end(kKinds) ? nullptr : at;
}

const v1::ecs::Attribute* find_attribute(const v1::Node& node, const char* name) {
  const auto& all = node.attributes();
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const auto& attribute) { return attribute.name() == name; });
  return at == all.end() ? nullptr : &*at;
}

}  // namespace

Pools Pools::read(sdk::Settings& settings) {
  Pools out;
  for (const auto& [path, value] : settings.table("pools")) {
    const std::string key = "pools." + path;
    const std::size_t dot = path.find('.');
    const std::string name = path.substr(0, dot);
    const std::string member = dot == std::string::npos ? "" : path.substr(dot + 1);
    Pool& pool = out.pools_[name];
    const Kind* const kind = member == "sandbox" ? kind_named(value) : nullptr;
    if (member != "sandbox") {
      settings.reject(key, "a pool has a sandbox and nothing else");
    } else if (kind == nullptr) {
      settings.reject(key, "'" + value + "' is neither user-namespace nor runsc");
    } else {
      pool.sandbox = kind->sandbox;
    }
  }
  if (out.pools_.empty()) out.pools_[kDefaultPool];
  return out;
}

const Pool* Pools::find(const std::string& name) const {
  const auto at = pools_.find(name);
  return at == pools_.end() ? nullptr : &at->second;
}

std::string pool_of(const v1::Node& node) {
  const auto* const named = find_attribute(node, kPoolAttribute);
  return named == nullptr || named->value().empty() ? kDefaultPool : named->value();
}

std::optional<std::string> problem_of(const v1::Node& node, const Pools& pools) {
  const std::string name = pool_of(node);
  const Pool* const pool = pools.find(name);
  if (pool == nullptr) {
    return "there is no pool '" + name + "': add [plugins.fargate.pools." + name +
           "], or correct the attribute berth.pool of its agent";
  }
  const auto* const wanted =
      std::find_if(std::begin(kKinds), std::end(kKinds),
                   [&](const Kind& one) { return one.sandbox == pool->sandbox; });
  const auto* const offered = find_attribute(node, kSandboxAttribute);
  if (offered == nullptr || offered->value() != wanted->attribute) {
    return "the pool '" + name + "' has the sandbox " + wanted->setting +
           ", which the host has not: " + wanted->remedy;
  }
  for (const char* limit : kLimits) {
    if (find_attribute(node, limit) != nullptr) continue;
    return "its tasks would have no limit of their own: set pids and disk_gib in [task_limits] of "
           "its agent";
  }
  return std::nullopt;
}

}  // namespace berth::fargate
