// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/host_plugins.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "berth/host_role.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kFirstDevices{5'000};
constexpr milliseconds kPreparePatience{10'000};
constexpr milliseconds kReleasePatience{5'000};
constexpr milliseconds kRulesPatience{5'000};
constexpr milliseconds kStatsPatience{1'000};

}  // namespace

HostPlugins::HostPlugins(Config config) : config_(std::move(config)) {}

sdk::Result<std::unique_ptr<HostPlugins>> HostPlugins::open(Config config) {
  std::unique_ptr<HostPlugins> all(new HostPlugins(std::move(config)));
  // Before any plugin is made: what it answers is heard there.
  all->loop_.start([raw = all.get()](loading::Instant now) {
    std::optional<loading::Instant> next;
    if (!raw->all_in_) return next;
    for (const auto& [name, plugin] : raw->plugins_) {
      const auto when = plugin->tick(now);
      if (when && (!next || *when < *next)) next = when;
    }
    return next;
  });
  for (const auto& [name, settings] : all->config_.plugins) {
    if (!settings.enabled) continue;
    if (auto loaded = all->load(name, settings); !loaded) return loaded.error();
  }
  all->all_in_ = true;
  for (const auto& [name, plugin] : all->plugins_) plugin->activate();
  all->await_devices();
  return all;
}

HostPlugins::~HostPlugins() {
  begin_close();
  for (const auto& [name, plugin] : plugins_) plugin->close();
  loop_.stop();
}

void HostPlugins::begin_close() {
  closing_.request_stop();
}

sdk::Result<void> HostPlugins::load(const std::string& name, const HostPluginSettings& settings) {
  auto file = settings.path.empty() ? loading::Loader::find(name, config_.directories)
                                    : sdk::Result<fs::path>(settings.path);
  if (!file) return sdk::fail(file.error().status, file.error().message, "plugins." + name);
  auto library = loader_.load(*file);
  if (!library) {
    return sdk::fail(library.error().status, library.error().message, "plugins." + name);
  }
  if ((*library)->name() != name) {
    return sdk::fail(BERTH_INVALID,
                     file->string() + " is the plugin " + (*library)->name() + ", not " + name,
                     "plugins." + name);
  }
  v1::PluginConfig config;
  config.mutable_settings()->insert(settings.settings.begin(), settings.settings.end());
  const fs::path data_dir = config_.data_dir / name;
  std::error_code error;
  fs::create_directories(data_dir, error);
  if (!error) fs::permissions(data_dir, fs::perms::owner_all, error);
  if (error) {
    return sdk::fail(BERTH_INTERNAL, "cannot make " + data_dir.string() + ": " + error.message());
  }
  config.set_data_dir(data_dir.string());
  config.set_cluster(config_.cluster);
  config.add_interfaces(sdk::HostRole::kInterface);
  auto plugin = HostPlugin::open(
      *library, config,
      {.post = loop_.post(),
       .now = [] { return PluginLoop::now(); },
       .told = [this](const std::string& by, const v1::DeviceReport& report) { told(by, report); },
       .silent = [this](const std::string& by) { silent(by); }});
  if (!plugin) {
    return sdk::fail(plugin.error().status, plugin.error().message, "plugins." + name);
  }
  {
    const std::lock_guard lock(mutex_);
    devices_.expect(name);
  }
  plugins_.emplace(name, std::move(*plugin));
  return {};
}

void HostPlugins::await_devices() {
  std::unique_lock lock(mutex_);
  if (!told_.wait_for(lock, kFirstDevices, [this] { return devices_.is_whole(); })) {
    spdlog::warn("not every plugin has told its devices yet; they are offered once it has");
  }
}

// ---- On the loop

void HostPlugins::told(const std::string& plugin, const v1::DeviceReport& report) {
  std::vector<std::string> complaints;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    const auto bytes_of = [](const std::vector<v1::Resource>& all) {
      std::string bytes;
      for (const v1::Resource& one : all) bytes += one.SerializeAsString();
      return bytes;
    };
    const bool was_whole = devices_.is_whole();
    const std::string before = bytes_of(devices_.resources());
    complaints = devices_.tell(plugin, report);
    changed = before != bytes_of(devices_.resources()) || was_whole != devices_.is_whole();
    told_.notify_all();
  }
  for (const std::string& complaint : complaints) {
    spdlog::warn("the plugin {}: {}", plugin, complaint);
  }
  if (changed && config_.changed) config_.changed();
}

void HostPlugins::silent(const std::string& plugin) {
  {
    const std::lock_guard lock(mutex_);
    if (!devices_.set_silent(plugin, true)) return;
  }
  spdlog::error("the plugin {} does not answer: its devices are withdrawn until it does", plugin);
  if (config_.changed) config_.changed();
}

// ---- What the host offers

std::vector<v1::Resource> HostPlugins::resources() const {
  const std::lock_guard lock(mutex_);
  return devices_.resources();
}

std::optional<std::string> HostPlugins::loss(const std::string& device_id) const {
  const std::lock_guard lock(mutex_);
  return devices_.loss(device_id);
}

// ---- For tasks

HostPlugin* HostPlugins::find(const std::string& name) {
  const auto at = plugins_.find(name);
  return at == plugins_.end() ? nullptr : at->second.get();
}

template <typename Response>
sdk::Result<Response> HostPlugins::ask(HostPlugin& plugin, v1::Method method,
                                       const std::string& request, milliseconds patience) {
  const auto bytes = plugin.call(method, request, patience, closing_.get_token());
  if (!bytes) return bytes.error();
  Response response;
  if (response.ParseFromString(*bytes)) return response;
  return sdk::fail(BERTH_INTERNAL, "the answer of the plugin " + plugin.name() + " to " +
                                       v1::Method_Name(method) + " cannot be read");
}

sdk::Result<void> HostPlugins::check(const v1::Allocation& allocation) const {
  const std::lock_guard lock(mutex_);
  for (const v1::DeviceGrant& grant : allocation.devices()) {
    if (const auto why = devices_.refusal(grant.device_id())) {
      return sdk::fail(BERTH_PRECONDITION, *why, "allocation.devices");
    }
  }
  return {};
}

sdk::Result<std::vector<v1::OciEdits>> HostPlugins::prepare(const v1::StartTaskRequest& task,
                                                            const std::string& container) {
  std::map<std::string, v1::PrepareRequest> requests;  // by plugin
  {
    const std::lock_guard lock(mutex_);
    for (const v1::DeviceGrant& grant : task.allocation().devices()) {
      if (grant.container() != container) continue;
      if (const auto why = devices_.refusal(grant.device_id())) {
        return sdk::fail(BERTH_PRECONDITION, *why, "allocation.devices");
      }
      *requests[devices_.owner_of(grant.device_id())].add_grants() = grant;
    }
  }
  std::vector<v1::OciEdits> edits;
  for (auto& [name, request] : requests) {
    HostPlugin* plugin = find(name);
    // Devices that are only counted need nothing in a container.
    if (plugin == nullptr || !plugin->offers(v1::METHOD_HOST_PREPARE)) continue;
    request.set_task_id(task.task_id());
    request.set_container(container);
    auto response = ask<v1::PrepareResponse>(*plugin, v1::METHOD_HOST_PREPARE,
                                             request.SerializeAsString(), kPreparePatience);
    if (!response) return response.error();
    edits.push_back(std::move(*response->mutable_edits()));
  }
  return edits;
}

// To all of them: whose a device was is not known any more once it has gone.
sdk::Result<void> HostPlugins::release(const v1::StartTaskRequest& task) {
  if (task.allocation().devices_size() == 0) return {};
  v1::ReleaseRequest request;
  request.set_task_id(task.task_id());
  sdk::Result<void> done;
  for (const auto& [name, plugin] : plugins_) {
    if (!plugin->offers(v1::METHOD_HOST_RELEASE)) continue;
    const auto released = ask<v1::Empty>(*plugin, v1::METHOD_HOST_RELEASE,
                                         request.SerializeAsString(), kReleasePatience);
    if (!released && released.error().status != BERTH_NOT_FOUND) done = released.error();
  }
  return done;
}

sdk::Result<HostPlugins::Surroundings> HostPlugins::surround(const v1::StartTaskRequest& task,
                                                             const std::string& network_namespace) {
  const bool any = std::any_of(plugins_.begin(), plugins_.end(), [](const auto& one) {
    return one.second->offers(v1::METHOD_HOST_SANDBOX);
  });
  if (!any) return Surroundings{};
  std::shared_ptr<Surrounded> mine;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = surrounded_[task.task_id()];
    if (!slot) slot = std::make_shared<Surrounded>();
    mine = slot;
  }
  const std::lock_guard lock(mine->mutex);  // its containers begin side by side
  if (mine->surroundings) return *mine->surroundings;
  v1::SandboxRequest request;
  request.set_task_id(task.task_id());
  request.set_network_mode(task.definition().network_mode());
  request.set_network_namespace(network_namespace);
  *request.mutable_requirement() = task.requirement();
  Surroundings all;
  for (const auto& [name, plugin] : plugins_) {
    if (!plugin->offers(v1::METHOD_HOST_SANDBOX)) continue;
    auto response = ask<v1::SandboxResponse>(*plugin, v1::METHOD_HOST_SANDBOX,
                                             request.SerializeAsString(), kPreparePatience);
    if (!response) return response.error();
    if (!response->network_namespace().empty()) {
      all.network_namespace = response->network_namespace();
      request.set_network_namespace(all.network_namespace);  // the next one's surroundings
    }
    all.edits.push_back(std::move(*response->mutable_edits()));
  }
  mine->surroundings = all;
  return all;
}

sdk::Result<void> HostPlugins::unsurround(const std::string& task_id) {
  v1::SandboxRemoveRequest request;
  request.set_task_id(task_id);
  sdk::Result<void> done;
  for (const auto& [name, plugin] : plugins_) {
    if (!plugin->offers(v1::METHOD_HOST_SANDBOX_REMOVE)) continue;
    const auto removed = ask<v1::Empty>(*plugin, v1::METHOD_HOST_SANDBOX_REMOVE,
                                        request.SerializeAsString(), kReleasePatience);
    if (!removed && removed.error().status != BERTH_NOT_FOUND) done = removed.error();
  }
  if (!done) return done;
  const std::lock_guard lock(mutex_);
  surrounded_.erase(task_id);
  return done;
}

sdk::Result<v1::InterfaceRulesResponse> HostPlugins::interface_rules(
    const v1::InterfaceRulesRequest& request) {
  v1::InterfaceRulesResponse all;
  for (const auto& [name, plugin] : plugins_) {
    if (!plugin->offers(v1::METHOD_HOST_INTERFACE_RULES)) continue;
    const auto rules = ask<v1::InterfaceRulesResponse>(*plugin, v1::METHOD_HOST_INTERFACE_RULES,
                                                       request.SerializeAsString(), kRulesPatience);
    if (!rules) return rules.error();
    all.MergeFrom(*rules);
  }
  return all;
}

std::vector<v1::DeviceStats> HostPlugins::stats(const std::vector<std::string>& device_ids) {
  std::map<std::string, v1::DeviceStatsRequest> requests;  // by plugin
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : device_ids) requests[devices_.owner_of(id)].add_device_ids(id);
  }
  std::vector<v1::DeviceStats> all;
  for (const auto& [name, request] : requests) {
    HostPlugin* plugin = find(name);
    if (plugin == nullptr || !plugin->offers(v1::METHOD_HOST_DEVICE_STATS)) continue;
    auto stats = ask<v1::DeviceStatsResponse>(*plugin, v1::METHOD_HOST_DEVICE_STATS,
                                              request.SerializeAsString(), kStatsPatience);
    if (!stats) continue;  // numbers for people: without them the rest is told
    for (auto& one : *stats->mutable_devices()) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace berth::runtime
