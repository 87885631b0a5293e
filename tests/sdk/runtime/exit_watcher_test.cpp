// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/exit_watcher.hpp"

#include <future>

#include "tests/sdk/runtime/container_fixture.hpp"

namespace berth::runtime::test {
namespace {

class ExitWatching : public ContainerTest {};

TEST_F(ExitWatching, TriesAgainWhereItCannotBeToldWhetherAContainerRuns) {
  ASSERT_EQ(run(spec("one", "exit 3")).exit_code, 3);
  int tries = 0;
  std::promise<std::optional<ContainerExit>> told;
  ExitWatcher watcher;
  watcher.add(
      [&]() -> sdk::Result<ExitWatch> {
        if (++tries == 1) return sdk::fail(BERTH_UNAVAILABLE, "no descriptor is left");
        return runtime_->watch("one");
      },
      [&](const std::optional<ContainerExit>& exit) { told.set_value(exit); });
  auto exit = told.get_future();
  ASSERT_EQ(exit.wait_for(30s), std::future_status::ready);
  const auto how = exit.get();
  ASSERT_TRUE(how);
  EXPECT_EQ(how->exit_code, 3);
  EXPECT_EQ(tries, 2);
}

TEST_F(ExitWatching, TellsAtOnceOfAContainerThatIsNotThere) {
  std::promise<std::optional<ContainerExit>> told;
  ExitWatcher watcher;
  watcher.add([&] { return runtime_->watch("absent"); },
              [&](const std::optional<ContainerExit>& exit) { told.set_value(exit); });
  auto exit = told.get_future();
  ASSERT_EQ(exit.wait_for(30s), std::future_status::ready);
  EXPECT_FALSE(exit.get());
}

}  // namespace
}  // namespace berth::runtime::test
