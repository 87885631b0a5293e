// SPDX-License-Identifier: Apache-2.0
#include "core/cli/pull_progress.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace berth::cli {
namespace {

constexpr const char* kClear = "\r\033[K";

boost::json::array pulls(std::initializer_list<const char*> images) {
  boost::json::array all;
  for (const char* image : images) {
    all.push_back(boost::json::object{{"image", image},
                                      {"bytesDone", 1024 * 1024 * 3 / 2},
                                      {"bytesTotal", 1024 * 1024 * 4},
                                      {"layersDone", 1},
                                      {"layersTotal", 3}});
  }
  return all;
}

TEST(PullProgress, DrawsOneLineOverTheLast) {
  std::ostringstream out;
  PullProgress progress(out, 100);
  progress.show(pulls({"web:1"}));
  progress.show(pulls({"web:1", "sidecar:2"}));
  EXPECT_EQ(out.str(), std::string(kClear) + "pulling web:1 1.5/4.0 MiB, 1/3 layers" + kClear +
                           "pulling web:1 1.5/4.0 MiB, 1/3 layers, sidecar:2 1.5/4.0 MiB, 1/3 layers");
}

TEST(PullProgress, LeavesTheLineEmptyAtTheEndAndOnlyOnce) {
  std::ostringstream out;
  PullProgress progress(out, 100);
  progress.show(pulls({"web:1"}));
  const std::string before = out.str();
  progress.end();
  progress.end();
  EXPECT_EQ(out.str(), before + kClear);
}

TEST(PullProgress, StaysWithinTheTerminalSinceALineThatWrapsIsNotCleared) {
  std::ostringstream out;
  PullProgress progress(out, 20);
  progress.show(pulls({"registry.example/a/long/name:1"}));
  EXPECT_EQ(out.str(), std::string(kClear) + "pulling registry...");
}

TEST(PullProgress, PrintsNothingWithoutATerminalOrWithoutPulls) {
  std::ostringstream out;
  PullProgress none(out, 0);
  none.show(pulls({"web:1"}));
  none.end();
  PullProgress idle(out, 80);
  idle.show({});
  idle.end();
  EXPECT_EQ(out.str(), "");
}

TEST(PullProgress, PassesOverWhatIsNoPull) {
  std::ostringstream out;
  PullProgress progress(out, 80);
  progress.show({boost::json::value("x"), pulls({"web:1"}).front()});
  EXPECT_EQ(out.str(), std::string(kClear) + "pulling web:1 1.5/4.0 MiB, 1/3 layers");
}

}  // namespace
}  // namespace berth::cli
