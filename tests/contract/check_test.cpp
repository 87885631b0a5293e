// SPDX-License-Identifier: Apache-2.0
// The conformance kit: sound plugins pass, and each broken one is caught by the rule that names its
// defect.
#include <gtest/gtest.h>

#include <ostream>

#include "sdk/check/elf.hpp"
#include "sdk/check/runner.hpp"

namespace berth::check {
namespace {

std::string lines(const Report& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (finding.outcome.verdict == Verdict::Failed) {
      text += finding.rule + ": " + finding.outcome.words + "\n";
    }
  }
  return text;
}

struct Sound {
  const char* name;
  const char* path;
  int skips;
};
void PrintTo(const Sound& plugin, std::ostream* out) {
  *out << plugin.name;
}
class SoundPlugin : public ::testing::TestWithParam<Sound> {};

TEST_P(SoundPlugin, PassesEveryRule) {
  const Report report = run({.path = GetParam().path});
  EXPECT_EQ(report.count(Verdict::Failed), 0) << lines(report);
  EXPECT_EQ(report.count(Verdict::Skipped), GetParam().skips);
  EXPECT_EQ(report.findings.size(), rules().size());
}

INSTANTIATE_TEST_SUITE_P(Check, SoundPlugin,
                         ::testing::Values(Sound{"Minimal", BERTH_BROKEN_DIR "/libminimal.so", 3},
                                           Sound{"Example", BERTH_TEST_EXAMPLE, 0},
                                           Sound{"Pool", BERTH_TEST_POOL, 0},
                                           Sound{"Devices", BERTH_TEST_DEVICES, 0}),
                         [](const auto& info) { return std::string(info.param.name); });

struct Broken {
  const char* name;
  const char* rule;
};
void PrintTo(const Broken& plugin, std::ostream* out) {
  *out << plugin.name;
}
class BrokenPlugin : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenPlugin, IsCaughtByTheRuleThatNamesItsDefect) {
  const std::string path = std::string(BERTH_BROKEN_DIR "/lib") + GetParam().name + ".so";
  const Report report =
      run({.path = path, .timeout = std::chrono::milliseconds(3000), .only = GetParam().rule});
  ASSERT_EQ(report.findings.size(), 1U) << "no rule " << GetParam().rule;
  EXPECT_EQ(report.findings[0].outcome.verdict, Verdict::Failed);
  EXPECT_NE(report.findings[0].outcome.words, "");
}

INSTANTIATE_TEST_SUITE_P(
    Check, BrokenPlugin,
    ::testing::Values(
        Broken{"undefined_symbol", "load.opens"}, Broken{"no_symbol", "load.symbol"},
        Broken{"extra_symbol", "load.symbol"}, Broken{"wrong_major", "table.layout"},
        Broken{"short_table", "table.layout"}, Broken{"null_slot", "table.layout"},
        Broken{"bad_name", "table.name"}, Broken{"long_version", "table.name"},
        Broken{"crashes_in_create", "life.create"}, Broken{"hangs_in_create", "life.create"},
        Broken{"wants_settings", "life.create"}, Broken{"takes_any_config", "life.config"},
        Broken{"emits_early", "life.quiet"}, Broken{"second_create_fails", "life.repeat"},
        Broken{"leaks_descriptors", "life.repeat"}, Broken{"shares_its_host", "life.two"},
        Broken{"forgets_open_calls", "life.destroy"}, Broken{"leaves_a_thread", "life.threads"},
        Broken{"other_manifest", "manifest.describe"},
        Broken{"declares_too_little", "manifest.describe"},
        Broken{"declares_too_much", "manifest.methods"}, Broken{"completes_twice", "call.once"},
        Broken{"loses_calls_of_threads", "call.threads"},
        Broken{"never_completes", "call.once"}, Broken{"completes_what_it_refuses", "call.once"},
        Broken{"sends_null", "call.once"}, Broken{"takes_unknown_methods", "call.unknown"},
        Broken{"crashes_on_garbage", "call.garbage"}, Broken{"takes_garbage", "call.garbage"},
        Broken{"cancel_completes_too", "call.cancel"},
        Broken{"activates_again", "call.activate-once"},
        Broken{"refuses_unknown_fields", "message.unknown-fields"},
        Broken{"plans_by_unknown_fields", "message.unknown-fields"},
        Broken{"impure_plan", "launch.plan"}, Broken{"knows_strangers", "launch.unknown-task"},
        Broken{"silent_inventory", "launch.inventory"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Check, SaysThatAHangIsAHangAndACrashACrash) {
  const auto words = [](const char* path) {
    return run({.path = path, .timeout = std::chrono::milliseconds(500), .only = "life.create"})
        .findings.at(0)
        .outcome.words;
  };
  EXPECT_NE(words(BERTH_BROKEN_DIR "/libhangs_in_create.so").find("hangs"), std::string::npos);
  EXPECT_NE(words(BERTH_BROKEN_DIR "/libcrashes_in_create.so").find("crashed"), std::string::npos);
}

TEST(Check, SkipsTheRestWithTheReasonOnceTheLibraryDoesNotLoad) {
  const Report report = run({.path = BERTH_BROKEN_DIR "/libundefined_symbol.so"});
  EXPECT_EQ(report.count(Verdict::Failed), 1) << lines(report);
  EXPECT_EQ(report.findings.back().outcome.words, "load.opens failed");
}

TEST(Check, NamesOneDefectOnce) {
  const Report report = run({.path = BERTH_BROKEN_DIR "/libcompletes_twice.so"});
  EXPECT_EQ(report.count(Verdict::Failed), 1) << lines(report);
  for (const Finding& finding : report.findings) {
    if (finding.outcome.verdict != Verdict::Failed) continue;
    EXPECT_EQ(std::string(finding.rule), "call.once");
  }
}

TEST(Check, RefusesAFileThatIsNoLibrary) {
  EXPECT_FALSE(exported_symbols("/proc/self/status"));
  EXPECT_FALSE(exported_symbols("/nonexistent"));
}

}  // namespace
}  // namespace berth::check
