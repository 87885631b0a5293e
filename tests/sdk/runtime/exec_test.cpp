// SPDX-License-Identifier: Apache-2.0
// Processes inside real containers, beside their programs. Needs root.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/task/task_exec.hpp"
#include "tests/sdk/runtime/container_fixture.hpp"

namespace berth::runtime::test {
namespace {

// One exec with its client: what it wrote, and a window of input.
class Client {
 public:
  explicit Client(std::unique_ptr<ExecSession> process) : process_(std::move(process)) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      const ExecIo io{.output = [this](v1::StreamChunk::Channel channel,
                                       std::string_view data) { return take(channel, data); },
                      .grant_input = [this](std::uint32_t bytes) { grant(bytes); }};
      auto code = pump_exec(*process_, input_, io, stop);
      process_.reset();
      const std::lock_guard lock(mutex_);
      code_ = std::move(code);
      changed_.notify_all();
    });
  }

  void type(const std::string& data) {
    for (std::size_t at = 0; at < data.size();) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, 30s, [this] { return credit_ > 0 || code_; }) || code_) return;
      const auto size = std::min({data.size() - at, credit_, std::size_t{30'000}});
      credit_ -= size;
      lock.unlock();
      v1::StreamWrite write;
      write.set_data(data.substr(at, size));
      input_.push(std::move(write));
      at += size;
    }
  }
  void end_input() {
    v1::StreamWrite write;
    write.set_end_of_input(true);
    input_.push(std::move(write));
  }
  void signal(const std::string& name) {
    v1::StreamWrite write;
    write.set_signal(name);
    input_.push(std::move(write));
  }
  void resize(std::uint32_t rows, std::uint32_t columns) {
    v1::StreamWrite write;
    write.mutable_resize()->set_rows(rows);
    write.mutable_resize()->set_columns(columns);
    input_.push(std::move(write));
  }
  void cancel() { thread_.request_stop(); }
  // From now on what it writes is taken only while open.
  void hold(bool closed) {
    const std::lock_guard lock(mutex_);
    closed_ = closed;
    changed_.notify_all();
  }
  bool wrote(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return output_.find(text) != std::string::npos; });
  }
  sdk::Result<int> end() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 60s, [this] { return code_.has_value(); }))
      return sdk::fail(BERTH_DEADLINE, "no end");
    return *code_;
  }
  std::string output() {
    const std::lock_guard lock(mutex_);
    return output_;
  }
  std::string errors() {
    const std::lock_guard lock(mutex_);
    return errors_;
  }

 private:
  bool take(v1::StreamChunk::Channel channel, std::string_view data) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !closed_; });
    (channel == v1::StreamChunk::CHANNEL_STDERR ? errors_ : output_).append(data);
    changed_.notify_all();
    return true;
  }
  void grant(std::uint32_t bytes) {
    const std::lock_guard lock(mutex_);
    credit_ += bytes;
    changed_.notify_all();
  }

  std::unique_ptr<ExecSession> process_;
  ExecInput input_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string output_;
  std::string errors_;
  std::size_t credit_ = 0;
  bool closed_ = false;
  std::optional<sdk::Result<int>> code_;
  std::jthread thread_;  // last: the others outlive it
};

class Exec : public ContainerTest {
 protected:
  void begin(const ContainerSpec& one) {
    ASSERT_TRUE(runtime_->create(one));
    ASSERT_TRUE(runtime_->start(one.id));
  }
  void begin() { begin(spec("one", "sleep 1000")); }
  std::unique_ptr<Client> run(const std::string& script, bool input = false,
                              std::optional<WindowSize> terminal = {}) {
    auto process = runtime_->open_exec(
        "one", {.args = {"/bin/sh", "-c", script}, .input = input, .terminal = terminal});
    EXPECT_TRUE(process) << (process ? "" : process.error().message);
    return process ? std::make_unique<Client>(std::move(*process)) : nullptr;
  }
  // Processes of the container but its program.
  std::size_t others(const std::string& id = "one") {
    const auto cgroups = Cgroups::open();
    return cgroups->processes("/" + mark_ + "/" + id).size() - 1;
  }
  bool none_left() {
    berth::test::HostEvents events;
    events.watch_directory(dir_ / "state/execs");
    return events.until([this] { return others() == 0 && fs::is_empty(dir_ / "state/execs"); });
  }
};

TEST_F(Exec, GivesOutputErrorsAndExitCodeApart) {
  begin();
  auto client = run("echo out; echo err >&2; exit 42");
  EXPECT_EQ(client->end().value(), 42);
  EXPECT_EQ(client->output(), "out\n");
  EXPECT_EQ(client->errors(), "err\n");
  EXPECT_TRUE(none_left());
}

TEST_F(Exec, HasTheContainersUserDirectoryEnvironmentAndCapabilities) {
  auto one = spec("one", "sleep 1000");
  one.uid = 1000;
  one.gid = 1001;
  one.additional_gids = {2000};
  one.cwd = "/tmp";
  one.env = {"PATH=/bin", "COLOUR=green"};
  begin(one);
  auto client =
      run("id; pwd; echo $COLOUR; grep CapEff /proc/self/status; hostname; cat /proc/self/cgroup");
  EXPECT_EQ(client->end().value(), 0);
  const std::string text = client->output();
  EXPECT_NE(text.find("uid=1000 gid=1001"), std::string::npos) << text;
  EXPECT_NE(text.find("2000"), std::string::npos) << text;
  EXPECT_NE(text.find("\n/tmp\ngreen\nCapEff:\t0000000000000000\nbox\n"), std::string::npos)
      << text;
}

TEST_F(Exec, TellsSignalsAsExitCodes) {
  begin();
  EXPECT_EQ(run("kill -TERM $$")->end().value(), 143);
}

TEST_F(Exec, ReadsItsInputToTheEnd) {
  begin();
  auto client = run("cat; echo over", true);
  client->type("hello");
  client->end_input();
  EXPECT_EQ(client->end().value(), 0);
  EXPECT_EQ(client->output(), "helloover\n");
  EXPECT_EQ(run("cat; echo nothing")->end().value(), 0);  // without input there is none to wait for
}

TEST_F(Exec, CarriesTenMegabytesBothWaysUnbroken) {
  begin();
  std::string data;
  for (int i = 0; data.size() < 10'000'000; ++i) data += std::to_string(i * 7919) + "\n";
  auto client = run("cat", true);
  client->type(data);
  client->end_input();
  EXPECT_EQ(client->end().value(), 0);
  EXPECT_TRUE(client->output() == data) << client->output().size();
}

TEST_F(Exec, HoldsTheCommandBackWhileNobodyTakesItsOutput) {
  begin();
  auto client = run("dd if=/dev/zero bs=65536 count=64 2>/dev/null; touch /tmp/written; echo end");
  client->hold(true);
  // A signal still finds it.
  auto stuck = run("exec cat /dev/zero");
  stuck->hold(true);
  stuck->signal("KILL");
  client->hold(false);
  stuck->hold(false);
  EXPECT_EQ(client->end().value(), 0);
  EXPECT_EQ(client->output().size(), 64U * 65536 + 4);
  EXPECT_EQ(stuck->end().value(), 137);
}

TEST_F(Exec, EndsWithoutWaitingForWhatStaysInTheBackground) {
  begin();
  auto client = run("sleep 1000 & echo started");
  EXPECT_EQ(client->end().value(), 0);
  EXPECT_EQ(client->output(), "started\n");
  EXPECT_EQ(others(), 1U);  // it is the container's now
}

TEST_F(Exec, GivesATerminalOfTheClientsSize) {
  begin();
  auto client =
      run("tty >/dev/null 2>&1; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; stty size; "
          "trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 1; done",
          true, WindowSize{.rows = 33, .columns = 111});
  ASSERT_TRUE(client->wrote("ready"));
  EXPECT_NE(client->output().find("terminal\r\n33 111\r\n"), std::string::npos) << client->output();
  client->resize(50, 90);
  EXPECT_EQ(client->end().value(), 3);
  EXPECT_NE(client->output().find("50 90"), std::string::npos) << client->output();
}

TEST_F(Exec, HearsWhatIsTypedAtItsTerminal) {
  begin();
  auto client =
      run("trap 'echo interrupted; exit 9' INT; echo TERM=$TERM; while :; do sleep 1; done", true,
          WindowSize{});
  ASSERT_TRUE(client->wrote("TERM=xterm"));
  client->type("\x03");  // Ctrl-C
  EXPECT_EQ(client->end().value(), 9);
  EXPECT_NE(client->output().find("interrupted"), std::string::npos);
  auto reader = run("cat; echo done", true, WindowSize{});
  reader->type("line\n");
  ASSERT_TRUE(reader->wrote("line\r\nline\r\n"));  // the echo, and cat's
  reader->end_input();
  EXPECT_EQ(reader->end().value(), 0);
  EXPECT_TRUE(none_left());
}

TEST_F(Exec, PassesSignalsToAllThatTheCommandRuns) {
  begin();
  auto client = run("trap 'exit 5' INT; sh -c 'echo ready; exec sleep 1000'");
  ASSERT_TRUE(client->wrote("ready"));
  client->signal("INT");
  EXPECT_EQ(client->end().value(), 5);
  EXPECT_TRUE(none_left());
}

TEST_F(Exec, SaysWhatCannotBeRun) {
  begin();
  const auto process = runtime_->open_exec("one", {.args = {"/bin/nothing"}});
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().status, BERTH_INVALID) << process.error().message;
  EXPECT_NE(process.error().message.find("nothing"), std::string::npos) << process.error().message;
  EXPECT_TRUE(none_left());
  EXPECT_EQ(runtime_->open_exec("two", {.args = {"/bin/true"}}).error().status, BERTH_NOT_FOUND);
  ASSERT_TRUE(runtime_->create(spec("three", "true")));
  EXPECT_EQ(runtime_->open_exec("three", {.args = {"/bin/true"}}).error().status,
            BERTH_PRECONDITION);
}

// A shell with one child in the background, one whose parent has gone, and one in front. `ready`
// says that all are there.
constexpr const char* kFamily =
    "sleep 1001 & (sleep 1002 & sleep 1003 & touch /tmp/orphans); touch /tmp/ready; echo ready; "
    "sleep 1004";

TEST_F(Exec, IsEndedWithAllOfItsSessionWhenItsClientGoes) {
  begin();
  for (const auto& terminal :
       {std::optional<WindowSize>(), std::optional<WindowSize>(WindowSize{})}) {
    auto client = run(kFamily, true, terminal);
    ASSERT_TRUE(client->wrote("ready"));
    EXPECT_GE(others(), 4U);
    client->cancel();
    EXPECT_EQ(client->end().error().status, BERTH_CANCELLED);
    EXPECT_TRUE(none_left());
  }
  EXPECT_EQ(runtime_->inspect("one")->phase, ContainerPhase::Running);
}

// The pids of what runs execs for this test.
std::set<pid_t> exec_monitors(const std::string& mark) {
  std::set<pid_t> found;
  for (const pid_t pid : monitors(mark)) {
    if (slurp("/proc/" + std::to_string(pid) + "/cmdline").find("--exec") != std::string::npos)
      found.insert(pid);
  }
  return found;
}

TEST_F(Exec, IsEndedWhenTheProcessThatAskedForItIsKilled) {
  begin();
  for (int round = 0; round < 10; ++round) {
    const fs::path ready = dir_ / "rootfs/tmp/ready";
    fs::remove(ready);
    const pid_t agent = ::fork();
    if (agent == 0) {
      auto process = runtime_->open_exec("one", {.args = {"/bin/sh", "-c", kFamily}});
      for (;;) ::pause();
    }
    berth::test::HostEvents events;
    events.watch_directory(dir_ / "rootfs/tmp");
    ASSERT_TRUE(events.until([&] { return fs::exists(ready); }));
    const auto supervisors = exec_monitors(mark_);
    ::kill(agent, SIGKILL);
    ::waitpid(agent, nullptr, 0);
    berth::test::HostEvents ends;
    for (const pid_t pid : supervisors) ends.watch_end(pid);
    ASSERT_TRUE(ends.until([&] { return exec_monitors(mark_).empty(); }));
    EXPECT_EQ(others(), 0U) << "round " << round;
    // What is left on disk goes when the next one begins.
    runtime_->end_leftover_execs();
    EXPECT_TRUE(fs::is_empty(dir_ / "state/execs"));
  }
}

TEST_F(Exec, OfAKilledMonitorIsEndedByWhoStartedIt) {
  begin();
  auto client = run(kFamily);
  ASSERT_TRUE(client->wrote("ready"));
  for (const pid_t pid : exec_monitors(mark_)) ::kill(pid, SIGKILL);
  EXPECT_EQ(client->end().error().status, BERTH_UNAVAILABLE);
  EXPECT_TRUE(none_left());
}

TEST_F(Exec, OfAKilledMonitorAndAKilledProcessIsEndedByTheNextOne) {
  begin();
  const fs::path ready = dir_ / "rootfs/tmp/ready";
  const pid_t agent = ::fork();
  if (agent == 0) {
    auto process = runtime_->open_exec("one", {.args = {"/bin/sh", "-c", kFamily}});
    for (;;) ::pause();
  }
  berth::test::HostEvents events;
  events.watch_directory(dir_ / "rootfs/tmp");
  ASSERT_TRUE(events.until([&] { return fs::exists(ready); }));
  // Stopped first, so that neither sees the other's end.
  ::kill(agent, SIGSTOP);
  for (const pid_t pid : exec_monitors(mark_)) ::kill(pid, SIGKILL);
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);
  EXPECT_GE(others(), 4U);
  runtime_->end_leftover_execs();
  EXPECT_EQ(others(), 0U);
  EXPECT_TRUE(fs::is_empty(dir_ / "state/execs"));
}

TEST_F(Exec, EndsWithItsContainer) {
  begin();
  auto client = run("echo ready; sleep 1000");
  ASSERT_TRUE(client->wrote("ready"));
  ASSERT_TRUE(runtime_->remove("one"));
  EXPECT_EQ(client->end().value(), 137);
}

TEST_F(Exec, WorksTheSameUnderRunc) {
  auto other = open_runtime("runc");
  ASSERT_TRUE(other);
  runtime_ = std::move(other);
  begin();
  auto client = run("cat; echo err >&2; exit 4", true);
  client->type("runc");
  client->end_input();
  EXPECT_EQ(client->end().value(), 4);
  EXPECT_EQ(client->output(), "runc");
  EXPECT_EQ(client->errors(), "err\n");
  auto terminal = run("stty size; sleep 1000", true, WindowSize{.rows = 12, .columns = 34});
  ASSERT_TRUE(terminal->wrote("12 34"));
  terminal->type("\x03");
  EXPECT_EQ(terminal->end().value(), 130);
  auto family = run(kFamily);
  ASSERT_TRUE(family->wrote("ready"));
  family->cancel();
  EXPECT_EQ(family->end().error().status, BERTH_CANCELLED);
  EXPECT_TRUE(none_left());
  EXPECT_EQ(runtime_->open_exec("one", {.args = {"/bin/nothing"}}).error().status, BERTH_INVALID);
}

TEST_F(Exec, WorksInASandboxOfRunsc) {
  auto other = open_runtime("runsc");
  ASSERT_TRUE(other);
  runtime_ = std::move(other);
  begin();
  auto client = run("cat; echo err >&2; exit 4", true);
  client->type("runsc");
  client->end_input();
  EXPECT_EQ(client->end().value(), 4);
  EXPECT_EQ(client->output(), "runsc");
  EXPECT_EQ(client->errors(), "err\n");
  auto terminal = run("test -t 0 && test -t 1 && echo terminal; exec sleep 1000", true, WindowSize{.rows = 12, .columns = 34});
  ASSERT_TRUE(terminal->wrote("terminal")) << terminal->output() << terminal->errors();
  terminal->type("\x03");
  EXPECT_EQ(terminal->end().value(), 130);
  auto trapping = run("trap 'exit 9' TERM; echo ready; while true; do sleep 0.1; done");
  ASSERT_TRUE(trapping->wrote("ready"));
  trapping->signal("SIGTERM");
  EXPECT_EQ(trapping->end().value(), 9);
  auto cancelled = run("echo ready; exec sleep 4321");
  ASSERT_TRUE(cancelled->wrote("ready"));
  cancelled->cancel();
  EXPECT_EQ(cancelled->end().error().status, BERTH_CANCELLED);
  // The host sees none of its processes: the sandbox is asked.
  bool left = true;
  for (int tries = 0; left && tries < 50; ++tries) {
    auto look = run("cat /proc/[0-9]*/cmdline");
    EXPECT_TRUE(look->end());
    left = look->output().find("4321") != std::string::npos;
  }
  EXPECT_FALSE(left);
  EXPECT_TRUE(runtime_->open_exec("one", {.args = {"/bin/nothing"}}).error().status == BERTH_INVALID);
}

}  // namespace
}  // namespace berth::runtime::test
