// SPDX-License-Identifier: Apache-2.0
// The smallest launch type: a task is one plain process of this machine. README.md walks through
// it.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "berth/plugin.hpp"
#include "berth/task_book.hpp"
#include "berth/worker.hpp"

namespace {
using namespace berth;
using sdk::Completion;

// Processes belong to the worker's thread, so there is no lock. What runs goes on when the plugin
// ends.
class Processes final : public sdk::LaunchType {
 public:
  explicit Processes(sdk::Host host) : LaunchType(host), book_(host), worker_(host) {}

  void describe(v1::Interface& self) const override {
    self.add_launch_types("EXTERNAL");
    self.set_hidden_nodes(true);
  }

  void activate(Completion<v1::Empty> done) override {
    v1::Node node;
    node.set_id("local");
    node.set_cluster(host().config().cluster());
    node.set_connected(true);
    *node.add_resources() = sdk::counter("CPU", sysconf(_SC_NPROCESSORS_ONLN) * 1024);
    *node.add_resources() =
        sdk::counter("MEMORY", sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024);
    inventory().set(std::move(node));
    inventory().publish();
    done.ok();
  }

  void plan(v1::PlanRequest request, Completion<v1::PlanResponse> done) override {
    v1::PlanResponse plan;
    v1::ecs::ContainerDefinition rest;
    const bool single = request.definition().container_definitions_size() == 1;
    if (single) rest = request.definition().container_definitions(0);
    plan.mutable_requirement()->set_cpu(rest.cpu());
    plan.mutable_requirement()->set_memory_mib(rest.memory());
    rest.clear_name(), rest.clear_image(), rest.clear_cpu(), rest.clear_memory();
    rest.clear_essential(), rest.clear_command(), rest.clear_stop_timeout();
    if (!single || rest.ByteSizeLong() > 0 || request.overrides().ByteSizeLong() > 0) {
      v1::Refusal& refusal = *plan.add_refusals();
      refusal.set_member("containerDefinitions");
      refusal.set_message(
          "Only name, image, cpu, memory, essential, command and stopTimeout of one container.");
      refusal.set_error(v1::Refusal::ERROR_UNSUPPORTED_FEATURE);
    }
    done.ok(plan);
  }

  void start(v1::StartTaskRequest request, Completion<v1::Empty> done) override {
    if (request.definition().container_definitions_size() != 1 ||
        request.definition().container_definitions(0).command().empty()) {
      return done.fail(sdk::fail(BERTH_INVALID, "not one container with a command", "definition"));
    }
    worker_.post([this, request, done] {
      const std::string& id = request.task_id();
      if (book_.find(id)) return done.ok();
      const auto& container = request.definition().container_definitions(0);
      const pid_t pid = spawn({container.command().begin(), container.command().end()});
      const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
      if (pidfd < 0) return done.fail(sdk::fail(BERTH_UNAVAILABLE, "no process can be made"));
      const int patience_s = container.has_stop_timeout() ? container.stop_timeout() : 30;
      processes_[id] = {pid, std::chrono::seconds(patience_s)};
      book_.add_running(request);
      done.ok();
      worker_.when_readable(pidfd, [this, id, name = container.name()] { ended(id, name); });
    });
  }

  void stop(v1::StopTaskRequest request, Completion<v1::Empty> done) override {
    worker_.post([this, request, done] {
      const std::string& id = request.task_id();
      if (!book_.find(id)) return done.fail(sdk::fail(BERTH_NOT_FOUND, "no such task"));
      done.ok();  // the rest is told by reports
      book_.update(id, [&](v1::TaskReport& report) {
        report.set_phase(v1::TASK_PHASE_STOPPING);
        report.set_stop_code(v1::STOP_CODE_USER_INITIATED);
        report.set_stopped_reason(request.reason());
      });
      signal(id, request.force() ? SIGKILL : SIGTERM);
    });
  }

  void list_owned(v1::ListOwnedRequest request, Completion<v1::ListOwnedResponse> done) override {
    done.ok(book_.list(request));
  }
  void recover(v1::RecoverRequest request, Completion<v1::RecoverResponse> done) override {
    done.ok(book_.recover(request));
  }
  void forget(v1::ForgetTasksRequest request, Completion<v1::Empty> done) override {
    book_.forget(request), done.ok();
  }

 private:
  struct Process {
    pid_t pid;
    std::chrono::seconds patience;  // between SIGTERM and SIGKILL
  };

  // In a session of its own, so that a signal reaches its children too, and without descriptors of
  // ours.
  static pid_t spawn(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    setsid();
    close_range(3, ~0U, 0);
    execvp(argv[0], argv.data());
    _exit(127);
  }

  void signal(const std::string& id, int number) {
    const auto it = processes_.find(id);
    if (it == processes_.end()) return;                                    // it has ended
    if (kill(-it->second.pid, number) != 0) kill(it->second.pid, number);  // not yet past setsid
    if (number == SIGKILL) return;
    worker_.post_after(it->second.patience, [this, id] { signal(id, SIGKILL); });
  }

  void ended(const std::string& id, const std::string& container) {
    int status = 0;
    waitpid(processes_.extract(id).mapped().pid, &status, 0);
    book_.container_exited(id, container,
                           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }

  sdk::TaskBook book_;
  std::map<std::string, Process> processes_;
  sdk::Worker worker_;
};

constexpr sdk::About kAbout{
    .name = "processes", .version = "1.0.0", .vendor = "Berth", .license = "Apache-2.0"};
}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, Processes);
