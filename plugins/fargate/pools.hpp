// SPDX-License-Identifier: Apache-2.0
// The pools of hosts: how each holds its tasks, and which hosts are fit for it.
//
// A host says by the attribute berth.pool which pool is its own ("default" without it). Threads:
// any; immutable once read.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "berth/settings.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::fargate {

enum class Sandbox { UserNamespace, Runsc };
struct Pool {
  Sandbox sandbox = Sandbox::UserNamespace;
};

class Pools {
 public:
  // Reads `pools.NAME.*`; without any there is the pool "default" alone. What is wrong is rejected
  // by key.
  static Pools read(sdk::Settings& settings);

  // Null for a name that is no pool's.
  [[nodiscard]] const Pool* find(const std::string& name) const;

 private:
  std::map<std::string, Pool> pools_;
};

// The pool that the host names.
[[nodiscard]] std::string pool_of(const v1::Node& node);
// Why a host cannot be of its pool; a sentence for its operator. Nothing where it can.
[[nodiscard]] std::optional<std::string> problem_of(const v1::Node& node, const Pools& pools);

}  // namespace berth::fargate
