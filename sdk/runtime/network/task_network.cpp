// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/task_network.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/network/conntrack.hpp"
#include "sdk/runtime/network/endpoint_files.hpp"
#include "sdk/runtime/network/nat_table.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/network/networking_error.hpp"
#include "sdk/runtime/network/port_allocator.hpp"
#include "sdk/runtime/network/subnet.hpp"
#include "sdk/runtime/network/sysctl.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

// Where no subnet is set: private ranges that few networks use, tried in order.
constexpr const char* kSubnets[] = {
    "172.30.0.0/16", "172.29.0.0/16",    "172.28.0.0/16",   "172.27.0.0/16", "172.26.0.0/16",
    "172.25.0.0/16", "10.201.0.0/16",    "10.202.0.0/16",   "10.203.0.0/16", "10.204.0.0/16",
    "10.205.0.0/16", "192.168.224.0/20", "192.168.208.0/20"};
constexpr const char* kMachineLock = "/run/berth-network.lock";

// As Docker's: made of the address, so that a reused address does not meet stale neighbour entries.
MacAddress mac_of(std::uint32_t address) {
  const auto part = [address](unsigned shift) {
    return static_cast<unsigned char>(address >> shift);
  };
  return {0x02, 0x42, part(24), part(16), part(8), part(0)};
}

// A host whose flows cannot be listed still has its containers: clients that send on meanwhile find
// the new one later.
void forget_udp_flows(const Endpoint& endpoint, const std::string& address) {
  UdpFlows flows{.host_ports = {}, .address = address};
  for (const auto& port : endpoint.ports) {
    for (const auto& one : each(port)) {
      if (one.protocol == Protocol::Udp) flows.host_ports.push_back(one.host_port);
    }
  }
  [[maybe_unused]] auto forgotten = forget_flows(flows);
}

bool id_good(const std::string& id) {
  return !id.empty() && id.size() <= 200 && id.front() != '.' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.' || c == '-';
         });
}

bool bridge_good(const std::string& name) {
  return !name.empty() && name.size() < IF_NAMESIZE &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

class TaskNetwork::Impl {
 public:
  Impl(NetworkConfig config, EndpointFiles files, std::pair<std::uint16_t, std::uint16_t> range)
      : config_(std::move(config)), files_(std::move(files)), ports_(range.first, range.second) {
    char prefix[16];
    std::snprintf(prefix, sizeof prefix, "bv%06x", mark_of(config_.bridge) & 0xFFFFFFu);
    veth_prefix_ = prefix;
  }

  sdk::Result<void> load();
  sdk::Result<Endpoint> attach(const std::string& id, bool bridged,
                               const std::vector<PortRequest>& ports);
  sdk::Result<void> detach(const std::string& id);
  sdk::Result<Endpoint> find(const std::string& id) const;
  sdk::Result<std::vector<std::string>> sweep(const std::set<std::string>& live);
  sdk::Result<void> close(const Doors& doors);
  sdk::Result<void> tear_down();

 private:
  sdk::Result<void> set_subnet(const std::string& text);
  sdk::Result<void> choose_subnet(Netlink& netlink);
  sdk::Result<void> ensure_bridge();
  sdk::Result<EndpointRecord> reserve(const std::string& id, bool bridged,
                                      const std::vector<PortRequest>& ports);
  sdk::Result<void> connect(const Endpoint& endpoint);
  void give_back(const Endpoint& endpoint);
  [[nodiscard]] std::vector<Publication> publications() const;
  [[nodiscard]] static std::vector<Publication> publications_of(const Endpoint& endpoint);
  [[nodiscard]] std::string netns_path(const std::string& id) const {
    return config_.netns_dir + "/" + config_.bridge + "_" + id;
  }

  NetworkConfig config_;
  EndpointFiles files_;
  std::string veth_prefix_;
  mutable std::mutex mutex_;  // all below
  PortAllocator ports_;
  std::optional<Subnet> subnet_;
  std::optional<AddressPool> pool_;
  std::unique_ptr<NatTable> nat_;
  Doors doors_;
  bool bridge_ready_ = false;
  std::map<std::string, EndpointRecord> endpoints_;
};

sdk::Result<void> TaskNetwork::Impl::set_subnet(const std::string& text) {
  subnet_ = Subnet::parse(text);
  if (!subnet_)
    return sdk::fail(BERTH_INVALID, "no subnet: " + text + " (wanted: ADDRESS/8 to ADDRESS/29)",
                     "subnet");
  pool_.emplace(*subnet_);
  nat_ = std::make_unique<NatTable>(config_.bridge, subnet_->print());
  return doors_.address.empty() ? sdk::Result<void>() : nat_->close(doors_);
}

sdk::Result<void> TaskNetwork::Impl::load() {
  endpoints_ = files_.load();
  const std::string kept = files_.subnet();
  const bool bridged = std::any_of(endpoints_.begin(), endpoints_.end(), [](const auto& entry) {
    return !entry.second.endpoint.address.empty();
  });
  // Endpoints that exist decide; a new wish waits until they are gone.
  const std::string subnet = bridged || config_.subnet.empty() ? kept : config_.subnet;
  if (!subnet.empty()) {
    if (auto set = set_subnet(subnet); !set) return set;
  }
  for (const auto& [id, record] : endpoints_) {
    const auto address = parse_address(record.endpoint.address);
    if (address && pool_) pool_->take(*address);
    ports_.keep(record.endpoint.ports);
  }
  // Whoever flushed the rules, or the machine's restart, took them away.
  return bridged && subnet_ ? ensure_bridge() : sdk::Result<void>();
}

sdk::Result<void> TaskNetwork::Impl::choose_subnet(Netlink& netlink) {
  auto routes = netlink.routes();
  if (!routes) return routes.error();
  const auto conflict = [&](const Subnet& subnet) {
    return std::find_if(routes->begin(), routes->end(), [&](const Netlink::Route& route) {
      return route.link != config_.bridge && route.to.overlaps(subnet);
    });
  };
  if (subnet_) {
    const auto other = conflict(*subnet_);
    if (other == routes->end()) return {};
    return sdk::fail(BERTH_PRECONDITION,
                     "subnet " + subnet_->print() + " overlaps the route to " + other->to.print() +
                         " on " + other->link + ": choose another for " + config_.bridge,
                     "subnet");
  }
  for (const char* candidate : kSubnets) {
    const auto subnet = Subnet::parse(candidate);
    if (conflict(*subnet) == routes->end()) return set_subnet(candidate);
  }
  return sdk::fail(BERTH_NO_CAPACITY, "every subnet tried overlaps a route of this host: set one",
                   "subnet");
}

sdk::Result<void> TaskNetwork::Impl::ensure_bridge() {
  if (bridge_ready_ && ::if_nametoindex(config_.bridge.c_str()) != 0) return {};
  // Between the look at the routes and the bridge's address no other Berth may do the same.
  const OwnedFd lock(::open(kMachineLock, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock) ::flock(lock.get(), LOCK_EX);
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  if (auto chosen = choose_subnet(*netlink); !chosen) return chosen;
  if (auto saved = files_.save_subnet(subnet_->print()); !saved) return saved;

  auto added = netlink->add_bridge(config_.bridge, mac_of(subnet_->gateway()));
  if (!added && added.error().status != BERTH_ALREADY_EXISTS) return added;
  // Before it is up: the host would take a route from whichever container announces itself as a
  // router.
  const std::string ipv6 = "net/ipv6/conf/" + config_.bridge + "/disable_ipv6";
  if (::access(("/proc/sys/" + ipv6).c_str(), F_OK) == 0 && !write_sysctl(ipv6, "1")) {
    return sdk::fail(BERTH_DENIED,
                     "net.ipv6 sysctls cannot be set: " + std::string(std::strerror(errno)));
  }
  if (auto done = netlink->add_address(config_.bridge, subnet_->gateway(), subnet_->prefix); !done)
    return done;
  if (auto done = netlink->set_up(config_.bridge); !done) return done;
  if (!write_sysctl("net/ipv4/conf/" + config_.bridge + "/route_localnet", "1") ||
      !write_sysctl("net/ipv4/ip_forward", "1")) {
    return sdk::fail(BERTH_DENIED,
                     std::string("network sysctls cannot be set: ") + std::strerror(errno));
  }
  if (auto done = nat_->install(publications()); !done) return done;
  if (auto done = nat_->open_forward(); !done) return done;
  bridge_ready_ = true;
  return {};
}

std::vector<Publication> TaskNetwork::Impl::publications_of(const Endpoint& endpoint) {
  std::vector<Publication> out;
  for (const auto& range : endpoint.ports) {
    for (const auto& port : each(range)) out.push_back({endpoint.address, port});
  }
  return out;
}

std::vector<Publication> TaskNetwork::Impl::publications() const {
  std::vector<Publication> all;
  for (const auto& [id, record] : endpoints_) {
    auto some = publications_of(record.endpoint);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

sdk::Result<EndpointRecord> TaskNetwork::Impl::reserve(const std::string& id, bool bridged,
                                                       const std::vector<PortRequest>& ports) {
  EndpointRecord record;
  Endpoint& endpoint = record.endpoint;
  endpoint.id = id;
  endpoint.netns_path = netns_path(id);
  if (bridged) {
    if (auto ready = ensure_bridge(); !ready) return networking(ready.error());
    const auto address = pool_->take();
    if (!address) {
      return networking(
          sdk::fail(BERTH_NO_CAPACITY, "no address of " + subnet_->print() + " is free"));
    }
    endpoint.address = print_address(*address);
    endpoint.gateway = print_address(subnet_->gateway());
    endpoint.prefix_length = subnet_->prefix;
    char name[IF_NAMESIZE];
    std::snprintf(name, sizeof name, "%s%x", veth_prefix_.c_str(), *address & ~subnet_->mask());
    endpoint.host_interface = name;
  }
  auto published = ports_.publish(ports);
  if (!published) {
    give_back(endpoint);
    return networking(published.error());
  }
  endpoint.ports = std::move(*published);
  // On disk before anything is made, so that a sweep after a crash knows of it.
  if (auto saved = files_.save(record); !saved) {
    give_back(endpoint);
    return networking(saved.error());
  }
  endpoints_[id] = record;
  return record;
}

void TaskNetwork::Impl::give_back(const Endpoint& endpoint) {
  ports_.give_back(endpoint.ports);
  const auto address = parse_address(endpoint.address);
  if (address && pool_) pool_->give_back(*address);
}

sdk::Result<void> TaskNetwork::Impl::connect(const Endpoint& endpoint) {
  auto netns = make_netns(endpoint.netns_path);
  if (!netns) return netns.error();
  BERTH_FAILPOINT("network.after_netns");
  const auto address = parse_address(endpoint.address);
  if (!address) return {};  // mode none
  auto host = Netlink::open();
  if (!host) return host.error();
  const Netlink::Veth veth{.name = endpoint.host_interface,
                           .bridge = config_.bridge,
                           .peer_name = "eth0",
                           .peer_netns_fd = netns->fd.get(),
                           .peer_mac = mac_of(*address)};
  auto added = host->add_veth(veth);
  if (!added && added.error().status == BERTH_ALREADY_EXISTS) {
    // Of one that had this address before and whose namespace is still being taken apart.
    [[maybe_unused]] auto removed = host->remove_link(endpoint.host_interface);
    added = host->add_veth(veth);
  }
  if (!added) return added;
  BERTH_FAILPOINT("network.after_veth");
  Netlink& inside = netns->netlink;
  if (auto done = inside.add_address("eth0", *address, endpoint.prefix_length); !done) return done;
  if (auto done = inside.set_up("eth0"); !done) return done;
  return inside.add_default_route(*parse_address(endpoint.gateway));
}

sdk::Result<Endpoint> TaskNetwork::Impl::attach(const std::string& id, bool bridged,
                                                const std::vector<PortRequest>& ports) {
  if (!id_good(id)) return networking(sdk::fail(BERTH_INVALID, "bad endpoint id", "id"));
  std::optional<EndpointRecord> record;
  {
    const std::lock_guard lock(mutex_);
    const auto known = endpoints_.find(id);
    if (known != endpoints_.end() && known->second.whole &&
        is_netns(known->second.endpoint.netns_path)) {
      return known->second.endpoint;
    }
  }
  // A half-made one is begun anew.
  if (auto cleared = detach(id); !cleared) return networking(cleared.error());
  {
    const std::lock_guard lock(mutex_);
    auto reserved = reserve(id, bridged, ports);
    if (!reserved) return reserved.error();
    record = *reserved;
  }
  BERTH_FAILPOINT("network.after_reserve");
  auto connected = connect(record->endpoint);
  if (connected) {
    const std::lock_guard lock(mutex_);
    record->whole = true;
    connected = bridged ? nat_->add(publications_of(record->endpoint)) : sdk::Result<void>();
    BERTH_FAILPOINT("network.after_rules");
    if (connected) connected = files_.save(*record);
    if (connected) endpoints_[id] = *record;
  }
  if (connected) {
    // Of those who sent before the port was published.
    forget_udp_flows(record->endpoint, "");
    return record->endpoint;
  }
  // The first error is the one to tell.
  [[maybe_unused]] auto removed = detach(id);
  return networking(connected.error());
}

sdk::Result<void> TaskNetwork::Impl::detach(const std::string& id) {
  Endpoint endpoint;
  {
    const std::lock_guard lock(mutex_);
    const auto known = endpoints_.find(id);
    if (known == endpoints_.end()) return {};
    endpoint = known->second.endpoint;
    if (nat_) {
      if (auto removed = nat_->remove(publications_of(endpoint)); !removed) return removed;
    }
  }
  if (!endpoint.address.empty()) forget_udp_flows(endpoint, endpoint.address);
  if (auto removed = remove_netns(endpoint.netns_path); !removed) return removed;
  BERTH_FAILPOINT("network.after_removal");
  const std::lock_guard lock(mutex_);
  give_back(endpoint);
  files_.drop(id);
  endpoints_.erase(id);
  return {};
}

sdk::Result<Endpoint> TaskNetwork::Impl::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto known = endpoints_.find(id);
  if (known == endpoints_.end()) return sdk::fail(BERTH_NOT_FOUND, "no endpoint " + id);
  return known->second.endpoint;
}

sdk::Result<void> TaskNetwork::Impl::close(const Doors& doors) {
  const std::lock_guard lock(mutex_);
  doors_ = doors;
  return nat_ ? nat_->close(doors) : sdk::Result<void>();
}

sdk::Result<std::vector<std::string>> TaskNetwork::Impl::sweep(const std::set<std::string>& live) {
  std::vector<std::string> gone;
  std::set<std::string> links;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, record] : endpoints_) {
      if (live.contains(id)) {
        links.insert(record.endpoint.host_interface);
      } else {
        gone.push_back(id);
      }
    }
  }
  for (const auto& id : gone) {
    if (auto removed = detach(id); !removed) return removed.error();
  }
  std::error_code error;
  const std::string prefix = config_.bridge + "_";
  for (fs::directory_iterator entry(config_.netns_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with(prefix) || live.contains(name.substr(prefix.size()))) continue;
    if (auto removed = remove_netns(entry->path()); !removed) return removed.error();
    if (std::find(gone.begin(), gone.end(), name.substr(prefix.size())) == gone.end()) {
      gone.push_back(name.substr(prefix.size()));
    }
  }
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  for (const auto& link : netlink->links()) {
    if (!link.starts_with(veth_prefix_) || links.contains(link)) continue;
    // It may have gone by itself meanwhile.
    [[maybe_unused]] auto removed = netlink->remove_link(link);
  }
  const std::lock_guard lock(mutex_);
  if (nat_ && bridge_ready_) {
    if (auto installed = nat_->install(publications()); !installed) return installed.error();
  }
  return gone;
}

sdk::Result<void> TaskNetwork::Impl::tear_down() {
  const std::lock_guard lock(mutex_);
  if (!endpoints_.empty()) {
    return sdk::fail(BERTH_PRECONDITION, "there are " + std::to_string(endpoints_.size()) +
                                             " endpoints on " + config_.bridge);
  }
  if (nat_) {
    if (auto removed = nat_->remove_all(); !removed) return removed;
  }
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  if (::if_nametoindex(config_.bridge.c_str()) != 0) {
    if (auto removed = netlink->remove_link(config_.bridge); !removed) return removed;
  }
  files_.drop_subnet();
  bridge_ready_ = false;
  if (config_.subnet.empty()) subnet_.reset();
  return {};
}

sdk::Result<std::unique_ptr<TaskNetwork>> TaskNetwork::open(NetworkConfig config) {
  if (!bridge_good(config.bridge)) {
    return sdk::fail(BERTH_INVALID, "a bridge's name is 1 to 15 of [a-z0-9-]: " + config.bridge,
                     "bridge");
  }
  auto range = std::pair(config.dynamic_first, config.dynamic_last);
  if (range.first == 0) range = PortAllocator::kernel_range();
  if (range.first > range.second)
    return sdk::fail(BERTH_INVALID, "the range of dynamic ports is empty", "dynamic_first");
  auto files = EndpointFiles::open(config.state_dir);
  if (!files) return files.error();
  auto impl = std::make_unique<Impl>(std::move(config), std::move(*files), range);
  if (auto loaded = impl->load(); !loaded) return loaded.error();
  return std::unique_ptr<TaskNetwork>(new TaskNetwork(std::move(impl)));
}

TaskNetwork::TaskNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskNetwork::~TaskNetwork() = default;

sdk::Result<Endpoint> TaskNetwork::attach_bridge(const std::string& id,
                                                 const std::vector<PortRequest>& ports) {
  return impl_->attach(id, true, ports);
}
sdk::Result<Endpoint> TaskNetwork::attach_none(const std::string& id) {
  return impl_->attach(id, false, {});
}
sdk::Result<void> TaskNetwork::detach(const std::string& id) {
  return impl_->detach(id);
}
sdk::Result<Endpoint> TaskNetwork::find(const std::string& id) const {
  return impl_->find(id);
}
sdk::Result<std::vector<std::string>> TaskNetwork::sweep(const std::set<std::string>& live) {
  return impl_->sweep(live);
}
sdk::Result<void> TaskNetwork::close(const Doors& doors) {
  return impl_->close(doors);
}
sdk::Result<void> TaskNetwork::tear_down() {
  return impl_->tear_down();
}

}  // namespace berth::runtime
