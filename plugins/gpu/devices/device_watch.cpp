// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/device_watch.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

namespace berth::gpu {

// Where driver threads put their answers. It outlives the watch where one of them hangs.
struct DeviceWatch::Inbox {
  std::mutex mutex;
  std::optional<nvml::Scan> nvml;
  std::optional<std::vector<amd::Gpu>> amd;
  std::function<void()> wake;  // empty once the watch is gone

  template <typename Answer>
  void put(std::optional<Answer>& slot, Answer answer) {
    const std::lock_guard lock(mutex);
    slot = std::move(answer);
    if (wake) wake();
  }
};

// Answers of several drivers to one question.
struct DeviceWatch::Gathering {
  Gathering(int drivers, std::function<void(Stats)> callback)
      : open(drivers), done(std::move(callback)) {}

  void add(Stats more) {
    const std::lock_guard lock(mutex);
    stats.insert(stats.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
    if (--open == 0) end();
  }
  void give_up() {
    const std::lock_guard lock(mutex);
    end();
  }

 private:
  void end() {
    if (done) std::exchange(done, {})(std::move(stats));
  }

  std::mutex mutex;
  int open;
  Stats stats;
  std::function<void(Stats)> done;
};

DeviceWatch::DeviceWatch(const sdk::Host& host, Config config)
    : host_(host),
      config_(std::move(config)),
      inbox_(std::make_shared<Inbox>()),
      amd_thread_(config_.driver_timeout),
      catalog_(config_.cdi_dirs),
      list_(config_),
      worker_(host) {
  if (config_.nvml_library.empty()) {
    sources_.nvml = nvml::Scan{};  // there is no library to wait for
    return;
  }
  nvml_ = std::make_shared<nvml::Nvml>(config_.nvml_library, config_.xid_quarantine);
  nvml_thread_ = std::make_unique<DriverThread>(
      config_.driver_timeout, [nvml = nvml_](const Alive&) { nvml->shut_down(); });
}

DeviceWatch::~DeviceWatch() {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->wake = {};
  }
  worker_.stop();
}

void DeviceWatch::begin(std::function<void()> ready) {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->wake = [this] { worker_.post([this] { look(); }); };
  }
  worker_.post([this, ready = std::move(ready)]() mutable {
    ready_ = std::move(ready);
    tick();
  });
  worker_.post_after(config_.driver_timeout, [this] {
    if (ready_) std::exchange(ready_, {})();
  });
}

void DeviceWatch::with_devices(std::function<void(const DeviceList&, const cdi::Catalog&)> job) {
  worker_.post([this, job = std::move(job)] { job(list_, catalog_); });
}

void DeviceWatch::tick() {
  if (nvml_ && !nvml_asked_) {
    nvml_asked_ = nvml_thread_->post([nvml = nvml_, inbox = inbox_](const Alive& alive) {
      inbox->put(inbox->nvml, nvml->scan(nvml::Nvml::Clock::now(), alive));
    });
  }
  if (!amd_asked_) {
    amd_asked_ = amd_thread_.post([root = config_.sysfs_root, inbox = inbox_](const Alive&) {
      inbox->put(inbox->amd, amd::scan(root));
    });
  }
  look();
  worker_.post_after(config_.poll_interval, [this] { tick(); });
  // A hang is seen when it is one, not at the next tick.
  worker_.post_after(config_.driver_timeout + std::chrono::milliseconds(1), [this] { look(); });
}

void DeviceWatch::take_answers() {
  const std::lock_guard lock(inbox_->mutex);
  if (inbox_->nvml) {
    sources_.nvml = std::move(inbox_->nvml);
    inbox_->nvml.reset();
    nvml_asked_ = false;
  }
  if (inbox_->amd) {
    sources_.amd = std::move(inbox_->amd);
    inbox_->amd.reset();
    amd_asked_ = false;
  }
}

void DeviceWatch::look() {
  take_answers();
  sources_.nvml_hangs = nvml_thread_ && nvml_thread_->hangs();
  sources_.amd_hangs = amd_thread_.hangs();
  catalog_.refresh();
  const DeviceList before = list_;
  if (list_.update(sources_, catalog_)) tell(before);
  complain();
  if (ready_ && sources_.nvml && sources_.amd) std::exchange(ready_, {})();
}

void DeviceWatch::tell(const DeviceList& before) {
  host_.report(list_.report());
  for (const auto& [id, listed] : list_.all()) {
    const auto was = before.all().find(id);
    const bool was_healthy = was != before.all().end() && was->second.device.healthy();
    const v1::Device& device = listed.device;
    if (device.healthy() && !was_healthy) {
      host_.info("GPU " + id + " (" + device.model() + ") is offered");
    } else if (!device.healthy() &&
               (was_healthy || was == before.all().end() ||
                was->second.device.unhealthy_reason() != device.unhealthy_reason())) {
      host_.warn("GPU " + id + " is not offered: " + device.unhealthy_reason());
    }
  }
}

// Each problem once, when it begins.
void DeviceWatch::complain() {
  std::set<std::string> now;
  for (const std::string& problem : catalog_.problems()) now.insert("CDI: " + problem);
  if (sources_.nvml && sources_.nvml->has_library && !sources_.nvml->problem.empty()) {
    now.insert("NVML: " + sources_.nvml->problem);
  }
  for (const auto& [id, listed] : list_.all()) {
    if (listed.device.healthy() && !listed.no_way.empty()) {
      now.insert("GPU " + id + " can be given to no container now: " + listed.no_way);
    }
  }
  for (const std::string& each : now) {
    if (!complaints_.contains(each)) host_.warn(each);
  }
  complaints_ = std::move(now);
}

void DeviceWatch::stats(std::vector<std::string> ids, std::function<void(Stats)> done) {
  worker_.post([this, ids = std::move(ids), done = std::move(done)]() mutable {
    ask_stats(std::move(ids), std::move(done));
  });
}

void DeviceWatch::ask_stats(std::vector<std::string> ids, std::function<void(Stats)> done) {
  const auto is_wanted = [&ids](const std::string& id) {
    return ids.empty() || std::ranges::find(ids, id) != ids.end();
  };
  std::vector<std::string> of_nvml;
  if (nvml_ && sources_.nvml) {
    for (const nvml::Gpu& gpu : sources_.nvml->gpus) {
      if (is_wanted(gpu.uuid)) of_nvml.push_back(gpu.uuid);
    }
  }
  std::vector<amd::Gpu> of_amd;
  for (const amd::Gpu& gpu : sources_.amd.value_or(std::vector<amd::Gpu>())) {
    if (is_wanted(gpu.id)) of_amd.push_back(gpu);
  }
  const auto gathering = std::make_shared<Gathering>(2, std::move(done));
  worker_.post_after(config_.driver_timeout, [gathering] { gathering->give_up(); });
  const bool asks_nvml = !of_nvml.empty() &&
                         nvml_thread_->post([nvml = nvml_, of_nvml, gathering](const Alive& alive) {
                           gathering->add(nvml->stats(of_nvml, alive));
                         });
  if (!asks_nvml) gathering->add({});
  const bool asks_amd = !of_amd.empty() && amd_thread_.post([root = config_.sysfs_root, of_amd,
                                                             gathering](const Alive&) {
    gathering->add(amd::stats(root, of_amd));
  });
  if (!asks_amd) gathering->add({});
}

}  // namespace berth::gpu
