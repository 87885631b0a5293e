// SPDX-License-Identifier: Apache-2.0
#include "core/cli/local_stack.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <system_error>

#include "core/cli/child_process.hpp"
#include "core/cli/json_access.hpp"

namespace berth::cli {
namespace {

constexpr const char* kDefaultDataDir = "/var/lib/berth";

std::vector<std::string> berthd(const UpOptions& options) {
  std::vector<std::string> command{(program_dir() / "berthd").string()};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) command.insert(command.end(), {flag, value});
  };
  add("--config", options.config);
  add("--data-dir", options.data_dir);
  add("--api", options.api);
  return command;
}

// Two stacks on one host must not meet: what they make on it carries a mark of the data directory.
std::uint32_t mark_of(const std::filesystem::path& data_dir) {
  std::uint32_t hash = 0x811c9dc5u;
  for (const char c : data_dir.string())
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193u;
  return hash;
}

std::string hex(std::uint32_t value) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", value);
  return digits;
}

std::string host_of(const std::string& address) {
  return address.substr(0, address.rfind(':'));
}

std::string port_of(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));  // JSON's escapes are TOML's
}

// JSON's scalars and arrays are TOML's; an object becomes an inline table.
std::string toml_value(const boost::json::value& value) {
  if (const auto* object = value.if_object()) {
    std::string text;
    for (const auto& [key, member] : *object) {
      text += (text.empty() ? "" : ", ") + quoted(std::string(key)) + " = " + toml_value(member);
    }
    return "{" + text + "}";
  }
  return boost::json::serialize(value);
}

}  // namespace

Result<LocalStack> LocalStack::of(const UpOptions& options) {
  auto command = berthd(options);
  command.insert(command.end(), {"--print-config", "--with-access-key"});
  const auto text = output_of(command);
  if (!text) return tl::unexpected(text.error());
  boost::system::error_code ec;
  auto config = boost::json::parse(*text, ec);
  if (ec || !config.is_object()) return fail(Errc::Internal, "berthd --print-config gave no JSON");
  return LocalStack(options, std::move(config.as_object()));
}

LocalStack::LocalStack(UpOptions options, boost::json::object config)
    : options_(std::move(options)),
      config_(std::move(config)),
      data_dir_(std::filesystem::absolute(text_of(config_, "data_dir")).lexically_normal()),
      control_plane_log_(length_of(data_dir_ / "berthd.log")),
      agent_log_(length_of(data_dir_ / "agent.log")) {}

std::optional<pid_t> LocalStack::control_plane() const {
  return running(data_dir_ / "berthd.pid", "berthd");
}

std::optional<pid_t> LocalStack::agent() const {
  return running(data_dir_ / "agent.pid", "berth-agent");
}

bool LocalStack::exists() const {
  return std::filesystem::exists(data_dir_ / "api.port");
}

Result<void> LocalStack::start_control_plane(bool detach, Services services) {
  if (control_plane()) {
    const std::string wanted = text_of(config_, "api");
    if (options_.api.empty() || serves(address(), wanted)) return {};
    return fail(Errc::Invalid, "--api " + options_.api + ": the control plane of " +
                                   data_dir_.string() + " runs at " + address() +
                                   " already. Leave --api out to go on with it, or end it first by "
                                   "`berth down --data-dir " +
                                   data_dir_.string() + "` (this stops its tasks)");
  }
  std::error_code ec;
  std::filesystem::create_directories(data_dir_, ec);
  if (ec) return fail(Errc::Denied, "cannot make " + data_dir_.string() + ": " + ec.message());
  auto command = berthd(options_);
  if (data_dir_ != kDefaultDataDir) command.emplace_back("--free-ports");
  if (services == Services::Rest) command.emplace_back("--services-rest");
  const auto started = spawn({.command = std::move(command),
                              .log = data_dir_ / "berthd.log",
                              .detach = detach,
                              .await_ready = true});
  if (!started) return tl::unexpected(started.error());
  return {};
}

boost::json::array LocalStack::plugins() const {
  const auto options = api();
  if (!options) return {};
  const auto answer = ApiClient(*options).call("Berth.ListPlugins", {});
  return answer ? list_of(*answer, "plugins") : boost::json::array();
}

std::map<std::string, std::string> LocalStack::plugins_left_out() const {
  std::map<std::string, std::string> reasons;
  for (const auto& item : plugins()) {
    const auto* plugin = item.if_object();
    if (plugin && text_of(*plugin, "status") == "FAILED") {
      reasons[text_of(*plugin, "name")] = text_of(*plugin, "statusReason");
    }
  }
  return reasons;
}

// Plugins whose agents are no container instances: this host joins one of them only where it is
// named.
std::set<std::string> LocalStack::pools() const {
  std::set<std::string> names;
  for (const auto& item : plugins()) {
    const auto* plugin = item.if_object();
    if (!plugin) continue;
    const auto& types = list_of(*plugin, "launchTypes");
    const bool of_hosts = std::any_of(types.begin(), types.end(), [](const auto& type) {
      return type.is_string() && type.as_string() == "EC2";
    });
    if (!types.empty() && !of_hosts) names.insert(text_of(*plugin, "name"));
  }
  return names;
}

bool LocalStack::services_rest() const {
  const auto options = api();
  if (!options) return false;
  const auto answer = ApiClient(*options).call("Berth.GetVersion", {});
  const auto* rest = answer ? answer->if_contains("servicesRest") : nullptr;
  return rest != nullptr && rest->is_bool() && rest->as_bool();
}

Result<std::string> LocalStack::fleet() const {
  const auto left_out = plugins_left_out();
  const std::string named = text_of(object_of(config_, "agent"), "fleet");
  const std::set<std::string> passed_by = named.empty() ? pools() : std::set<std::string>();
  std::error_code ec;
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir_ / "plugins", ec)) {
    const std::string name = entry.path().filename().string();
    // What an earlier run of a plugin left behind is no sign that it serves now.
    if (!left_out.contains(name) && !passed_by.contains(name) &&
        std::filesystem::exists(entry.path() / "join-token") &&
        std::filesystem::exists(data_dir_ / (name + ".port")) && (named.empty() || named == name)) {
      found.push_back(name);
    }
  }
  // Another that has agents is not what the configuration asks for.
  const auto& configured = object_of(config_, "plugins");
  const bool amiss = named.empty() && std::ranges::any_of(left_out, [&](const auto& one) {
                       return configured.contains(one.first);
                     });
  if (found.empty() || amiss) {
    std::string message = amiss ? "a plugin that the configuration names does not run"
                          : named.empty()
                              ? "no plugin of this control plane has agents"
                              : "the plugin '" + named + "' ([agent] fleet) has no agents";
    for (const auto& [name, reason] : left_out) {
      message += "\n  plugin " + name + " is left out: " + reason;
    }
    message += "\n  Mend [plugins.NAME] or [agent] of the configuration; " +
               (data_dir_ / "berthd.log").string() + " says more.";
    return fail(Errc::NotFound, message);
  }
  return *std::min_element(found.begin(), found.end());
}

// Of the API and of all fleets: each writes its own beside the others.
boost::json::array LocalStack::control_ports() const {
  std::set<int> ports;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(data_dir_, error)) {
    if (file.path().extension() != ".port") continue;
    int port = 0;
    if (std::ifstream(file.path()) >> port) ports.insert(port);
  }
  boost::json::array all;
  for (const int port : ports) all.emplace_back(port);
  return all;
}

Result<void> LocalStack::write_agent_config() const {
  const auto name = fleet();
  if (!name) return tl::unexpected(name.error());
  std::ifstream port_file(data_dir_ / (*name + ".port"));
  std::string port;
  std::getline(port_file, port);
  boost::json::object keys{
      {"server", "127.0.0.1:" + port},
      {"join_token_file", (data_dir_ / "plugins" / *name / "join-token").string()},
      {"data_dir", (data_dir_ / "agent").string()},
      {"pid_file", (data_dir_ / "agent.pid").string()},
      {"cluster", text_of(config_, "default_cluster")},
  };
  keys["control_ports"] = control_ports();
  if (data_dir_ != kDefaultDataDir) {
    const std::uint32_t mark = mark_of(data_dir_);
    keys["bridge"] = "bth" + hex(mark);
    keys["cgroup_parent"] = "berth-" + hex(mark);
    keys["subnet"] = "10." + std::to_string(200 + mark % 50) + "." +
                     std::to_string((mark / 50 % 16) * 16) + ".0/20";
  }
  for (const auto& [key, value] : object_of(config_, "agent")) {
    if (key != "fleet") keys[key] = value;
  }
  std::ofstream out(agent_config(), std::ios::trunc);
  out << "# Written by `berth up` from [agent] of the control plane's configuration.\n";
  for (const auto& [key, value] : keys)
    out << std::string_view(key) << " = " << toml_value(value) << '\n';
  out.close();
  if (!out) return fail(Errc::Denied, "cannot write " + agent_config().string());
  return {};
}

Result<void> LocalStack::check_agent_config() const {
  const std::string file = agent_config().string();
  const auto checked =
      output_of({(program_dir() / "berth-agent").string(), "--config", file, "--check"});
  if (checked) return {};
  Error told = checked.error();
  const std::size_t begin = told.message.find(file + ":");
  if (begin == std::string::npos) return tl::unexpected(told);
  // Nobody has written that file: what stands there comes from here.
  const std::size_t end = told.message.find(": ", begin);
  const std::string from = options_.config.empty() ? "berth.toml" : options_.config;
  told.message = from + ": [agent]: " + told.message.substr(end + 2);
  return tl::unexpected(told);
}

std::string LocalStack::last_words_of_control_plane() const {
  return last_lines(data_dir_ / "berthd.log", 10, control_plane_log_);
}

std::string LocalStack::naming() const {
  std::string text;
  if (!options_.data_dir.empty()) text += " --data-dir " + options_.data_dir;
  if (!options_.config.empty()) text += " --config " + options_.config;
  return text;
}

Result<void> LocalStack::start_agent(bool detach) {
  std::optional<pid_t> child;
  if (!agent()) {
    if (auto written = write_agent_config(); !written) return written;
    if (auto checked = check_agent_config(); !checked) return checked;
    const auto started = spawn(
        {.command = {(program_dir() / "berth-agent").string(), "--config", agent_config().string()},
         .log = data_dir_ / "agent.log",
         .detach = detach});
    if (!started) return tl::unexpected(started.error());
    child = *started;
  }
  return await_agent(child);
}

// A child's end is told by the system; its pid file may take a while on a busy host.
Result<void> LocalStack::await_agent(std::optional<pid_t> child) const {
  const auto options = api();
  if (!options) return tl::unexpected(options.error());
  ApiClient client(*options);
  const std::string cluster = text_of(config_, "default_cluster");
  constexpr int kTries = 300;
  for (int i = 0; i < kTries; ++i) {
    const auto listed = client.call("ListContainerInstances",
                                    {{"cluster", cluster}, {"filter", "agentConnected == true"}});
    if (!listed && listed.error().code != Errc::Unavailable) return tl::unexpected(listed.error());
    if (listed && !list_of(*listed, "containerInstanceArns").empty()) return {};
    ::poll(nullptr, 0, 100);
    if (child ? ::waitpid(*child, nullptr, WNOHANG) == *child : !agent()) break;
  }
  return fail(Errc::Unavailable, "the agent did not join; its log " +
                                     (data_dir_ / "agent.log").string() + " ends with:\n" +
                                     last_lines(data_dir_ / "agent.log", 10, agent_log_));
}

std::string LocalStack::address() const {
  std::string text;
  if (std::ifstream file(data_dir_ / "api.address"); std::getline(file, text)) return text;
  if (std::ifstream file(data_dir_ / "api.port"); std::getline(file, text)) {
    return host_of(text_of(config_, "api")) + ":" + text;
  }
  return {};
}

void LocalStack::keep_port() {
  const std::string configured = text_of(config_, "api");
  const std::string last = address();
  if (last.empty() || port_of(configured) == "0") return;
  options_.api = host_of(configured) + ":" + port_of(last);
}

bool serves(const std::string& running, const std::string& wanted) {
  return host_of(running) == host_of(wanted) &&
         (port_of(wanted) == "0" || port_of(wanted) == port_of(running));
}

Result<ApiOptions> LocalStack::api() const {
  const std::string listen = address();
  if (listen.empty()) {
    return fail(Errc::NotFound, "no control plane was ever started in " + data_dir_.string());
  }
  const std::string port = port_of(listen);
  std::string host = host_of(listen);
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  const auto* tls = config_.if_contains("tls");
  const bool secure = tls && tls->is_bool() && tls->as_bool();
  ApiOptions options;
  options.url = (secure ? "https://" : "http://") + host + ":" + port;
  options.region = text_of(config_, "region");
  if (secure) options.ca_file = text_of(config_, "tls_certificate");
  options.own_certificate = secure;
  // Who reads the stack's configuration may use its keys; without any the API takes every
  // signature.
  const auto& key = object_of(config_, "access_key");
  options.access_key = text_of(key, "id");
  options.secret_key = text_of(key, "secret");
  return options;
}

}  // namespace berth::cli
