// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cni/cni_network.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "sdk/runtime/cni/conf_list.hpp"
#include "sdk/runtime/cni/plugin_call.hpp"
#include "sdk/runtime/cni/plugin_result.hpp"
#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/network/endpoint_files.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/network/networking_error.hpp"
#include "sdk/runtime/network/port_allocator.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using cni::ConfList;
using cni::PluginResult;
using sdk::Result;

constexpr const char* kInterface = "eth0";

// As the specification names them.
json::array port_mappings(const Endpoint& endpoint) {
  json::array out;
  for (const PublishedPort& range : endpoint.ports) {
    for (const PublishedPort& port : each(range)) {
      out.push_back(json::object{{"hostPort", port.host_port},
                                 {"containerPort", port.container_port},
                                 {"protocol", port.protocol == Protocol::Udp ? "udp" : "tcp"}});
    }
  }
  return out;
}

std::string input_of(const ConfList& list, const cni::Plugin& plugin, const Endpoint& endpoint,
                     const json::object* previous) {
  json::object out = plugin.config;
  out["name"] = list.name;
  out["cniVersion"] = list.version;
  if (previous) out["prevResult"] = *previous;
  if (plugin.takes("portMappings") && !endpoint.ports.empty()) {
    out["runtimeConfig"] = json::object{{"portMappings", port_mappings(endpoint)}};
  }
  return json::serialize(out);
}

// What is known of one endpoint beyond the endpoint itself.
struct Chain {
  ConfList list;
  std::optional<PluginResult> result;
};

}  // namespace

class CniNetwork::Impl {
 public:
  explicit Impl(CniConfig config, EndpointFiles files,
                std::pair<std::uint16_t, std::uint16_t> range)
      : config_(std::move(config)), files_(std::move(files)), ports_(range.first, range.second) {}

  Result<void> open();
  [[nodiscard]] bool enabled() const { return list_.has_value(); }
  Result<Endpoint> attach(const std::string& id, const std::vector<PortRequest>& ports);
  Result<void> detach(const std::string& id);
  Result<Endpoint> find(const std::string& id) const;
  void sweep(const std::set<std::string>& live, const Complain& complain);

 private:
  [[nodiscard]] fs::path chain_file(const std::string& id) const {
    return config_.state_dir / "chains" / id;
  }
  [[nodiscard]] fs::path lock_file(const std::string& id) const {
    return config_.state_dir / "locks" / id;
  }
  [[nodiscard]] std::string netns_path(const std::string& id) const {
    return config_.netns_dir + "/" + config_.bridge + "_" + id;
  }
  Result<EndpointRecord> reserve(const std::string& id, const std::vector<PortRequest>& ports);
  Result<PluginResult> add(const Endpoint& endpoint);
  Result<void> remove(const Endpoint& endpoint, const Chain& chain);
  Result<std::string> ask(const char* command, const ConfList& list, std::size_t plugin,
                          const Endpoint& endpoint, const json::object* previous,
                          std::stop_token cancel = {}) const;
  Result<void> check(const std::string& id, const std::stop_token& cancel) const;
  [[nodiscard]] bool is_whole(const std::string& id) const;
  Result<void> save_chain(const std::string& id, const Chain& chain) const;
  Result<Chain> load_chain(const std::string& id) const;
  Result<Endpoint> whole(Endpoint endpoint) const;

  const CniConfig config_;
  const EndpointFiles files_;
  std::optional<ConfList> list_;
  mutable std::mutex mutex_;
  std::map<std::string, EndpointRecord> endpoints_;
  PortAllocator ports_;
  std::jthread checker_;  // last: it uses the rest
};

Result<void> CniNetwork::Impl::open() {
  std::error_code error;
  fs::create_directories(config_.state_dir / "chains", error);
  if (!error) fs::create_directories(config_.state_dir / "locks", error);
  if (error) {
    return sdk::fail(BERTH_INTERNAL, config_.state_dir.string() + ": " + error.message());
  }
  endpoints_ = files_.load();
  for (const auto& [id, record] : endpoints_) ports_.keep(record.endpoint.ports);
  // A power cut may have taken the record, which is not synced, and not what plugins keep on disk.
  for (const auto& entry : fs::directory_iterator(config_.state_dir / "chains", error)) {
    const std::string id = entry.path().filename();
    if (id.ends_with(".tmp") || endpoints_.contains(id)) continue;
    endpoints_[id].endpoint.id = id;
    endpoints_[id].endpoint.netns_path = netns_path(id);
  }
  if (config_.list.empty()) return {};
  auto list = cni::read_list(config_.list);
  if (!list) return list.error();
  for (const auto& plugin : list->plugins) {
    auto program = cni::find_plugin(plugin.type, config_.plugins);
    if (!program) return program.error();
  }
  list_ = std::move(*list);
  return {};
}

Result<std::string> CniNetwork::Impl::ask(const char* command, const ConfList& list,
                                          std::size_t plugin, const Endpoint& endpoint,
                                          const json::object* previous,
                                          std::stop_token cancel) const {
  auto program = cni::find_plugin(list.plugins[plugin].type, config_.plugins);
  if (!program) return program.error();
  cni::PluginCall call{.program = *program,
                       .command = command,
                       .container_id = endpoint.id,
                       .netns = is_netns(endpoint.netns_path) ? endpoint.netns_path : "",
                       .interface_name = kInterface,
                       .search_path = {},
                       .input = input_of(list, list.plugins[plugin], endpoint, previous),
                       .lock = lock_file(endpoint.id),
                       .cancel = std::move(cancel)};
  for (const auto& directory : config_.plugins) {
    call.search_path += (call.search_path.empty() ? "" : ":") + directory;
  }
  return cni::run_plugin(call);
}

Result<PluginResult> CniNetwork::Impl::add(const Endpoint& endpoint) {
  std::optional<PluginResult> result;
  for (std::size_t i = 0; i < list_->plugins.size(); ++i) {
    auto output = ask("ADD", *list_, i, endpoint, result ? &result->raw : nullptr);
    if (!output) return output.error();
    auto read =
        cni::parse_result(*output, list_->version, "the CNI plugin " + list_->plugins[i].type);
    if (!read) return read.error();
    result = std::move(*read);
    BERTH_FAILPOINT("cni.after_plugin");
  }
  if (result->address.empty()) {
    return sdk::fail(BERTH_INVALID, "the CNI list " + list_->name + " gives no IPv4 address");
  }
  return std::move(*result);
}

// All are asked, also where one fails; the first failure is the one to tell.
Result<void> CniNetwork::Impl::remove(const Endpoint& endpoint, const Chain& chain) {
  Result<void> out;
  const json::object* previous = chain.result ? &chain.result->raw : nullptr;
  for (std::size_t i = chain.list.plugins.size(); i-- > 0;) {
    auto asked = ask("DEL", chain.list, i, endpoint, previous);
    if (!asked && out) out = asked.error();
  }
  return out;
}

Result<void> CniNetwork::Impl::save_chain(const std::string& id, const Chain& chain) const {
  json::object all{{"list", chain.list.print()}};
  if (chain.result) all["result"] = chain.result->raw;
  const fs::path file = chain_file(id);
  if (state::write_file(file, json::serialize(all), state::Sync::Yes)) return {};
  return sdk::fail(BERTH_INTERNAL, file.string() + ": " + std::strerror(errno));
}

Result<Chain> CniNetwork::Impl::load_chain(const std::string& id) const {
  const std::string file = chain_file(id);
  auto all = cni::parse_object(state::read_file(file).value_or(""), file, cni::kOurs);
  if (!all) return all.error();
  const auto* list = all->if_contains("list");
  auto read = cni::parse_list(
      list && list->is_string() ? std::string_view(list->get_string()) : std::string_view(), file,
      cni::kOurs);
  if (!read) return read.error();
  Chain out{.list = std::move(*read), .result = std::nullopt};
  if (const auto* result = all->if_contains("result")) {
    auto parsed = cni::parse_result(json::serialize(*result), out.list.version, file, cni::kOurs);
    if (!parsed) return parsed.error();
    out.result = std::move(*parsed);
  }
  return out;
}

Result<EndpointRecord> CniNetwork::Impl::reserve(const std::string& id,
                                                 const std::vector<PortRequest>& ports) {
  EndpointRecord record;
  record.endpoint.id = id;
  record.endpoint.netns_path = netns_path(id);
  if (!ports.empty() && !list_->takes("portMappings")) {
    return sdk::fail(BERTH_INVALID,
                     "no plugin of the CNI list " + list_->name +
                         " has the capability portMappings, which portMappings need",
                     "portMappings");
  }
  auto published = ports_.publish(ports);
  if (!published) return published.error();
  record.endpoint.ports = std::move(*published);
  auto saved = save_chain(id, {.list = *list_, .result = std::nullopt});
  if (saved) saved = files_.save(record);
  if (!saved) {
    ports_.give_back(record.endpoint.ports);
    return saved.error();
  }
  endpoints_[id] = record;
  return record;
}

// With what the records of endpoints do not hold.
Result<Endpoint> CniNetwork::Impl::whole(Endpoint endpoint) const {
  auto chain = load_chain(endpoint.id);
  if (!chain) return chain.error();
  if (chain->result) {
    endpoint.nameservers = chain->result->nameservers;
    endpoint.search = chain->result->search;
  }
  return endpoint;
}

Result<Endpoint> CniNetwork::Impl::attach(const std::string& id,
                                          const std::vector<PortRequest>& ports) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = endpoints_.find(id);
    if (known != endpoints_.end() && known->second.whole &&
        is_netns(known->second.endpoint.netns_path)) {
      return whole(known->second.endpoint);
    }
  }
  if (!list_) return networking(sdk::fail(BERTH_PRECONDITION, "there is no CNI list", "cni"));
  // A half-made one is begun anew: ADD twice for one container is against the specification.
  if (auto cleared = detach(id); !cleared) return networking(cleared.error());
  std::optional<EndpointRecord> record;
  {
    const std::lock_guard lock(mutex_);
    auto reserved = reserve(id, ports);
    if (!reserved) return networking(reserved.error());
    record = *reserved;
  }
  BERTH_FAILPOINT("cni.after_reserve");
  Endpoint& endpoint = record->endpoint;
  auto netns = make_netns(endpoint.netns_path);
  Result<PluginResult> made = netns ? add(endpoint) : Result<PluginResult>(netns.error());
  if (made) {
    endpoint.address = made->address;
    endpoint.prefix_length = made->prefix_length;
    endpoint.gateway = made->gateway;
    endpoint.host_interface = made->host_interface;
    endpoint.nameservers = made->nameservers;
    endpoint.search = made->search;
    record->whole = true;
    auto saved = save_chain(id, {.list = *list_, .result = *made});
    if (saved) saved = files_.save(*record);
    if (saved) {
      const std::lock_guard lock(mutex_);
      endpoints_[id] = *record;
      return endpoint;
    }
    made = saved.error();
  }
  [[maybe_unused]] auto removed = detach(id);
  return networking(made.error());
}

Result<void> CniNetwork::Impl::detach(const std::string& id) {
  Endpoint endpoint;
  {
    const std::lock_guard lock(mutex_);
    const auto known = endpoints_.find(id);
    if (known == endpoints_.end()) return {};
    known->second.whole = false;
    endpoint = known->second.endpoint;
  }
  auto chain = load_chain(id);
  if (!chain) return chain.error();
  if (auto removed = remove(endpoint, *chain); !removed) return removed;
  if (auto removed = remove_netns(endpoint.netns_path); !removed) return removed;
  const std::lock_guard lock(mutex_);
  ports_.give_back(endpoint.ports);
  files_.drop(id);
  std::error_code error;
  fs::remove(chain_file(id), error);
  fs::remove(lock_file(id), error);
  endpoints_.erase(id);
  return {};
}

Result<Endpoint> CniNetwork::Impl::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto known = endpoints_.find(id);
  if (known == endpoints_.end()) return sdk::fail(BERTH_NOT_FOUND, "no endpoint " + id);
  return known->second.endpoint;
}

bool CniNetwork::Impl::is_whole(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto known = endpoints_.find(id);
  return known != endpoints_.end() && known->second.whole;
}

Result<void> CniNetwork::Impl::check(const std::string& id, const std::stop_token& cancel) const {
  auto endpoint = find(id);
  auto chain = load_chain(id);
  if (!endpoint || !chain || chain->list.disable_check || !chain->result) return {};
  Result<void> good;
  // One that is taken away meanwhile is none to complain of.
  for (std::size_t i = 0; good && is_whole(id) && i < chain->list.plugins.size(); ++i) {
    auto asked = ask("CHECK", chain->list, i, *endpoint, &chain->result->raw, cancel);
    if (!asked && is_whole(id)) good = asked.error();
  }
  return good;
}

void CniNetwork::Impl::sweep(const std::set<std::string>& live, const Complain& complain) {
  std::vector<std::string> gone;
  std::vector<std::string> kept;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, record] : endpoints_) {
      const bool there = record.whole && is_netns(record.endpoint.netns_path);
      if (!live.contains(id)) {
        gone.push_back(id);
      } else if (there) {
        kept.push_back(id);
      }
    }
  }
  for (const auto& id : gone) {
    if (auto removed = detach(id); !removed) {
      complain("the network of " + id + " could not be taken away: " + removed.error().message);
    }
  }
  if (kept.empty()) return;
  // Each may take its time, and nobody who starts waits for that.
  checker_ = std::jthread([this, kept = std::move(kept), complain](const std::stop_token& stop) {
    for (const auto& id : kept) {
      const auto good = check(id, stop);
      if (stop.stop_requested()) return;
      if (!good) complain("the network of " + id + " is not as it was made: " + good.error().message);
    }
  });
}

Result<std::unique_ptr<CniNetwork>> CniNetwork::open(CniConfig config) {
  auto range = PortAllocator::kernel_range();
  if (config.dynamic_first != 0) range = {config.dynamic_first, config.dynamic_last};
  auto files = EndpointFiles::open(config.state_dir);
  if (!files) return files.error();
  auto impl = std::make_unique<Impl>(std::move(config), std::move(*files), range);
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<CniNetwork>(new CniNetwork(std::move(impl)));
}

CniNetwork::CniNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CniNetwork::~CniNetwork() = default;

bool CniNetwork::enabled() const {
  return impl_->enabled();
}
Result<Endpoint> CniNetwork::attach(const std::string& id, const std::vector<PortRequest>& ports) {
  return impl_->attach(id, ports);
}
Result<void> CniNetwork::detach(const std::string& id) {
  return impl_->detach(id);
}
Result<Endpoint> CniNetwork::find(const std::string& id) const {
  return impl_->find(id);
}
void CniNetwork::sweep(const std::set<std::string>& live, Complain complain) {
  impl_->sweep(live, complain);
}

}  // namespace berth::runtime
