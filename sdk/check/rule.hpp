// SPDX-License-Identifier: Apache-2.0
// One demand on a plugin, with a stable id that README.md explains.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace berth::check {

enum class Verdict { Passed, Failed, Skipped };

struct Outcome {
  Verdict verdict = Verdict::Passed;
  std::string words;  // what is wrong, or why it was not tried
  // Failed by completions that do not match its calls: where the rule of that fails as well, it is
  // the same defect.
  bool miscounted = false;
};

[[nodiscard]] inline Outcome pass() {
  return {};
}
[[nodiscard]] inline Outcome failed(std::string words) {
  return {Verdict::Failed, std::move(words), false};
}
[[nodiscard]] inline Outcome miscounted(std::string words) {
  return {Verdict::Failed, std::move(words), true};
}
[[nodiscard]] inline Outcome skipped(std::string words) {
  return {Verdict::Skipped, std::move(words), false};
}

// What a rule is tried on.
struct Subject {
  std::filesystem::path path;
  std::map<std::string, std::string>
      settings;                   // [plugins.NAME], for plugins that cannot do without
  std::filesystem::path scratch;  // an empty directory of this rule alone
};

struct Rule {
  const char* id;
  const char* demand;  // a sentence
  Outcome (*run)(const Subject&);
  bool fatal = false;  // where it fails the rest is not worth trying
};

// All rules, in the order of trying.
[[nodiscard]] const std::vector<Rule>& rules();

}  // namespace berth::check
