// SPDX-License-Identifier: Apache-2.0
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iostream>

#include "core/cli/api_client.hpp"
#include "core/cli/child_process.hpp"
#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/listings.hpp"
#include "core/cli/local_stack.hpp"
#include "core/cli/table.hpp"

namespace berth::cli {
namespace {

enum class Verdict { Ok, Warn, Fail };

struct Finding {
  std::string check;
  Verdict verdict = Verdict::Ok;
  std::string detail;
  std::string mend;
};

std::string word(Verdict verdict) {
  return verdict == Verdict::Ok ? "ok" : verdict == Verdict::Warn ? "warn" : "FAIL";
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::optional<std::filesystem::path> in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string rest = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
  rest += ":/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= rest.size();) {
    const std::size_t end = std::min(rest.find(':', begin), rest.size());
    const auto candidate = std::filesystem::path(rest.substr(begin, end - begin)) / program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

Finding root() {
  if (::geteuid() == 0) return {"root", Verdict::Ok, "running as root", ""};
  return {"root", Verdict::Fail, "running as user " + std::to_string(::geteuid()),
          "the agent makes namespaces, mounts and cgroups: run it as root"};
}

Finding kernel() {
  utsname name{};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  // openat2 and pidfds, which unpacking and stopping rest on, need 5.6.
  if (major > 5 || (major == 5 && minor >= 6)) return {"kernel", Verdict::Ok, name.release, ""};
  return {"kernel", Verdict::Fail, name.release, "use a kernel of at least 5.6"};
}

Finding cgroups() {
  std::ifstream mounts("/proc/self/mounts");
  bool v1 = false;
  bool v2 = false;
  bool v1_memory = false;
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" cgroup2 ") != std::string::npos) v2 = true;
    if (line.find(" cgroup ") != std::string::npos) {
      v1 = true;
      if (line.find("memory") != std::string::npos) v1_memory = true;
    }
  }
  if (v1_memory) return {"cgroups", Verdict::Ok, v2 ? "v1 with a v2 beside it (hybrid)" : "v1", ""};
  if (v2) {
    const std::string controllers = first_line("/sys/fs/cgroup/cgroup.controllers");
    for (const char* needed : {"cpu", "memory", "pids"}) {
      if (controllers.find(needed) == std::string::npos) {
        return {"cgroups", Verdict::Fail, std::string("v2 without the controller ") + needed,
                "boot without cgroup_disable, or delegate the controller to this container"};
      }
    }
    return {"cgroups", Verdict::Ok, "v2", ""};
  }
  return {"cgroups", Verdict::Fail, v1 ? "v1 without the memory controller" : "not mounted",
          "mount cgroups: `mount -t cgroup2 none /sys/fs/cgroup`"};
}

Finding filesystem(const std::string& name, const std::string& why) {
  std::ifstream in("/proc/filesystems");
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with("\t" + name)) return {name, Verdict::Ok, "known to the kernel", ""};
  }
  return {name, Verdict::Warn, "not listed in /proc/filesystems",
          "`modprobe " + name + "`: " + why};
}

Finding program(const std::string& name, const std::string& package, const std::string& why) {
  if (const auto path = in_path(name)) return {name, Verdict::Ok, path->string(), ""};
  return {name, Verdict::Fail, "not in PATH", "`apt-get install " + package + "`: " + why};
}

Finding beside(const std::string& name, const std::string& why) {
  const auto path = program_dir() / name;
  if (::access(path.c_str(), X_OK) == 0) return {name, Verdict::Ok, path.string(), ""};
  return {name, Verdict::Fail, "missing beside this program",
          "build or install Berth again: " + why};
}

Finding forwarding() {
  const bool on = first_line("/proc/sys/net/ipv4/ip_forward") == "1";
  return {"ip_forward", Verdict::Ok, on ? "on" : "off; the agent turns it on", ""};
}

// Tried in a network namespace that ends with the command, since a module may be built in, loaded
// or loadable, and only the kernel knows.
Finding network(const std::string& what, std::vector<std::string> attempt, const std::string& why) {
  attempt.front() = in_path(attempt.front())->string();
  attempt.insert(attempt.begin(), {in_path("unshare")->string(), "--net"});
  const auto made = output_of(attempt);
  if (made) return {what, Verdict::Ok, "can be made", ""};
  return {what, Verdict::Fail, made.error().message, "`modprobe " + what + "`: " + why};
}

std::vector<Finding> networks() {
  if (::geteuid() != 0) return {};
  if (!in_path("ip") || !in_path("nft") || !in_path("unshare")) {
    return {{"network", Verdict::Warn, "cannot be tried without ip, nft and unshare",
             "`apt-get install iproute2 nftables util-linux`"}};
  }
  return {network("bridge", {"ip", "link", "add", "try0", "type", "bridge"},
                  "containers of network mode bridge are joined by one"),
          network("veth", {"ip", "link", "add", "try0", "type", "veth", "peer", "name", "try1"},
                  "leads into a container's network"),
          network("nf_tables", {"nft", "add", "table", "ip", "try"},
                  "published ports are rules of it")};
}

Finding disk(const std::filesystem::path& data_dir) {
  std::filesystem::path there = data_dir;
  while (!std::filesystem::exists(there) && there.has_relative_path()) there = there.parent_path();
  struct statvfs stats {};
  if (::statvfs(there.c_str(), &stats) != 0)
    return {"disk", Verdict::Fail, "cannot read " + there.string(),
            "name another directory by --data-dir"};
  const double free_gib = static_cast<double>(stats.f_bavail) *
                          static_cast<double>(stats.f_frsize) / (1024.0 * 1024 * 1024);
  const std::string detail =
      std::to_string(static_cast<long>(free_gib)) + " GiB free at " + data_dir.string();
  if (free_gib < 1)
    return {"disk", Verdict::Fail, detail,
            "images are unpacked there: free some space or name another directory by --data-dir"};
  return {"disk", free_gib < 5 ? Verdict::Warn : Verdict::Ok, detail,
          free_gib < 5 ? "images are unpacked there" : ""};
}

Finding overlay_possible(const std::filesystem::path& data_dir) {
  std::ifstream mounts("/proc/self/mounts");
  std::string best;
  std::string type;
  for (std::string device, point, kind, rest;
       mounts >> device >> point >> kind && std::getline(mounts, rest);) {
    if (data_dir.string().starts_with(point) && point.size() >= best.size()) {
      best = point;
      type = kind;
    }
  }
  if (type != "overlay") return {"data file system", Verdict::Ok, type + " at " + best, ""};
  return {"data file system", Verdict::Fail, "overlay at " + best,
          "an overlay cannot be stacked on another's upper layer here: put the data directory on a "
          "disk or tmpfs of its own"};
}

Finding not_running(const std::string& name, const LocalStack& stack) {
  return {name, Verdict::Warn, "not running in " + stack.data_dir().string(),
          "`berth up --detach" + stack.naming() + "` starts it"};
}

// The process, and whether it answers.
Finding control_plane(const LocalStack& stack) {
  const auto pid = stack.control_plane();
  if (!pid) return not_running("control plane", stack);
  const std::string process = "pid " + std::to_string(*pid);
  const auto options = stack.api();
  if (!options) return {"control plane", Verdict::Fail, process, options.error().message};
  const auto answer = ApiClient(*options).call("Berth.GetVersion", {});
  if (!answer) {
    return {"control plane", Verdict::Fail, process + " does not answer: " + answer.error().message,
            "its log " + (stack.data_dir() / "berthd.log").string() + " may say why"};
  }
  if (stack.services_rest()) {
    return {"control plane", Verdict::Fail, process + ", services rest: a `berth down` was cut short",
            "`berth up --detach" + stack.naming() + "` starts it again, `berth down" +
                stack.naming() + "` goes on"};
  }
  return {"control plane", Verdict::Ok, process + ", answers at " + options->url, ""};
}

// What it has left out, and hosts that wait for something.
std::vector<Finding> plugins_and_hosts(const LocalStack& stack) {
  std::vector<Finding> findings;
  const auto options = stack.api();
  if (!stack.control_plane() || !options) return findings;
  for (const auto& [name, reason] : stack.plugins_left_out()) {
    findings.push_back({"plugin " + name, Verdict::Fail, reason,
                        "mend [plugins." + name + "] and start the control plane again"});
  }
  ApiClient api(*options);
  const auto agents = all_pages(api, "Berth.ListAgents", {}, "agents");
  if (!agents) return findings;
  int connected = 0;
  for (const auto& item : *agents) {
    if (!item.is_object()) continue;
    const auto& agent = item.as_object();
    const auto* flag = agent.if_contains("connected");
    if (flag != nullptr && flag->is_bool() && flag->as_bool()) ++connected;
    if (text_of(agent, "status") == "WAITING") {
      findings.push_back({"host " + text_of(agent, "id").substr(0, 12), Verdict::Warn,
                          "waits: there is no cluster '" + text_of(agent, "cluster") + "'",
                          "create that cluster, or correct `cluster` of its agent"});
    }
  }
  findings.push_back(
      connected > 0 ? Finding{"hosts", Verdict::Ok, std::to_string(connected) + " connected", ""}
                    : Finding{"hosts", Verdict::Warn, "no agent is connected",
                              "its log, agent.log or the journal of its host, says why"});
  return findings;
}

Finding agent(const LocalStack& stack) {
  if (const auto pid = stack.agent())
    return {"agent", Verdict::Ok, "pid " + std::to_string(*pid), ""};
  return not_running("agent", stack);
}

std::vector<Finding> examine(const LocalStack& stack) {
  const auto& data = stack.data_dir();
  std::vector<Finding> findings{root(),
                                kernel(),
                                cgroups(),
                                filesystem("overlay", "image layers are shared by it"),
                                program("crun", "crun", "runs the containers"),
                                beside("berth-monitor", "each container has one"),
                                beside("berth-init", "containers with initProcessEnabled run it"),
                                forwarding()};
  for (auto& finding : networks()) findings.push_back(std::move(finding));
  for (auto& finding : {disk(data), overlay_possible(data), control_plane(stack), agent(stack)}) {
    findings.push_back(finding);
  }
  for (auto& finding : plugins_and_hosts(stack)) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace

int examine_host(const Context& context, const DoctorOptions& options) {
  UpOptions same;
  same.data_dir = options.data_dir;
  same.config = options.config;
  const auto stack = LocalStack::of(same);
  if (!stack) return complain(stack.error());
  bool failed = false;
  boost::json::array all;
  Table table({"CHECK", "RESULT", "FOUND", "WHAT TO DO"});
  for (const auto& finding : examine(*stack)) {
    failed = failed || finding.verdict == Verdict::Fail;
    table.row({finding.check, word(finding.verdict), finding.detail, finding.mend});
    all.push_back({{"check", finding.check},
                   {"result", word(finding.verdict)},
                   {"found", finding.detail},
                   {"mend", finding.mend}});
  }
  if (context.json) {
    std::cout << boost::json::serialize(all) << '\n';
  } else {
    table.print(std::cout);
  }
  return failed ? 1 : 0;
}

}  // namespace berth::cli
