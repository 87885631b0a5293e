// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/interface_network.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/network/interface_table.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/network/networking_error.hpp"
#include "sdk/runtime/network/subnet.hpp"
#include "sdk/runtime/network/sysctl.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInside = "eth0";
constexpr const char* kDraft = ".new";  // ends the name of a namespace that is not whole yet

// 'e' and six digits: with the address's eight it is what a link's name may be.
std::string prefix_of(const std::string& bridge) {
  char text[8];
  std::snprintf(text, sizeof text, "e%06x", mark_of(bridge) & 0xFFFFFFu);
  return text;
}

bool contains(const std::string& range, std::uint32_t address) {
  const auto slash = range.find('/');
  const auto base = parse_address(range.substr(0, slash));
  const unsigned prefix =
      static_cast<unsigned>(std::strtoul(range.c_str() + slash + 1, nullptr, 10));
  const std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  return base && (address & mask) == (*base & mask);
}

}  // namespace

class InterfaceNetwork::Impl {
 public:
  explicit Impl(InterfaceNetworkConfig config)
      : config_(std::move(config)),
        prefix_(prefix_of(config_.bridge)),
        mark_((mark_of(config_.bridge) & 0xFFFFFFu) + 1),
        table_(config_.bridge, prefix_) {
    if (config_.peers_file.empty()) return;
    peers_ = Peers::read(state::read_file(config_.peers_file).value_or(""));
  }

  sdk::Result<std::string> attach(const TaskInterface& interface);
  sdk::Result<void> detach(const std::string& id);
  sdk::Result<std::vector<std::string>> sweep(const std::vector<TaskInterface>& live);
  std::vector<std::string> take(const PeerNews& news);
  void close(const Doors& doors);
  sdk::Result<void> tear_down();
  [[nodiscard]] std::string path(const std::string& id) const {
    return config_.netns_dir + "/" + config_.bridge + ".eni_" + id;
  }
  [[nodiscard]] std::string link_of(const TaskInterface& interface) const;

 private:
  using Entry = InterfaceTable::Entry;
  sdk::Result<void> make(const Entry& entry);
  sdk::Result<void> plug_in(const Entry& entry, NamedNetns& netns);
  sdk::Result<void> admit(const Entry& entry);
  sdk::Result<void> prepare();
  sdk::Result<void> remove_namespaces(std::vector<std::string>& gone);
  sdk::Result<void> remove_links();
  void route(std::vector<std::string>& complaints);
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] InterfaceTable::Members members() const;
  [[nodiscard]] std::map<std::uint32_t, std::uint32_t> wanted_routes() const;

  const InterfaceNetworkConfig config_;
  const std::string prefix_;
  const std::uint32_t mark_;  // metric of our routes; not 0, which is the links' own
  std::array<std::mutex, 16> by_id_;
  std::mutex mutex_;  // all below
  InterfaceTable table_;
  std::map<std::string, Entry> live_;
  std::set<std::string> ranges_;  // of all subnets, as interfaces brought them
  Peers peers_;
  std::map<std::uint32_t, std::uint32_t> routes_;  // made: address to gateway
  bool ready_ = false;
};

std::string InterfaceNetwork::Impl::link_of(const TaskInterface& interface) const {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", parse_address(interface.address).value_or(0));
  return prefix_ + digits;
}

std::vector<InterfaceTable::Entry> InterfaceNetwork::Impl::entries() const {
  std::vector<Entry> all;
  for (const auto& [id, entry] : live_) all.push_back(entry);
  return all;
}

InterfaceTable::Members InterfaceNetwork::Impl::members() const {
  InterfaceTable::Members members;
  for (const auto& [address, behind] : peers_.interfaces()) {
    // Others say what they are; where they may be is for the configuration to say.
    const auto parsed = parse_address(address);
    const bool known =
        parsed && std::any_of(ranges_.begin(), ranges_.end(),
                              [&](const auto& range) { return contains(range, *parsed); });
    if (!known) continue;
    for (const std::string& group : behind.groups) members[group].insert(address);
  }
  for (const auto& [id, entry] : live_) {
    for (const SecurityGroup& group : entry.interface.groups)
      members[group.id].insert(entry.interface.address);
  }
  return members;
}

// With the first interface, or where somebody flushed the rules: all of them.
sdk::Result<void> InterfaceNetwork::Impl::prepare() {
  if (!write_sysctl("net/ipv4/ip_forward", "1")) {
    return sdk::fail(BERTH_DENIED,
                     std::string("net.ipv4.ip_forward cannot be set: ") + std::strerror(errno));
  }
  auto installed = table_.install(entries(), members());
  ready_ = installed.has_value();
  return installed;
}

sdk::Result<void> InterfaceNetwork::Impl::plug_in(const Entry& entry, NamedNetns& netns) {
  const TaskInterface& interface = entry.interface;
  auto host = Netlink::open();
  if (!host) return host.error();
  const Netlink::Veth veth{.name = entry.link,
                           .bridge = {},
                           .peer_name = kInside,
                           .peer_netns_fd = netns.fd.get(),
                           .peer_mac = *parse_mac(interface.mac)};
  auto added = host->add_veth(veth);
  if (!added && added.error().status == BERTH_ALREADY_EXISTS) {
    // Of one that had this address before and whose namespace is still being taken apart.
    [[maybe_unused]] auto removed = host->remove_link(entry.link);
    added = host->add_veth(veth);
  }
  if (!added) return added;
  BERTH_FAILPOINT("network.after_link");
  // The host would take a route from whichever task announces itself as a router.
  const std::string ipv6 = "net/ipv6/conf/" + entry.link + "/disable_ipv6";
  if (::access(("/proc/sys/" + ipv6).c_str(), F_OK) == 0 && !write_sysctl(ipv6, "1")) {
    return sdk::fail(BERTH_DENIED,
                     std::string("net.ipv6 sysctls cannot be set: ") + std::strerror(errno));
  }
  const std::uint32_t address = *parse_address(interface.address);
  const std::uint32_t gateway = *parse_address(interface.gateway);
  if (auto done = host->add_address(entry.link, gateway, 32); !done) return done;
  if (auto done =
          host->add_host_route({.to = address, .gateway = 0, .link = entry.link, .mark = 0});
      !done) {
    return done;
  }
  Netlink& inside = netns.netlink;
  if (auto done = inside.add_address("lo", *parse_address(kMetadataAddress), 32); !done)
    return done;
  // Neighbours of the subnet are reached through the host, which knows where they are.
  if (auto done = inside.add_lone_address(kInside, address, interface.prefix_length); !done)
    return done;
  if (auto done = inside.set_up(kInside); !done) return done;
  if (auto done = inside.add_host_route({.to = gateway, .gateway = 0, .link = kInside, .mark = 0});
      !done)
    return done;
  return inside.add_default_route(gateway);
}

// In the table, so that rules hold and members of its groups are known, before it is whole.
sdk::Result<void> InterfaceNetwork::Impl::admit(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  const auto before = ranges_;
  ranges_.insert(entry.interface.network_cidrs.begin(), entry.interface.network_cidrs.end());
  live_[entry.interface.id] = entry;
  const bool added = ready_ && table_.add(entry, members());
  if (!added) {
    if (auto prepared = prepare(); !prepared) {
      live_.erase(entry.interface.id);
      ranges_ = before;
      return prepared;
    }
  }
  if (ranges_ != before) {
    std::vector<std::string> complaints;  // told with the next news
    route(complaints);
  }
  return {};
}

sdk::Result<void> InterfaceNetwork::Impl::make(const Entry& entry) {
  const std::string final_path = path(entry.interface.id);
  const std::string draft = final_path + kDraft;
  if (auto removed = remove_netns(final_path); !removed) return removed;
  BERTH_FAILPOINT("network.before_namespace");
  auto netns = make_netns(draft);
  if (!netns) return netns.error();
  BERTH_FAILPOINT("network.after_namespace");
  if (auto admitted = admit(entry); !admitted) return admitted;
  BERTH_FAILPOINT("network.after_rules");
  if (auto plugged = plug_in(entry, *netns); !plugged) return plugged;
  BERTH_FAILPOINT("network.before_whole");
  if (auto linked = link_netns(draft, final_path); !linked) return linked;
  BERTH_FAILPOINT("network.after_whole");
  return remove_netns(draft);
}

sdk::Result<std::string> InterfaceNetwork::Impl::attach(const TaskInterface& interface) {
  if (auto checked = check_interface(interface); !checked) return networking(checked.error());
  const std::lock_guard one(by_id_[std::hash<std::string>{}(interface.id) % by_id_.size()]);
  {
    const std::lock_guard lock(mutex_);
    if (live_.contains(interface.id) && is_netns(path(interface.id))) return path(interface.id);
  }
  // A half-made one is begun anew.
  if (auto cleared = detach(interface.id); !cleared) return networking(cleared.error());
  auto made = make({.interface = interface, .link = link_of(interface)});
  if (made) return path(interface.id);
  // The first error is the one to tell.
  [[maybe_unused]] auto removed = detach(interface.id);
  return networking(made.error());
}

sdk::Result<void> InterfaceNetwork::Impl::detach(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = live_.find(id);
    if (at != live_.end()) {
      const Entry entry = at->second;
      if (auto removed = table_.remove(entry); !removed) {
        // Whoever flushed the rules took them away: the rest is put back without it.
        live_.erase(at);
        if (auto installed = table_.install(entries(), members()); !installed) return installed;
      } else {
        live_.erase(at);
        if (auto updated = table_.update(members()); !updated) return updated;
      }
    }
  }
  BERTH_FAILPOINT("network.after_rules_removed");
  for (const std::string& one : {path(id), path(id) + kDraft}) {
    if (auto removed = remove_netns(one); !removed) return removed;
  }
  return {};
}

sdk::Result<void> InterfaceNetwork::Impl::remove_namespaces(std::vector<std::string>& gone) {
  const std::string begin = config_.bridge + ".eni_";
  std::error_code error;
  for (fs::directory_iterator entry(config_.netns_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.starts_with(begin)) continue;
    std::string id = name.substr(begin.size());
    if (live_.contains(id)) continue;
    if (auto removed = remove_netns(entry->path()); !removed) return removed;
    if (id.ends_with(kDraft)) id.resize(id.size() - std::strlen(kDraft));
    if (!live_.contains(id) && std::find(gone.begin(), gone.end(), id) == gone.end())
      gone.push_back(id);
  }
  return {};
}

sdk::Result<void> InterfaceNetwork::Impl::remove_links() {
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  std::set<std::string> ours;
  for (const auto& [id, entry] : live_) ours.insert(entry.link);
  for (const std::string& link : netlink->links()) {
    if (!link.starts_with(prefix_) || link.size() != prefix_.size() + 8 || ours.contains(link))
      continue;
    // It may have gone by itself meanwhile.
    [[maybe_unused]] auto removed = netlink->remove_link(link);
  }
  return {};
}

sdk::Result<std::vector<std::string>> InterfaceNetwork::Impl::sweep(
    const std::vector<TaskInterface>& live) {
  const std::lock_guard lock(mutex_);
  live_.clear();
  ranges_.clear();
  for (const TaskInterface& interface : live) {
    if (!check_interface(interface) || !is_netns(path(interface.id))) continue;
    live_[interface.id] = {.interface = interface, .link = link_of(interface)};
    ranges_.insert(interface.network_cidrs.begin(), interface.network_cidrs.end());
  }
  std::vector<std::string> gone;
  if (auto removed = remove_namespaces(gone); !removed) return removed.error();
  if (auto removed = remove_links(); !removed) return removed.error();
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  auto routes = netlink->host_routes(mark_);
  if (!routes) return routes.error();
  routes_.clear();
  for (const auto& route : *routes) routes_[route.to] = route.gateway;
  ready_ = false;
  if (!live_.empty()) {
    if (auto ready = prepare(); !ready) return ready.error();
    return gone;
  }
  for (const auto& route : *routes) {
    if (auto removed = netlink->remove_host_route(route); !removed) return removed.error();
  }
  routes_.clear();
  if (table_.exists()) {
    if (auto removed = table_.remove_all(); !removed) return removed.error();
  }
  return gone;
}

std::map<std::uint32_t, std::uint32_t> InterfaceNetwork::Impl::wanted_routes() const {
  std::set<std::uint32_t> own;
  for (const auto& [id, entry] : live_) own.insert(*parse_address(entry.interface.address));
  std::map<std::uint32_t, std::uint32_t> wanted;
  for (const auto& [text, behind] : peers_.interfaces()) {
    const auto address = parse_address(text);
    const auto gateway = parse_address(peers_.host_of(behind.node));
    if (!address || !gateway || own.contains(*address)) continue;
    const bool known = std::any_of(ranges_.begin(), ranges_.end(),
                                   [&](const auto& range) { return contains(range, *address); });
    if (known) wanted[*address] = *gateway;
  }
  return wanted;
}

// Brings the routes to what is known of the others.
void InterfaceNetwork::Impl::route(std::vector<std::string>& complaints) {
  const auto wanted = wanted_routes();
  if (wanted == routes_) return;
  auto netlink = Netlink::open();
  if (!netlink) {
    complaints.push_back(netlink.error().message);
    return;
  }
  for (auto at = routes_.begin(); at != routes_.end();) {
    const auto still = wanted.find(at->first);
    // Of a host that has not been heard of since the control plane began: it is there all the same.
    const bool keep = still != wanted.end() ? still->second == at->second : !peers_.complete();
    if (keep) {
      ++at;
      continue;
    }
    auto removed = netlink->remove_host_route(
        {.to = at->first, .gateway = at->second, .link = {}, .mark = mark_});
    if (!removed) complaints.push_back(removed.error().message);
    at = routes_.erase(at);
  }
  std::set<std::uint32_t> unreachable;
  for (const auto& [address, gateway] : wanted) {
    if (routes_.contains(address) || unreachable.contains(gateway)) continue;
    auto added =
        netlink->add_host_route({.to = address, .gateway = gateway, .link = {}, .mark = mark_});
    if (added) {
      routes_[address] = gateway;
      continue;
    }
    unreachable.insert(gateway);
    complaints.push_back("tasks behind the host " + print_address(gateway) +
                         " are not reached from here (" + added.error().message +
                         "): hosts of one fleet need a common link, or `address` in the "
                         "agent's configuration names one that is on it");
  }
}

std::vector<std::string> InterfaceNetwork::Impl::take(const PeerNews& news) {
  const std::lock_guard lock(mutex_);
  peers_.take(news);
  std::vector<std::string> complaints;
  // Not synced: after a power cut none of the tasks is there that would need it.
  if (!config_.peers_file.empty() && !state::write_file(config_.peers_file, peers_.print())) {
    complaints.push_back("cannot write " + config_.peers_file + ": " + std::strerror(errno));
  }
  route(complaints);
  if (ready_) {
    if (auto updated = table_.update(members()); !updated)
      complaints.push_back(updated.error().message);
  }
  return complaints;
}

void InterfaceNetwork::Impl::close(const Doors& doors) {
  if (!parse_address(doors.address)) return;
  const std::lock_guard lock(mutex_);
  [[maybe_unused]] auto closed = table_.close(doors);
}

sdk::Result<void> InterfaceNetwork::Impl::tear_down() {
  {
    const std::lock_guard lock(mutex_);
    if (!live_.empty()) {
      return sdk::fail(BERTH_PRECONDITION,
                       "there are " + std::to_string(live_.size()) + " interfaces of tasks");
    }
  }
  auto swept = sweep({});
  if (!swept) return swept.error();
  return {};
}

sdk::Result<std::unique_ptr<InterfaceNetwork>> InterfaceNetwork::open(
    InterfaceNetworkConfig config) {
  return std::unique_ptr<InterfaceNetwork>(
      new InterfaceNetwork(std::make_unique<Impl>(std::move(config))));
}

InterfaceNetwork::InterfaceNetwork(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InterfaceNetwork::~InterfaceNetwork() = default;

sdk::Result<void> InterfaceNetwork::check_rules(const TaskInterface& interface) const {
  if (auto checked = check_interface(interface); !checked) return networking(checked.error());
  if (interface.ingress_rules.empty() && interface.egress_rules.empty()) return {};
  if (auto taken = InterfaceTable::check_rules(interface); !taken) return networking(taken.error());
  return {};
}
std::string InterfaceNetwork::link_name(const TaskInterface& interface) const {
  return impl_->link_of(interface);
}
sdk::Result<std::string> InterfaceNetwork::attach(const TaskInterface& interface) {
  return impl_->attach(interface);
}
sdk::Result<void> InterfaceNetwork::detach(const std::string& id) {
  return impl_->detach(id);
}
std::string InterfaceNetwork::netns_path(const std::string& id) const {
  return impl_->path(id);
}
sdk::Result<std::vector<std::string>> InterfaceNetwork::sweep(
    const std::vector<TaskInterface>& live) {
  return impl_->sweep(live);
}
std::vector<std::string> InterfaceNetwork::take(const PeerNews& news) {
  return impl_->take(news);
}
void InterfaceNetwork::close(const Doors& doors) {
  impl_->close(doors);
}
sdk::Result<void> InterfaceNetwork::tear_down() {
  return impl_->tear_down();
}

}  // namespace berth::runtime
