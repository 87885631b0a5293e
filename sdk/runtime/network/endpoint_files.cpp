// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/endpoint_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

std::string print(const PublishedPort& port) {
  return std::to_string(port.host_port) + ":" + std::to_string(port.container_port) +
         (port.protocol == Protocol::Tcp ? "/tcp" : "/udp") +
         (port.is_range ? "*" + std::to_string(port.count) : "");
}

std::optional<PublishedPort> parse_port(const std::string& text) {
  unsigned host = 0;
  unsigned container = 0;
  char protocol[4] = {};
  unsigned count = 1;
  const int read = std::sscanf(text.c_str(), "%u:%u/%3s*%u", &host, &container, protocol, &count);
  if (read < 3 || count < 1 || host + count > 65'536 || container + count > 65'536) {
    return std::nullopt;
  }
  return PublishedPort{static_cast<std::uint16_t>(container), static_cast<std::uint16_t>(host),
                       std::strcmp(protocol, "udp") == 0 ? Protocol::Udp : Protocol::Tcp,
                       static_cast<std::uint16_t>(count), read == 4};
}

}  // namespace

sdk::Result<EndpointFiles> EndpointFiles::open(std::string dir) {
  std::error_code error;
  fs::create_directories(dir + "/endpoints", error);
  if (error) return sdk::fail(BERTH_INTERNAL, dir + ": " + error.message(), "state_dir");
  return EndpointFiles(std::move(dir));
}

std::map<std::string, EndpointRecord> EndpointFiles::load() const {
  std::map<std::string, EndpointRecord> records;
  std::error_code error;
  for (fs::directory_iterator entry(dir_ + "/endpoints", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string id = entry->path().filename();
    const auto lines = state::read_lines(entry->path());
    // A half-written file bears ".tmp", which the id inside does not.
    if (!lines || lines->text("id") != id) {
      drop(id);
      continue;
    }
    EndpointRecord record;
    record.endpoint.id = id;
    record.endpoint.netns_path = lines->text("netns");
    record.endpoint.address = lines->text("address");
    record.endpoint.gateway = lines->text("gateway");
    record.endpoint.prefix_length = static_cast<unsigned>(lines->number("prefix"));
    record.endpoint.host_interface = lines->text("interface");
    record.whole = lines->number("whole") != 0;
    for (const auto& text : lines->all("port")) {
      if (const auto port = parse_port(text)) record.endpoint.ports.push_back(*port);
    }
    records.emplace(id, std::move(record));
  }
  return records;
}

sdk::Result<void> EndpointFiles::save(const EndpointRecord& record) const {
  const Endpoint& endpoint = record.endpoint;
  state::Lines lines;
  lines.add("id", endpoint.id);
  lines.add("netns", endpoint.netns_path);
  lines.add("address", endpoint.address);
  lines.add("gateway", endpoint.gateway);
  lines.add("prefix", endpoint.prefix_length);
  lines.add("interface", endpoint.host_interface);
  lines.add("whole", record.whole);
  for (const auto& port : endpoint.ports) lines.add("port", print(port));
  // Not synced: after a power cut none of what it describes is there either.
  if (state::write_file(path(endpoint.id), lines.print())) return {};
  return sdk::fail(BERTH_INTERNAL, path(endpoint.id) + ": " + std::strerror(errno));
}

void EndpointFiles::drop(const std::string& id) const {
  ::unlink(path(id).c_str());
}

std::string EndpointFiles::subnet() const {
  const auto lines = state::read_lines(dir_ + "/subnet");
  return lines ? lines->text("subnet") : std::string();
}

sdk::Result<void> EndpointFiles::save_subnet(const std::string& subnet) const {
  if (state::write_file(dir_ + "/subnet", "subnet=" + subnet + "\n")) return {};
  return sdk::fail(BERTH_INTERNAL, dir_ + "/subnet: " + std::strerror(errno));
}

void EndpointFiles::drop_subnet() const {
  ::unlink((dir_ + "/subnet").c_str());
}

}  // namespace berth::runtime
