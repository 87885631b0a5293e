// SPDX-License-Identifier: Apache-2.0
// A plugin with a host role that does as it is told: orders come by a FIFO, one a line, and each
// call of the agent is a line of a journal, written before it is answered.
//
//   sick ID WORDS...   the device is unhealthy      well ID   it is healthy again
//   lose ID            the device vanishes          find ID   it is back
//   hang METHOD        calls of it are not answered ("prepare", "release", "discover", "sandbox")
//   block              prepare does not even return
//   go                 what hangs is answered, what blocks returns
//
// An order that was obeyed is a line "obeyed ORDER" of the journal.
#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "berth/plugin.hpp"
#include "berth/worker.hpp"

namespace {
using namespace berth;

// Of drivers that may be there or not: opening one shows nobody anything.
constexpr int kMajor = 10;
constexpr int kMinors[] = {229, 200, 237, 242};
constexpr int kDevices = 4;

v1::Device device(int number) {
  v1::Device out;
  out.set_id("dev-" + std::to_string(number));
  out.set_type("GPU");
  out.set_model("scripted");
  out.set_memory_mib(1024);
  out.set_share_milli(1000);
  out.set_healthy(true);
  (*out.mutable_topology())["numa"] = std::to_string(number / 2);
  (*out.mutable_topology())["driver"] = "1.0";
  return out;
}

class Scripted final : public sdk::HostRole {
 public:
  explicit Scripted(sdk::Host host) : HostRole(host), worker_(host) {
    auto& settings = host.settings();
    orders_ = settings.text("orders");
    journal_ = settings.text("journal");
    surrounds_ = settings.flag("surrounds", false);
    rules_ = settings.list("rules");
    for (int i = 0; i < kDevices; ++i) devices_["dev-" + std::to_string(i)] = device(i);
  }
  ~Scripted() override {
    go_on();
    worker_.stop();
    if (fifo_ >= 0) ::close(fifo_);
  }

  void describe(v1::Interface& self) const override { self.add_device_types("GPU"); }
  void activate(sdk::Completion<v1::Empty> done) override {
    if (!orders_.empty()) {
      // Both ends, so that it never ends.
      fifo_ = ::open(orders_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
      if (fifo_ < 0) return done.fail(sdk::fail(BERTH_PRECONDITION, "there are no orders"));
      worker_.post([this] { listen(); });
    }
    done.ok();
  }
  void discover(v1::DiscoverRequest, sdk::Completion<v1::DiscoverResponse> done) override {
    v1::DiscoverResponse response;
    *response.mutable_devices() = list().devices();
    answer("discover", [=] { done.ok(response); });
  }
  void prepare(v1::PrepareRequest request, sdk::Completion<v1::PrepareResponse> done) override {
    v1::PrepareResponse response;
    std::string ids;
    v1::OciEdits& edits = *response.mutable_edits();
    for (const v1::DeviceGrant& grant : request.grants()) {
      ids += (ids.empty() ? "" : ",") + grant.device_id();
      const int number = grant.device_id().back() - '0';
      v1::DeviceNode& node = *edits.add_device_nodes();
      node.set_path("/dev/scripted" + std::to_string(number));
      node.set_type("c");
      node.set_major(kMajor);
      node.set_minor(kMinors[number]);
      node.set_file_mode(0666);
    }
    edits.add_env("SCRIPTED_DEVICES=" + ids);
    v1::Mount& mount = *edits.add_mounts();
    mount.set_host_path("/proc/version");
    mount.set_container_path("/scripted-driver");
    mount.add_options("ro");
    note("prepare " + request.task_id() + " " + request.container() + " " + ids);
    {
      std::unique_lock lock(mutex_);
      freed_.wait(lock, [this] { return !blocks_; });
    }
    answer("prepare", [=] { done.ok(response); });
  }
  void release(v1::ReleaseRequest request, sdk::Completion<v1::Empty> done) override {
    note("release " + request.task_id());
    answer("release", [=] { done.ok(); });
  }
  void device_stats(v1::DeviceStatsRequest request,
                    sdk::Completion<v1::DeviceStatsResponse> done) override {
    v1::DeviceStatsResponse response;
    for (const std::string& id : request.device_ids()) {
      v1::DeviceStats& stats = *response.add_devices();
      stats.set_device_id(id);
      stats.set_utilization(0.5);
      stats.set_memory_used_mib(256);
      stats.set_memory_total_mib(1024);
    }
    done.ok(response);
  }
  void sandbox(v1::SandboxRequest request, sdk::Completion<v1::SandboxResponse> done) override {
    v1::SandboxResponse response;
    if (surrounds_) {
      note("sandbox " + request.task_id());
      response.mutable_edits()->add_env("SURROUNDED_BY=scripted");
    }
    answer("sandbox", [=] { done.ok(response); });
  }
  void sandbox_remove(v1::SandboxRemoveRequest request, sdk::Completion<v1::Empty> done) override {
    if (surrounds_) note("sandbox_remove " + request.task_id());
    done.ok();
  }
  void interface_rules(v1::InterfaceRulesRequest request,
                       sdk::Completion<v1::InterfaceRulesResponse> done) override {
    v1::InterfaceRulesResponse response;
    for (const std::string& rule : rules_) response.add_ingress(rule);
    if (!rules_.empty()) {
      note("rules " + request.task_id() + " " + request.interface() + " " + request.address());
    }
    done.ok(response);
  }

 private:
  // Now, or when it may go on.
  void answer(const std::string& method, const std::function<void()>& done) {
    {
      const std::lock_guard lock(mutex_);
      if (hangs_.contains(method)) return hanging_.push_back(done);
    }
    done();
  }
  void go_on() {
    std::vector<std::function<void()>> all;
    {
      const std::lock_guard lock(mutex_);
      hangs_.clear();
      blocks_ = false;
      all.swap(hanging_);
      freed_.notify_all();
    }
    for (const auto& done : all) done();
  }
  void note(const std::string& line) const {
    if (journal_.empty()) return;
    const int file = ::open(journal_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const std::string text = line + "\n";
    [[maybe_unused]] const auto written = ::write(file, text.data(), text.size());
    ::close(file);
  }
  v1::DeviceReport list() {
    const std::lock_guard lock(mutex_);
    v1::DeviceReport report;
    for (const auto& [id, one] : devices_) {
      if (!lost_.contains(id)) *report.add_devices() = one;
    }
    return report;
  }
  void listen() {
    worker_.when_readable(::dup(fifo_), [this] {
      char bytes[4096];
      const auto count = ::read(fifo_, bytes, sizeof bytes);
      if (count > 0) text_.append(bytes, static_cast<std::size_t>(count));
      for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
        obey(text_.substr(0, end));
        text_.erase(0, end + 1);
      }
      listen();
    });
  }
  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string order;
    std::string id;
    std::string why;
    words >> order >> id;
    std::getline(words >> std::ws, why);
    if (order == "go") {
      note("obeyed " + line);
      return go_on();
    }
    {
      const std::lock_guard lock(mutex_);
      if (order == "hang") hangs_.insert(id);
      if (order == "block") blocks_ = true;
      if (order == "lose") lost_.insert(id);
      if (order == "find") lost_.erase(id);
      if (order == "sick" || order == "well") {
        devices_[id].set_healthy(order == "well");
        devices_[id].set_unhealthy_reason(why);
      }
    }
    host().report(list());
    note("obeyed " + line);
  }

  std::string orders_;
  std::string journal_;
  bool surrounds_ = false;
  std::vector<std::string> rules_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::map<std::string, v1::Device> devices_;
  std::set<std::string> lost_;
  std::set<std::string> hangs_;
  std::vector<std::function<void()>> hanging_;
  bool blocks_ = false;
  int fifo_ = -1;
  std::string text_;
  sdk::Worker worker_;
};

constexpr sdk::About kAbout{.name = "scripted", .version = "1.0.0", .license = "Apache-2.0"};

}  // namespace

BERTH_EXPORT_PLUGIN(kAbout, Scripted);
