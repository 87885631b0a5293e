// SPDX-License-Identifier: Apache-2.0
// The part of LocalHost about networks: where a container is attached, what it calls itself and whom it knows by name.
#include <spdlog/spdlog.h>

#include <utility>

#include "sdk/runtime/network/name_files.hpp"
#include "sdk/runtime/network/netns.hpp"
#include "sdk/runtime/options/names.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/container_process.hpp"
#include "sdk/runtime/task/host_files.hpp"
#include "sdk/runtime/task/interface_of.hpp"
#include "sdk/runtime/task/local_host.hpp"
#include "sdk/runtime/task/task_limits.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using sdk::Result;

std::vector<std::string> ids_of(const std::vector<SecurityGroup>& groups) {
  std::vector<std::string> ids;
  for (const SecurityGroup& group : groups) ids.push_back(group.id);
  return ids;
}

}  // namespace

Result<void> LocalHost::open_networks() {
  const fs::path directory = config_.data_dir / "network";
  auto network = TaskNetwork::open({.state_dir = directory,
                                    .bridge = config_.bridge,
                                    .subnet = config_.subnet,
                                    .dynamic_first = config_.dynamic_ports.first,
                                    .dynamic_last = config_.dynamic_ports.last});
  if (!network) return network.error();
  network_ = std::move(*network);
  auto cni = CniNetwork::open({.state_dir = directory / "cni",
                               .list = config_.cni,
                               .plugins = config_.cni_plugins,
                               .bridge = config_.bridge,
                               .dynamic_first = config_.dynamic_ports.first,
                               .dynamic_last = config_.dynamic_ports.last});
  if (!cni) return cni.error();
  cni_ = std::move(*cni);
  auto own = InterfaceNetwork::open({.bridge = config_.bridge, .peers_file = directory / "peers"});
  if (!own) return own.error();
  interfaces_ = std::move(*own);
  return {};
}

Result<Endpoint> LocalHost::attach(const TaskSpec& task, std::size_t container) {
  const auto mode = read_network_mode(task.request);
  if (!mode) return mode.error();
  const auto ports = read_ports(task.request, container);
  if (!ports) return ports.error();
  const std::string id = container_id(task.request.task_id(), container);
  const auto& definition = task.request.definition().container_definitions(static_cast<int>(container));
  if (definition.disable_networking()) return network_->attach_none(id);
  if (*mode == NetworkMode::Bridge) {
    // One that was made otherwise before the operator changed his mind goes on being what it is.
    const bool listed = cni_->find(id) || (cni_->enabled() && !network_->find(id));
    return listed ? cni_->attach(id, *ports) : network_->attach_bridge(id, *ports);
  }
  if (*mode == NetworkMode::None) return network_->attach_none(id);
  if (*mode == NetworkMode::Awsvpc) return attach_interface(task);
  Endpoint host;
  host.id = id;
  for (const PortRequest& port : *ports) {
    host.ports.push_back({port.container_port, port.host_port, port.protocol, port.count, port.is_range});
  }
  return host;
}

Result<void> LocalHost::write_etc(const TaskSpec& task, std::size_t container, const Endpoint& endpoint,
                                  ContainerSpec& spec) {
  const auto& definition = task.request.definition().container_definitions(static_cast<int>(container));
  const fs::path directory = container_dir(task.request.task_id(), container) / "etc";
  if (auto made = make_directory(directory); !made) return made;
  DnsOptions dns;
  dns.servers.assign(definition.dns_servers().begin(), definition.dns_servers().end());
  dns.search.assign(definition.dns_search_domains().begin(), definition.dns_search_domains().end());
  if (dns.servers.empty()) dns.servers = endpoint.nameservers;
  if (dns.search.empty()) dns.search = endpoint.search;
  HostsOptions hosts{.hostname = spec.hostname, .address = endpoint.address, .extra = {}};
  for (const auto& entry : definition.extra_hosts()) hosts.extra.emplace_back(entry.hostname(), entry.ip_address());
  const auto linked = linked_by(task, container);
  if (!linked) return linked.error();
  for (const LinkedContainer& other : *linked) hosts.extra.push_back(host_entry(other));
  // Containers of one interface find each other where ECS says they do: on localhost.
  if (task.request.has_task_interface()) {
    for (const auto& other : task.request.definition().container_definitions()) {
      if (other.name() != spec.hostname) hosts.extra.emplace_back(other.name(), "127.0.0.1");
    }
  }
  const bool own_namespace = !endpoint.netns_path.empty();
  const bool own_name = !spec.hostname.empty();
  const std::pair<const char*, std::string> files[] = {
      {"resolv.conf", resolv_conf(read_host_resolv_conf(), dns, own_namespace)},
      {"hosts", hosts_file(hosts)},
      {"hostname", spec.hostname + "\n"},
  };
  for (const auto& [name, text] : files) {
    if (auto written = write_file(directory / name, text); !written) return written;
  }
  spec.etc.resolv_conf = directory / "resolv.conf";
  // With the host's network the container has the host's name, and its image's files fit that as well as ours would.
  if (!own_name && hosts.extra.empty()) return {};
  spec.etc.hosts = directory / "hosts";
  if (own_name) spec.etc.hostname = directory / "hostname";
  return {};
}


// Of those that this container links to. The network has their addresses only while they are there.
Result<std::vector<LinkedContainer>> LocalHost::linked_by(const TaskSpec& task, std::size_t container) const {
  const auto links = options::read_links(task.request.definition(), static_cast<int>(container));
  if (!links) return links.error();
  std::vector<LinkedContainer> out;
  for (const auto& link : *links) {
    const auto index = static_cast<std::size_t>(link.container);
    const std::string id = container_id(task.request.task_id(), index);
    const auto& definition = task.request.definition().container_definitions(link.container);
    auto endpoint = cni_->find(id);
    if (!endpoint) endpoint = network_->find(id);
    if (!endpoint) {
      return sdk::fail(BERTH_PRECONDITION, "Cannot link to a non running container: " + definition.name() + " AS " +
                                               link.alias);
    }
    LinkedContainer other{.definition = definition,
                          .environment = {},
                          .alias = link.alias,
                          .address = endpoint->address,
                          .hostname = hostname_of(task, index, true),
                          .exposed_ports = {}};
    const auto& changes = override_of(task.request, definition.name());
    other.environment.assign(definition.environment().begin(), definition.environment().end());
    other.environment.insert(other.environment.end(), changes.environment().begin(), changes.environment().end());
    if (const auto image = images_->held(id)) other.exposed_ports = image->config.exposed_ports;
    out.push_back(std::move(other));
  }
  return out;
}

std::string LocalHost::router_address(const v1::StartTaskRequest& request, std::size_t router) const {
  const auto mode = read_network_mode(request);
  if (mode && *mode == NetworkMode::Awsvpc) return "127.0.0.1";
  if (!mode || *mode != NetworkMode::Bridge) return {};
  const std::string id = container_id(request.task_id(), router);
  auto endpoint = cni_->find(id);
  if (!endpoint) endpoint = network_->find(id);
  return endpoint ? endpoint->address : "";
}

// With an interface of the task's it is the task's; with the host's network the host's, unless the definition has one.
std::string LocalHost::hostname_of(const TaskSpec& task, std::size_t container, bool own_network) const {
  const auto& definition = task.request.definition().container_definitions(static_cast<int>(container));
  if (task.request.has_task_interface()) return task.request.task_interface().private_dns_name();
  if (!definition.hostname().empty()) return definition.hostname();
  return own_network ? default_hostname(task.request.task_id(), container) : "";
}

// Others hear of it first: their groups are ready when its containers begin to talk.
sdk::Result<Endpoint> LocalHost::attach_interface(const TaskSpec& task) {
  auto interface = interface_of(task.request);
  if (!interface) return interface.error();
  if (auto added = add_interface_rules(task, *interface); !added) return added.error();
  if (listener_) listener_(interface->address, ids_of(interface->groups), true);
  auto netns = interfaces_->attach(*interface);
  if (!netns) return netns.error();
  Endpoint endpoint;
  endpoint.id = interface->id;
  endpoint.netns_path = std::move(*netns);
  endpoint.address = interface->address;
  endpoint.gateway = interface->gateway;
  endpoint.prefix_length = interface->prefix_length;
  return endpoint;
}

bool LocalHost::detach_interface(const TaskSpec& task) {
  if (!task.request.has_task_interface()) return true;
  const auto detached = interfaces_->detach(task.request.task_id());
  if (!detached) {
    spdlog::warn("tasks: interface of {}: {}", task.request.task_id(), detached.error().message);
    return false;
  }
  if (listener_) listener_(task.request.task_interface().address(), {}, false);
  return true;
}

void LocalHost::sweep_interfaces(const std::vector<TaskSpecPtr>& tasks) {
  std::vector<TaskInterface> live;
  for (const TaskSpecPtr& task : tasks) {
    if (!task->request.has_task_interface()) continue;
    auto interface = interface_of(task->request);
    if (!interface) continue;  // checked when it was taken over
    find_interface_rules(task->request.task_id(), *interface);
    live.push_back(std::move(*interface));
  }
  const auto swept = interfaces_->sweep(live);
  if (!swept) return spdlog::warn("tasks: sweep of the interfaces: {}", swept.error().message);
  for (const TaskInterface& interface : live) {
    // Stopped tasks have none any more, whatever their record says.
    if (listener_ && is_netns(interfaces_->netns_path(interface.id))) {
      listener_(interface.address, ids_of(interface.groups), true);
    }
  }
  for (const std::string& id : *swept)
    spdlog::info("tasks: removed the interface {} of no task", id);
}

void LocalHost::take(const PeerNews& news) {
  for (const std::string& complaint : interfaces_->take(news)) spdlog::warn("tasks: {}", complaint);
}

void LocalHost::close_doors(const Doors& doors) {
  interfaces_->close(doors);
  if (auto closed = network_->close(doors); !closed) {
    spdlog::error("tasks: containers in mode bridge may reach the control plane: {}", closed.error().message);
  }
}

}  // namespace berth::runtime
