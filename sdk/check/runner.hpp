// SPDX-License-Identifier: Apache-2.0
// Tries the rules on a plugin, each in a process of its own: a crash or a hang is a finding, not
// the end.
//
// Threads: one, the only one of the process (it forks).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sdk/check/rule.hpp"

namespace berth::check {

struct RunOptions {
  std::filesystem::path path;
  std::map<std::string, std::string> settings{};
  std::chrono::milliseconds timeout{30'000};  // for one rule
  std::string only{};                         // id of the one rule to try; empty: all
};

struct Finding {
  std::string rule;
  std::string demand;
  Outcome outcome;
};

struct Report {
  std::vector<Finding> findings;  // one a rule, in order
  [[nodiscard]] int count(Verdict verdict) const;
};

[[nodiscard]] Report run(const RunOptions& options);

}  // namespace berth::check
