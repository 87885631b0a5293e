// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/plugin_set.hpp"

#include <spdlog/spdlog.h>

#include <set>

#include "core/daemon/checkpoint.hpp"
#include "core/daemon/config_check.hpp"
#include "core/daemon/node_notice.hpp"
#include "core/plugins/launch_events.hpp"
#include "core/plugins/manifest.hpp"

namespace berth::daemon {
namespace {

constexpr milliseconds kDescribeTimeout = std::chrono::seconds(10);
constexpr milliseconds kActivateTimeout = std::chrono::seconds(30);

spdlog::level::level_enum level_of(std::int32_t level) {
  switch (level) {
    case BERTH_LOG_DEBUG: return spdlog::level::debug;
    case BERTH_LOG_INFO: return spdlog::level::info;
    case BERTH_LOG_WARN: return spdlog::level::warn;
    default: return spdlog::level::err;
  }
}

// The name that a file in a plugin directory is found by: libNAME.so or libberth-NAME.so.
PluginName name_of(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  for (const std::string_view prefix : {"lib", "berth-"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  return PluginName(name);
}

}  // namespace

PluginSet::PluginSet(const Config& config, Ports ports)
    : config_(config), ports_(std::move(ports)), broker_({.role_of = ports_.role_of, .may_pull = ports_.may_pull}) {}

PluginSet::~PluginSet() = default;

void PluginSet::start(std::function<void()> settled) {
  settled_ = std::move(settled);
  unsettled_ = 1;  // this loop itself
  const auto places = plugin_directories(config_);
  std::set<std::filesystem::path> named;
  for (const auto& [name, section] : config_.plugins) {
    if (section.path.empty() && section.enabled) {
      const auto found = loading::Loader::find(name, places);
      if (!found) leave_out(PluginName(name), "", plugins::error_of(found.error(), name));
    }
    if (section.path.empty()) continue;
    named.insert(section.path);
    if (section.enabled) load(PluginName(name), section.path, section);
  }
  const auto files = loading::Loader::search(places);
  for (const auto& file : files) {
    if (!named.contains(file)) load(name_of(file), file, PluginSection{});
  }
  if (files.empty() && named.empty()) {
    std::string tried;
    for (const auto& place : places) tried += (tried.empty() ? "" : ", ") + place.string();
    spdlog::warn("there is no plugin in {}: nothing can run tasks", tried);
  }
  settle_one();
}

void PluginSet::load(const PluginName& expected, const std::filesystem::path& file, const PluginSection& section) {
  auto library = loader_.load(file);
  if (!library) return leave_out(expected, file.string(), plugins::error_of(library.error(), file.string()));
  const auto configured = config_.plugins.find((*library)->name());
  if (configured == config_.plugins.end()) return use(*library, section);
  if (configured->second.enabled) use(*library, configured->second);
}

void PluginSet::use(const plugins::LibraryPtr& library, const PluginSection& section) {
  const PluginName name(library->name());
  plugins::Instance::Options options;
  auto& config = options.config;
  config.mutable_settings()->insert(section.settings.begin(), section.settings.end());
  const auto data_dir = config_.data_dir / "plugins" / name.str();
  std::error_code ec;
  std::filesystem::create_directories(data_dir, ec);
  std::filesystem::permissions(data_dir, std::filesystem::perms::owner_all, ec);
  config.set_data_dir(data_dir.string());
  config.set_region(config_.region);
  config.set_account(config_.account);
  config.set_cluster(config_.default_cluster);
  config.set_free_ports(config_.free_ports);
  config.set_port_file((config_.data_dir / (name.str() + ".port")).string());
  config.add_interfaces(std::string(plugins::kLaunch));
  config.add_interfaces(std::string(plugins::kRegistry));
  config.add_interfaces(std::string(plugins::kCredentials));
  options.post = ports_.post;
  options.now = ports_.now;
  options.log = [name](std::int32_t level, std::string_view line) {
    spdlog::log(level_of(level), "[{}] {}", name.str(), line);
  };
  options.on_event = [this, name](std::uint32_t event, std::string_view payload) {
    if (event == v1::EVENT_STREAM) return ports_.stream(payload);
    if (event == v1::EVENT_LAUNCH_NODE) {
      return spdlog::warn("[{}] {}", name.str(), notice_line(payload));
    }
    pass_checkpoint("control.before_event");
    ports_.event(name, event, payload);
  };
  options.on_ask = [this, name](std::string_view ask) {
    const auto asked = broker_.ask(instances_.at(name), ask);
    if (!asked) spdlog::warn("[{}] asked what cannot be read: {}", name.str(), asked.error().message);
  };
  auto instance = plugins::Instance::create(library, std::move(options));
  if (!instance) return leave_out(name, library->path().string(), instance.error());
  instances_[name] = *instance;
  ++unsettled_;
  (*instance)->describe({kDescribeTimeout}, [this, name, path = library->path().string()](Result<v1::Manifest> manifest) {
    if (!manifest) {
      leave_out(name, path, manifest.error());
      return settle_one();
    }
    instances_.at(name)->activate({kActivateTimeout}, [this, name, path, said = *manifest](Result<void> active) {
      if (active) {
        ready(name, said);
      } else {
        leave_out(name, path, active.error());
      }
      settle_one();
    });
  });
}

void PluginSet::ready(const PluginName& name, const v1::Manifest& manifest) {
  const auto& instance = instances_.at(name);
  model::PluginDescription shown;
  shown.set_name(name.str());
  shown.set_version(manifest.version());
  shown.set_path(instance->library().path().string());
  shown.set_isolation("in-process");
  shown.set_status("ACTIVE");
  shown.set_restarts(0);
  for (const auto& interface : manifest.interfaces()) shown.add_interfaces(interface.id());
  if (const auto* launch = plugins::find_interface(manifest, plugins::kLaunch)) {
    *shown.mutable_launch_types() = launch->launch_types();
    *shown.mutable_capacity_providers() = launch->capacity_providers();
    ports_.up({.name = name,
               .launch_types = {launch->launch_types().begin(), launch->launch_types().end()},
               .capacity_providers = {launch->capacity_providers().begin(), launch->capacity_providers().end()},
               .hidden_nodes = launch->hidden_nodes(),
               .reclaimable_providers = {launch->reclaimable_capacity_providers().begin(),
                                         launch->reclaimable_capacity_providers().end()}});
  }
  if (const auto* registry = plugins::find_interface(manifest, plugins::kRegistry)) {
    broker_.add(instance, *registry);
  }
  if (plugins::find_interface(manifest, plugins::kCredentials) != nullptr) {
    broker_.add_credentials(instance);
  }
  spdlog::info("plugin {} {} is active", name.str(), manifest.version());
  const std::lock_guard lock(mutex_);
  descriptions_[name] = std::move(shown);
}

void PluginSet::leave_out(const PluginName& name, const std::string& path, const Error& error) {
  spdlog::error("plugin {} is left out: {}", name.str(), error.message);
  instances_.erase(name);
  model::PluginDescription shown;
  shown.set_name(name.str());
  shown.set_path(path);
  shown.set_status("FAILED");
  shown.set_status_reason(error.message);
  const std::lock_guard lock(mutex_);
  descriptions_[name] = std::move(shown);
}

void PluginSet::settle_one() {
  if (--unsettled_ == 0 && settled_) ports_.post(std::exchange(settled_, {}));
}

void PluginSet::call(const PluginName& plugin, std::uint32_t method, std::string request,
                     milliseconds timeout, std::function<void(Result<std::string>)> done) {
  const auto found = instances_.find(plugin);
  if (found == instances_.end()) {
    ports_.post([done = std::move(done), plugin] {
      done(fail(Errc::Unavailable, "the plugin " + plugin.str() + " is not running", Subject::Plugin, plugin.str()));
    });
    return;
  }
  pass_checkpoint("control.before_plugin_call");
  found->second->call(method, std::move(request), {timeout}, std::move(done));
  pass_checkpoint("control.after_plugin_call");
}

std::uint64_t PluginSet::begin(const PluginName& plugin, std::uint32_t method, std::string request,
                               std::function<void(Result<std::string>)> done) {
  const auto found = instances_.find(plugin);
  if (found == instances_.end()) {
    call(plugin, method, {}, {}, std::move(done));
    return 0;
  }
  return found->second->call(method, std::move(request), {}, std::move(done));
}

void PluginSet::cancel(const PluginName& plugin, std::uint64_t operation) {
  if (const auto found = instances_.find(plugin); found != instances_.end() && operation != 0) {
    found->second->cancel(operation);
  }
}

void PluginSet::sweep(Instant now) {
  for (const auto& [name, instance] : instances_) instance->sweep(now);
}

std::optional<Instant> PluginSet::next_sweep() const {
  std::optional<Instant> first;
  for (const auto& [name, instance] : instances_) {
    const auto next = instance->next_sweep();
    if (next && (!first || *next < *first)) first = next;
  }
  return first;
}

std::vector<model::PluginDescription> PluginSet::describe_all() const {
  const std::lock_guard lock(mutex_);
  std::vector<model::PluginDescription> all;
  for (const auto& [name, description] : descriptions_) all.push_back(description);
  return all;
}

}  // namespace berth::daemon
