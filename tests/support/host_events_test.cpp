// SPDX-License-Identifier: Apache-2.0
#include "tests/support/host_events.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

namespace berth::test {
namespace {

namespace fs = std::filesystem;

fs::path new_directory() {
  std::string path = fs::temp_directory_path() / "berth-events-XXXXXX";
  return ::mkdtemp(path.data());
}

TEST(HostEvents, TellOfAFileThatIsWritten) {
  const fs::path directory = new_directory();
  HostEvents events;
  events.watch_directory(directory);
  std::thread writer([&] { std::ofstream(directory / "note") << "here" << std::flush; });
  EXPECT_TRUE(events.until([&] {
    std::string text;
    std::ifstream(directory / "note") >> text;
    return text == "here";
  }));
  writer.join();
  fs::remove_all(directory);
}

TEST(HostEvents, TellOfTheEndOfAProcess) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte = 0;
    ::close(pipe[1]);
    (void)!::read(pipe[0], &byte, 1);
    ::_exit(0);
  }
  ::close(pipe[0]);
  HostEvents events;
  events.watch_end(pid);
  const auto has_ended = [pid] {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  };
  EXPECT_FALSE(has_ended());
  ::close(pipe[1]);
  EXPECT_TRUE(events.until(has_ended));
  ::waitpid(pid, nullptr, 0);
  events.watch_end(pid);  // of one that is gone too
  EXPECT_TRUE(events.until([] { return true; }));
}

TEST(HostEvents, GiveUpAtTheLimit) {
  HostEvents events;
  events.watch_links();
  int asked = 0;
  EXPECT_FALSE(events.until([&asked] { return ++asked > 100; }, std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace berth::test
