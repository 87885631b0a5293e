// SPDX-License-Identifier: Apache-2.0
// Kills an agent by SIGKILL at every named point of a task's life and looks at what really ran: each start of a container
// connects to this test, so no record of Berth's is asked.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "tests/sdk/runtime/task_host_support.hpp"
#include "tests/sdk/runtime/task_support.hpp"
#include "tests/sdk/runtime/user_namespaces.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using testing::kTaskId;
using testing::Place;
using testing::Registry;
using testing::request_of;

constexpr std::chrono::seconds kPatience{20};
constexpr const char* kSubnet = "10.213.77.0/24";
constexpr const char* kGateway = "10.213.77.1";

// Counts the starts of programs by the line that each sends, and how many still live: each keeps its connection as long as it
// runs. One that says "first" is let go at once.
class StartMarks {
 public:
  // The address need not exist yet.
  explicit StartMarks(const std::string& on) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, on.c_str(), &address.sin_addr);
    socklen_t size = sizeof address;
    const int yes = 1;
    ::setsockopt(listener_, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    if (::pipe2(end_, O_CLOEXEC) != 0) std::abort();
    thread_ = std::thread([this] { run(); });
  }
  ~StartMarks() {
    ::close(end_[1]);
    thread_.join();
    ::close(end_[0]);
    ::close(listener_);
    for (const int fd : connections_) ::close(fd);
  }
  StartMarks(const StartMarks&) = delete;
  StartMarks& operator=(const StartMarks&) = delete;

  [[nodiscard]] int port() const { return port_; }
  int starts(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return starts_[name];
  }
  // Until so many live.
  bool await_living(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return connections_.size() == count; });
  }

 private:
  void run() {
    for (;;) {
      std::vector<pollfd> polled = {{end_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const int fd : connections_) polled.push_back({fd, POLLIN, 0});
      if (::poll(polled.data(), polled.size(), -1) < 0 || polled[0].revents != 0) return;
      for (std::size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents != 0) look_at(polled[i].fd);
      }
      if (polled[1].revents != 0) take();
    }
  }
  void take() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    std::string line;
    for (char byte = 0; ::read(fd, &byte, 1) == 1 && byte != '\n';) line += byte;
    const std::lock_guard lock(mutex_);
    ++starts_[line];
    if (line == "web") {
      connections_.push_back(fd);
    } else {
      ::close(fd);
    }
    changed_.notify_all();
  }
  void look_at(int fd) {
    char bytes[64];
    if (::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) return;
    const std::lock_guard lock(mutex_);
    std::erase(connections_, fd);
    ::close(fd);
    changed_.notify_all();
  }
  int listener_;
  int end_[2] = {-1, -1};  // closed by the destructor, which ends the thread
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> starts_;
  std::vector<int> connections_;  // changed by the thread alone
  std::thread thread_;
};

// The agent, a process of its own.
class Agent {
 public:
  // `more` are words of the command line.
  Agent(const Place& place, const Registry& registry, const std::string& failpoint, const std::vector<std::string>& more = {}) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    const std::string data = place.data_dir();
    const std::string url = registry.url();
    const std::string armed = "BERTH_FAILPOINT=" + failpoint;
    std::vector<const char*> args = {BERTH_TEST_AGENT, data.c_str(), BERTH_TEST_MONITOR, place.name().c_str(), url.c_str(), kSubnet};
    for (const auto& word : more) args.push_back(word.c_str());
    args.push_back(nullptr);
    std::vector<const char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    if (!failpoint.empty()) environment.push_back(armed.c_str());
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (::posix_spawn(&pid_, BERTH_TEST_AGENT, &actions, nullptr, const_cast<char**>(args.data()),
                      const_cast<char**>(environment.data())) != 0) {
      std::abort();
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  ~Agent() {
    ::close(in_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    ::close(out_);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void tell(const std::string& line) {
    const std::string text = line + "\n";
    (void)!::write(in_, text.data(), text.size());
  }
  // Reads on until the line comes. False: the agent is gone, or time is up.
  bool await(const std::string& line) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      if (const auto found = lines_.find(line); found != lines_.end()) return true;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd out{out_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&out, 1, static_cast<int>(left.count())) != 1 || !read_more()) return false;
    }
  }
  bool await_phase(v1::TaskPhase phase) {
    return await("report " + std::to_string(phase) + " " + kTaskId);
  }
  // Whether it died by SIGKILL; waits for its end.
  bool was_killed() {
    int status = 0;
    while (read_more()) continue;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  [[nodiscard]] std::string transcript() const { return all_; }

 private:
  bool read_more() {
    char buffer[4096];
    const ssize_t got = ::read(out_, buffer, sizeof buffer);
    if (got <= 0) return false;
    all_.append(buffer, static_cast<std::size_t>(got));
    rest_.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = rest_.find('\n')) != std::string::npos; rest_.erase(0, end + 1)) {
      lines_.insert(rest_.substr(0, end));
    }
    return true;
  }
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string rest_;
  std::string all_;
  std::set<std::string> lines_;
};

class TasksCrash : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { registry_ = new Registry(BERTH_TEST_REGISTRY); }
  static void TearDownTestSuite() {
    delete registry_;
    registry_ = nullptr;
  }
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(registry_->works());
    auto request = request_of({{.name = "first", .essential = false}, {.name = "web", .needs = {{"first", "SUCCESS"}}}});
    request.mutable_definition()->set_network_mode(bridge_ ? "bridge" : "host");
    if (bridge_) {
      request.mutable_definition()->mutable_container_definitions(1)->add_port_mappings()->set_container_port(80);
    }
    for (auto& container : *request.mutable_definition()->mutable_container_definitions()) {
      container.set_image(registry_->image());
      container.set_memory(32);
      container.add_command("/bin/sh");
      container.add_command("-c");
    }
    if (options_) add_options(request);
    if (devices_) add_devices(request);
    const std::string where = std::string(bridge_ ? kGateway : "127.0.0.1") + " " + std::to_string(marks_.port());
    request.mutable_definition()->mutable_container_definitions(0)->add_command(
        "echo first | nc " + where);
    request.mutable_definition()->mutable_container_definitions(1)->add_command(
        "trap 'exit 5' TERM; (echo web; exec sleep 1000) | nc " + where + " & wait");
    fs::create_directories(place_.data_dir());
    file_ = place_.data_dir() / "request";
    std::ofstream(file_, std::ios::binary) << request.SerializeAsString();
  }

  // Shared namespaces, and volumes of each kind that the host has to make, fill or mount.
  static void add_options(v1::StartTaskRequest& request) {
    auto& definition = *request.mutable_definition();
    definition.set_pid_mode("task");
    definition.set_ipc_mode("task");
    definition.add_volumes()->set_name("pages");
    auto& mounted = *definition.add_volumes();
    mounted.set_name("mounted");
    auto& docker = *mounted.mutable_docker_volume_configuration();
    docker.set_scope("shared");
    docker.set_autoprovision(true);
    (*docker.mutable_driver_opts())["type"] = "tmpfs";
    (*docker.mutable_driver_opts())["device"] = "tmpfs";
    for (auto& container : *definition.mutable_container_definitions()) {
      for (const auto& [volume, path] : {std::pair("pages", "/www"), std::pair("mounted", "/mounted")}) {
        auto& point = *container.add_mount_points();
        point.set_source_volume(volume);
        point.set_container_path(path);
      }
    }
  }

  // Stops, forgets and ends: each program began once, and nothing is left.
  void end_and_check(Agent& agent) {
    agent.tell(std::string("stop ") + kTaskId);
    ASSERT_TRUE(agent.await_phase(v1::TASK_PHASE_STOPPED)) << agent.transcript();
    EXPECT_EQ(marks_.starts("first"), 1);
    EXPECT_EQ(marks_.starts("web"), 1);
    EXPECT_TRUE(marks_.await_living(0));
    agent.tell(std::string("forget ") + kTaskId);
    agent.tell("quit");
    EXPECT_FALSE(agent.was_killed());
    EXPECT_THAT(place_.leftovers(), IsEmpty());
  }

  // One for each container.
  static void add_devices(v1::StartTaskRequest& request) {
    for (const auto& [container, device] : {std::pair("first", "dev-0"), std::pair("web", "dev-1")}) {
      auto& grant = *request.mutable_allocation()->add_devices();
      grant.set_container(container);
      grant.set_device_id(device);
      grant.set_share_milli(1000);
    }
  }
  // What the plugin was asked last is to take everything back.
  void expect_released() const {
    std::ifstream journal(place_.data_dir() / "journal");
    std::vector<std::string> lines;
    for (std::string line; std::getline(journal, line);) lines.push_back(line.substr(0, line.find(' ')));
    ASSERT_GE(lines.size(), 2U);
    EXPECT_EQ(lines[lines.size() - 2], "release");
    EXPECT_EQ(lines.back(), "sandbox_remove");
  }

  static Registry* registry_;
  static constexpr std::string_view kDevices = "devices ";
  static constexpr std::string_view kBridge = "bridge ";
  static constexpr std::string_view kOptions = "options ";
  const bool bridge_ = std::string_view(GetParam()).starts_with(kBridge);  // the host's network otherwise
  const bool options_ = std::string_view(GetParam()).starts_with(kOptions);
  const bool devices_ = std::string_view(GetParam()).starts_with(kDevices);
  const std::vector<std::string> plugin_ = devices_ ? std::vector<std::string>{BERTH_SCRIPTED_PLUGIN} : std::vector<std::string>();
  const std::string point_ =
      GetParam() + (bridge_ ? kBridge.size() : options_ ? kOptions.size() : devices_ ? kDevices.size() : 0);
  Place place_{"crash", BERTH_TEST_MONITOR};
  StartMarks marks_{bridge_ ? kGateway : "127.0.0.1"};
  fs::path file_;
};
Registry* TasksCrash::registry_ = nullptr;

// Drives a task from its start to its removal. The agent dies at the point, and another one takes over where it was.
TEST_P(TasksCrash, LosesNothingAndRunsNothingTwice) {
  bool was_stopping = false;
  {
    Agent agent(place_, *registry_, point_, plugin_);
    agent.tell("start " + file_.string());
    if (agent.await_phase(v1::TASK_PHASE_RUNNING)) {
      was_stopping = true;
      ASSERT_TRUE(marks_.await_living(1));
      agent.tell(std::string("stop ") + kTaskId);
    }
    ASSERT_TRUE(agent.was_killed()) << "the point was not passed:\n" << agent.transcript();
  }
  Agent agent(place_, *registry_, "", plugin_);
  ASSERT_TRUE(agent.await("open")) << agent.transcript();
  agent.tell("start " + file_.string());  // as the control plane would, which has heard no answer
  ASSERT_TRUE(agent.await("ok")) << agent.transcript();
  if (!was_stopping) {
    ASSERT_TRUE(agent.await_phase(v1::TASK_PHASE_RUNNING)) << agent.transcript();
    ASSERT_TRUE(marks_.await_living(1));
  }
  end_and_check(agent);
  if (devices_) expect_released();
}

using TasksRestartCrash = TasksCrash;

// A container that ends once and is started again by its policy: two starts, whatever dies in between.
TEST_P(TasksRestartCrash, RestartsOnceAndRunsNothingTwice) {
  auto request = request_of({{.name = "web", .restart_period = 0}});
  auto& container = *request.mutable_definition()->mutable_container_definitions(0);
  container.set_image(registry_->image());
  container.set_memory(32);
  request.mutable_definition()->set_network_mode("host");
  const std::string where = "127.0.0.1 " + std::to_string(marks_.port());
  const std::string script = "[ -e /tmp/ran ] || { touch /tmp/ran; echo first | nc " + where +
                             "; exit 1; }; trap 'exit 7' TERM; (echo web; exec sleep 1000) | nc " + where + " & wait";
  for (const std::string& word : {std::string("/bin/sh"), std::string("-c"), script}) container.add_command(word);
  std::ofstream(file_, std::ios::binary) << request.SerializeAsString();
  {
    Agent agent(place_, *registry_, point_);
    agent.tell("start " + file_.string());
    ASSERT_TRUE(agent.was_killed()) << "the point was not passed:\n" << agent.transcript();
  }
  Agent agent(place_, *registry_, "");
  ASSERT_TRUE(agent.await("open")) << agent.transcript();
  ASSERT_TRUE(marks_.await_living(1));
  end_and_check(agent);
}

// Tasks whose containers have ids of their own: the range, what is mounted for it and the namespaces are taken up again.
class TasksIdsCrash : public TasksCrash {
 protected:
  void SetUp() override {
    if (!testing::kernel_makes_user_namespaces()) GTEST_SKIP() << "no user namespaces can be made here";
    TasksCrash::SetUp();
  }
  void TearDown() override {
    std::error_code error;
    fs::remove(roots_, error);
  }
  // The first of the host's ids that the program's root is; 0 where it is none of the range.
  [[nodiscard]] std::uint32_t first_id() const {
    for (const pid_t pid : programs()) {
      std::ifstream map("/proc/" + std::to_string(pid) + "/uid_map");
      std::uint32_t inside = 1;
      std::uint32_t outside = 0;
      if (map >> inside >> outside && inside == 0 && outside >= kFirstId) return outside;
    }
    return 0;
  }
  // In the task's cgroups: whatever hierarchy lists them.
  [[nodiscard]] std::vector<pid_t> programs() const {
    std::vector<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cgroup");
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      if (text.find("/" + place_.name() + "/" + kTaskId) != std::string::npos) {
        found.push_back(std::atoi(entry.path().filename().c_str()));
      }
    }
    return found;
  }
  [[nodiscard]] bool is_mounted_below_roots() const {
    std::ifstream table("/proc/self/mountinfo");
    const std::string text{std::istreambuf_iterator<char>(table), {}};
    return text.find(" " + roots_.string() + "/") != std::string::npos;
  }

  static constexpr std::uint32_t kFirstId = 900'000;
  const fs::path roots_ = "/run/" + place_.name() + "-roots";
  const std::vector<std::string> words_ = {std::to_string(kFirstId), roots_.string()};
};

TEST_P(TasksIdsCrash, KeepTheirIdsAndLeaveNothing) {
  bool was_stopping = false;
  {
    Agent agent(place_, *registry_, point_, words_);
    agent.tell("start " + file_.string());
    if (agent.await_phase(v1::TASK_PHASE_RUNNING)) {
      was_stopping = true;
      ASSERT_TRUE(marks_.await_living(1));
      EXPECT_EQ(first_id(), kFirstId);
      agent.tell(std::string("stop ") + kTaskId);
    }
    ASSERT_TRUE(agent.was_killed()) << "the point was not passed:\n" << agent.transcript();
  }
  Agent agent(place_, *registry_, "", words_);
  ASSERT_TRUE(agent.await("open")) << agent.transcript();
  if (!was_stopping) {
    agent.tell("start " + file_.string());
    ASSERT_TRUE(agent.await_phase(v1::TASK_PHASE_RUNNING)) << agent.transcript();
    ASSERT_TRUE(marks_.await_living(1));
    EXPECT_EQ(first_id(), kFirstId) << "it has the range that it was given first";
    EXPECT_TRUE(is_mounted_below_roots());
  }
  end_and_check(agent);
  EXPECT_FALSE(is_mounted_below_roots());
  EXPECT_TRUE(fs::is_empty(roots_));
  EXPECT_TRUE(fs::is_empty(place_.data_dir() / "ids"));
}

std::vector<pid_t> monitors_of(const Place& place) {
  auto pids = place.processes();
  std::erase_if(pids, [](pid_t pid) {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
    return name != "berth-monitor";
  });
  return pids;
}

// Kills all monitors of the place, not what they watch, and waits for their ends.
void kill_monitors(const Place& place) {
  const auto monitors = monitors_of(place);
  ASSERT_FALSE(monitors.empty());
  berth::test::HostEvents ends;
  for (const pid_t pid : monitors) {
    ends.watch_end(pid);
    ::kill(pid, SIGKILL);
  }
  ASSERT_TRUE(ends.until([&] { return monitors_of(place).empty(); }));
  ASSERT_FALSE(place.processes().empty()) << "the containers wait on";
}

using TasksMonitorCrash = TasksCrash;

TEST_P(TasksMonitorCrash, BeforeTheProgramRanCostsNothing) {
  {
    Agent agent(place_, *registry_, point_);
    agent.tell("start " + file_.string());
    ASSERT_TRUE(agent.was_killed()) << "the point was not passed:\n" << agent.transcript();
  }
  kill_monitors(place_);
  Agent agent(place_, *registry_, "");
  ASSERT_TRUE(agent.await_phase(v1::TASK_PHASE_RUNNING)) << agent.transcript();
  EXPECT_TRUE(marks_.await_living(1));
  agent.tell(std::string("stop ") + kTaskId);
  ASSERT_TRUE(agent.await_phase(v1::TASK_PHASE_STOPPED)) << agent.transcript();
  EXPECT_EQ(marks_.starts("first"), 1);
  EXPECT_EQ(marks_.starts("web"), 1);
  agent.tell(std::string("forget ") + kTaskId);
  agent.tell("quit");
  EXPECT_FALSE(agent.was_killed());
  EXPECT_THAT(place_.leftovers(), IsEmpty());
}

std::string test_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace_if(name.begin(), name.end(), [](char c) { return c == '.' || c == ':' || c == ' '; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    AtEachPoint, TasksCrash,
    ::testing::Values("task.before_commit", "task.after_commit", "task.before_commit:2", "task.after_commit:2",
                      "task.before_commit:3", "task.after_commit:3", "task.before_commit:4", "task.after_commit:4",
                      "task.before_commit:5", "task.after_commit:5", "task.before_pull", "task.after_pull",
                      "task.before_launch", "task.before_attach", "task.after_attach", "task.before_create",
                      "task.after_create", "task.after_launch", "task.before_launch:2", "task.before_create:2",
                      "task.after_create:2", "task.after_launch:2", "task.before_signal", "task.after_signal",
                      "task.before_remove", "task.after_runtime_remove", "task.after_remove", "task.before_remove:2",
                      "task.after_runtime_remove:2", "task.after_remove:2", "task.before_cleanup", "task.after_cleanup",
                      "bridge task.before_attach", "bridge task.after_attach", "bridge task.before_create",
                      "bridge task.after_create", "bridge task.after_launch:2", "bridge task.after_runtime_remove:2",
                      "bridge task.before_cleanup", "options volume.while_filling", "options volume.after_hold",
                      "options volume.after_mount", "options task.after_namespaces", "options task.after_create",
                      "options task.after_launch:2", "options task.before_cleanup", "options task.before_volumes",
                      "options volume.before_removal", "options task.after_cleanup", "devices task.after_surround",
                      "devices task.before_prepare", "devices task.after_prepare", "devices task.after_create",
                      "devices task.after_prepare:2", "devices task.after_launch:2", "devices task.before_release",
                      "devices task.after_cleanup"),
    test_name);
INSTANTIATE_TEST_SUITE_P(AtEachPoint, TasksRestartCrash,
                         ::testing::Values("task.before_commit:4", "task.after_commit:4", "task.before_commit:5",
                                           "task.after_commit:5", "task.before_launch:2", "task.before_attach:2",
                                           "task.after_attach:2", "task.before_create:2", "task.after_create:2",
                                           "task.after_launch:2"),
                         test_name);
INSTANTIATE_TEST_SUITE_P(AtEachPoint, TasksIdsCrash,
                         ::testing::Values("bridge task.after_attach", "bridge task.after_ids", "bridge task.before_create",
                                           "bridge task.after_create", "bridge task.after_create:2",
                                           "bridge task.after_launch:2", "bridge task.before_signal",
                                           "bridge task.after_runtime_remove:2", "bridge task.after_remove:2",
                                           "bridge task.before_volumes", "bridge task.after_cleanup"),
                         test_name);
INSTANTIATE_TEST_SUITE_P(AtEachPoint, TasksMonitorCrash,
                         ::testing::Values("task.after_create", "bridge task.after_create:2"), test_name);

}  // namespace
}  // namespace berth::runtime
