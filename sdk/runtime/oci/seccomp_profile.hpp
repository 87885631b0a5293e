// SPDX-License-Identifier: Apache-2.0
// Docker's default seccomp profile, with its conditions on capabilities and architecture resolved.
//
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace berth::runtime::seccomp {

// Allow only where argument `index` compares so.
struct Condition {
  unsigned index = 0;
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;  // with SCMP_CMP_MASKED_EQ: what `argument & value` must be
  std::string_view op;
};

struct Rule {
  std::vector<std::string_view> names;
  std::optional<unsigned> refuse_errno;  // absent: allowed
  std::vector<Condition> conditions;
};

// Rules for a process that may use these capabilities (bit n: capability n); all else is refused
// with EPERM.
[[nodiscard]] std::vector<Rule> default_rules(std::uint64_t capabilities);

// libseccomp's names of the architectures whose calls this kernel takes.
[[nodiscard]] std::vector<std::string_view> architectures();

}  // namespace berth::runtime::seccomp
