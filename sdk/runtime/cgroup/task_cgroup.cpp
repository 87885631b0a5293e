// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cgroup/task_cgroup.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMinMemory = 6ull << 20;  // less does not carry a runtime's own start
constexpr const char* kMonitors = "/berth.monitors";

bool is_cgroup2(const std::string& path) {
  constexpr long kMagic = 0x63677270;
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == kMagic;
}

bool is_cgroup1(const std::string& path) {
  constexpr long kMagic = 0x27e0eb;
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == kMagic;
}

sdk::Result<void> write_value(const std::string& file, const std::string& value) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  const bool good = fd >= 0 && state::write_all(fd, value);
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (good) return {};
  const auto status = why == EINVAL || why == ERANGE ? BERTH_INVALID : BERTH_INTERNAL;
  return sdk::fail(status, file + " takes no " + value + ": " + std::strerror(why));
}

// mkdir -p below a hierarchy. On v2 each level but the last hands its controllers on.
sdk::Result<void> make_path(const std::string& hierarchy, const std::string& path, bool v2) {
  for (std::size_t at = 1; at != std::string::npos;) {
    const auto next = path.find('/', at);
    const std::string parent = hierarchy + path.substr(0, at - 1);
    if (v2) {
      for (const char* controller : {"+cpu", "+memory", "+pids", "+cpuset", "+io"}) {
        // One that this host lacks is missed where a limit needs it.
        [[maybe_unused]] auto enabled = write_value(parent + "/cgroup.subtree_control", controller);
      }
    }
    const std::string dir = hierarchy + path.substr(0, next);
    if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
      return sdk::fail(BERTH_INTERNAL, "cgroup " + dir + ": " + std::strerror(errno));
    }
    at = next == std::string::npos ? next : next + 1;
  }
  return {};
}

std::vector<std::string> subdirectories(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) names.push_back(entry->path().filename());
  }
  return names;
}

void collect_pids(const std::string& directory, std::set<int>& pids) {
  for (const auto& name : subdirectories(directory)) collect_pids(directory + "/" + name, pids);
  const auto text = state::read_file(directory + "/cgroup.procs").value_or("");
  const char* at = text.c_str();
  char* end = nullptr;
  for (long pid = std::strtol(at, &end, 10); end != at; pid = std::strtol(at, &end, 10)) {
    pids.insert(static_cast<int>(pid));
    at = end;
  }
}

// Depth first; errno of the first directory that stays.
int remove_directories(const std::string& directory) {
  for (const auto& name : subdirectories(directory)) {
    if (const int why = remove_directories(directory + "/" + name)) return why;
  }
  return ::rmdir(directory.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

std::uint64_t number(const std::string& file) {
  return std::strtoull(state::read_file(file).value_or("0").c_str(), nullptr, 10);
}

// The value after "KEY " at a line's start.
std::uint64_t keyed(const std::string& text, std::string_view key) {
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    if (text.compare(at, key.size(), key) == 0 && text.size() > at + key.size() &&
        text[at + key.size()] == ' ') {
      return std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
    }
    if (text.find('\n', at) == std::string::npos) break;
  }
  return 0;
}

}  // namespace

std::uint64_t clamp_shares(std::uint64_t shares) {
  return std::clamp<std::uint64_t>(shares, 2, 262'144);
}

std::uint64_t weight_of_shares(std::uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262'144) return 10'000;
  const double log = std::log2(static_cast<double>(shares));
  const double exponent = (log * log + 125 * log) / 612.0 - 7.0 / 34.0;
  return static_cast<std::uint64_t>(std::ceil(std::pow(10, exponent)));
}

sdk::Result<Cgroups> Cgroups::open(std::string root) {
  if (is_cgroup2(root)) return Cgroups(CgroupMode::Unified, {root});
  std::vector<std::string> hierarchies;
  std::set<dev_t> seen;
  auto names = subdirectories(root);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    const std::string path = root + "/" + name;
    struct stat info {};
    // "cpu" and "cpu,cpuacct" are often two names of one.
    if (is_cgroup1(path) && ::stat(path.c_str(), &info) == 0 && seen.insert(info.st_dev).second) {
      hierarchies.push_back(path);
    }
  }
  if (hierarchies.empty()) {
    return sdk::fail(BERTH_PRECONDITION, "no cgroups are mounted at " + root);
  }
  const bool hybrid = is_cgroup2(root + "/unified");
  return Cgroups(hybrid ? CgroupMode::Hybrid : CgroupMode::Legacy, std::move(hierarchies));
}

std::string Cgroups::file(const std::string& path, const char* name) const {
  for (const auto& hierarchy : hierarchies_) {
    auto candidate = hierarchy + path + "/" + name;
    if (::access(candidate.c_str(), F_OK) == 0) return candidate;
  }
  return {};
}

sdk::Result<void> Cgroups::make_task(const std::string& path, const TaskLimits& limits) const {
  if (!path.starts_with('/') || path.size() < 2 || path.ends_with('/') ||
      path.find("/.") != std::string::npos) {
    return sdk::fail(BERTH_INVALID, "no cgroup can have the path " + path, "path");
  }
  if (limits.memory_bytes && *limits.memory_bytes < kMinMemory) {
    return sdk::fail(BERTH_INVALID, "a task's memory limit must be at least 6 MiB", "memory");
  }
  if (limits.cpu_period < std::chrono::milliseconds(1) ||
      limits.cpu_period > std::chrono::milliseconds(1000)) {
    return sdk::fail(BERTH_INVALID, "the CPU period must be 1 ms to 1 s", "cpu_period");
  }
  const bool v2 = mode_ == CgroupMode::Unified;
  for (const auto& hierarchy : hierarchies_) {
    if (auto made = make_path(hierarchy, path, v2); !made) return made;
  }
  return v2 ? limit_v2(path, limits) : limit_v1(path, limits);
}

sdk::Result<void> Cgroups::limit_v1(const std::string& path, const TaskLimits& limits) const {
  const auto set = [&](const char* name, std::int64_t value) -> sdk::Result<void> {
    const auto target = file(path, name);
    if (target.empty())
      return sdk::fail(BERTH_PRECONDITION, std::string("this host has no cgroup file ") + name);
    return write_value(target, std::to_string(value));
  };
  const auto period = std::chrono::microseconds(limits.cpu_period).count();
  if (limits.cpu_units) {
    if (auto done = set("cpu.cfs_period_us", period); !done) return done;
    const auto quota = static_cast<std::int64_t>(*limits.cpu_units) * period / 1024;
    // The kernel's least is 1 ms.
    if (auto done = set("cpu.cfs_quota_us", std::max<std::int64_t>(quota, 1000)); !done)
      return done;
  } else if (auto done = set("cpu.shares",
                             static_cast<std::int64_t>(clamp_shares(limits.container_shares)));
             !done) {
    return done;
  }
  if (limits.memory_bytes) {
    const auto bytes = static_cast<std::int64_t>(*limits.memory_bytes);
    // memory+swap may not be below memory, so which one goes first depends on whether the limit
    // grows.
    const auto swap = file(path, "memory.memsw.limit_in_bytes");
    auto done = set("memory.limit_in_bytes", bytes);
    if (!swap.empty()) {
      const auto set_swap = write_value(swap, std::to_string(bytes));
      if (!set_swap) return set_swap;
    }
    if (!done) done = set("memory.limit_in_bytes", bytes);
    if (!done) return done;
  }
  if (limits.pids) return set("pids.max", *limits.pids);
  return {};
}

sdk::Result<void> Cgroups::limit_v2(const std::string& path, const TaskLimits& limits) const {
  const auto set = [&](const char* name, const std::string& value) -> sdk::Result<void> {
    const auto target = file(path, name);
    if (target.empty())
      return sdk::fail(BERTH_PRECONDITION, std::string("this host has no cgroup file ") + name);
    return write_value(target, value);
  };
  const auto period = std::chrono::microseconds(limits.cpu_period).count();
  if (limits.cpu_units) {
    const auto quota =
        std::max<std::int64_t>(static_cast<std::int64_t>(*limits.cpu_units) * period / 1024, 1000);
    if (auto done = set("cpu.max", std::to_string(quota) + " " + std::to_string(period)); !done)
      return done;
  } else if (auto done =
                 set("cpu.weight", std::to_string(weight_of_shares(limits.container_shares)));
             !done) {
    return done;
  }
  if (limits.memory_bytes) {
    if (auto done = set("memory.max", std::to_string(*limits.memory_bytes)); !done) return done;
    // No file without swap accounting: then there is no swap to limit.
    if (!file(path, "memory.swap.max").empty()) {
      if (auto done = set("memory.swap.max", "0"); !done) return done;
    }
  }
  if (limits.pids) return set("pids.max", std::to_string(*limits.pids));
  return {};
}

sdk::Result<void> Cgroups::remove(const std::string& path,
                                  std::chrono::milliseconds kill_timeout) const {
  // What lacks its last name would be the cgroup of all.
  if (path.size() < 2 || path.ends_with('/')) {
    return sdk::fail(BERTH_INVALID, "'" + path + "' names no cgroup to be removed");
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::max(kill_timeout, std::chrono::milliseconds(250));
  for (;;) {
    int why = 0;
    for (const auto& hierarchy : hierarchies_) {
      if (const int one = remove_directories(hierarchy + path)) why = one;
    }
    if (why == 0) return {};
    const auto pids = processes(path);
    if (why != EBUSY)
      return sdk::fail(BERTH_INTERNAL, "cgroup " + path + ": " + std::strerror(why));
    if (!pids.empty() && kill_timeout.count() <= 0) {
      return sdk::fail(BERTH_PRECONDITION,
                       "cgroup " + path + " still holds process " + std::to_string(pids.front()));
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return sdk::fail(BERTH_PRECONDITION, "cgroup " + path + " cannot be emptied");
    }
    for (const int pid : pids) ::kill(pid, SIGKILL);
    // A killed process leaves its cgroup a moment later, and v1 tells nobody.
    ::poll(nullptr, 0, 5);
  }
}

sdk::Result<CgroupUsage> Cgroups::usage(const std::string& path) const {
  const bool v2 = mode_ == CgroupMode::Unified;
  CgroupUsage out;
  if (file(path, "cgroup.procs").empty()) return sdk::fail(BERTH_NOT_FOUND, "no cgroup " + path);
  const auto memory_stat = state::read_file(file(path, "memory.stat")).value_or("");
  std::uint64_t used = 0;
  std::uint64_t inactive = 0;
  if (v2) {
    const auto cpu_stat = state::read_file(file(path, "cpu.stat")).value_or("");
    out.cpu_usage_ns = keyed(cpu_stat, "usage_usec") * 1000;
    used = number(file(path, "memory.current"));
    inactive = keyed(memory_stat, "inactive_file");
    out.memory_limit_bytes = number(file(path, "memory.max"));  // "max" reads as 0
    const auto events = state::read_file(file(path, "memory.events")).value_or("");
    out.oom_kills = keyed(events, "oom_kill");
    out.memory_limit_hits = keyed(events, "max");
    if (const auto io = state::read_file(file(path, "io.stat"))) {
      const IoBytes bytes = parse_io_stat(*io);
      out.io_read_bytes = bytes.read;
      out.io_write_bytes = bytes.written;
    }
  } else {
    out.cpu_usage_ns = number(file(path, "cpuacct.usage"));
    used = number(file(path, "memory.usage_in_bytes"));
    inactive = keyed(memory_stat, "total_inactive_file");
    out.memory_limit_bytes = number(file(path, "memory.limit_in_bytes"));
    constexpr std::uint64_t kNoLimit = 1ull << 62;  // the kernel writes a number near 2^63
    if (out.memory_limit_bytes > kNoLimit) out.memory_limit_bytes = 0;
    out.oom_kills =
        keyed(state::read_file(file(path, "memory.oom_control")).value_or(""), "oom_kill");
    // Kernels as of 6.18 count failures on v1 no more, but who is killed has met a limit.
    out.memory_limit_hits = std::max(number(file(path, "memory.failcnt")), out.oom_kills);
    // No line of a device: nothing was done, or a kernel that counts only where throttling is configured.
    const auto io = state::read_file(file(path, "blkio.throttle.io_service_bytes_recursive"));
    if (io && io->find(':') != std::string::npos) {
      const IoBytes bytes = parse_io_service_bytes(*io);
      out.io_read_bytes = bytes.read;
      out.io_write_bytes = bytes.written;
    }
  }
  out.memory_usage_bytes = used > inactive ? used - inactive : 0;
  out.pids = number(file(path, "pids.current"));
  return out;
}

CpuThrottling Cgroups::throttling(const std::string& path) const {
  const auto text = state::read_file(file(path, "cpu.stat")).value_or("");
  return {.periods = keyed(text, "nr_periods"),
          .throttled_periods = keyed(text, "nr_throttled"),
          .throttled_ns = mode_ == CgroupMode::Unified ? keyed(text, "throttled_usec") * 1000
                                                       : keyed(text, "throttled_time")};
}

MemoryDetail Cgroups::memory(const std::string& path) const {
  const char* usage =
      mode_ == CgroupMode::Unified ? "memory.current" : "memory.usage_in_bytes";
  return {.usage_bytes = number(file(path, usage)),
          .stat = parse_memory_stat(state::read_file(file(path, "memory.stat")).value_or(""))};
}

std::vector<std::string> Cgroups::children(const std::string& path) const {
  std::set<std::string> names;
  for (const auto& hierarchy : hierarchies_) {
    for (auto& name : subdirectories(hierarchy + path)) names.insert(std::move(name));
  }
  return {names.begin(), names.end()};
}

std::vector<int> Cgroups::processes(const std::string& path) const {
  std::set<int> pids;
  for (const auto& hierarchy : hierarchies_) collect_pids(hierarchy + path, pids);
  return {pids.begin(), pids.end()};
}

std::vector<std::pair<std::string, std::string>> Cgroups::unit_hierarchies() const {
  std::vector<std::pair<std::string, std::string>> out;
  const std::string& first = hierarchies_.front();
  if (mode_ == CgroupMode::Unified) out.emplace_back(first, "0::");
  // On v1 in a hierarchy without controllers, on hybrid hosts in cgroup2 as well.
  if (mode_ == CgroupMode::Hybrid) {
    out.emplace_back(first.substr(0, first.rfind('/')) + "/unified", "0::");
  }
  for (const auto& hierarchy : hierarchies_) {
    if (hierarchy.ends_with("/systemd")) out.emplace_back(hierarchy, ":name=systemd:");
  }
  return out;
}

std::vector<std::string> Cgroups::escape_from_own() const {
  const auto own = state::read_file("/proc/self/cgroup").value_or("");
  std::vector<std::string> out;
  for (const auto& [hierarchy, prefix] : unit_hierarchies()) {
    const auto at = own.find(prefix);
    if (at == std::string::npos) continue;
    const auto begin = at + prefix.size();
    if (own.substr(begin, own.find('\n', begin) - begin) == "/") continue;
    const std::string beside = hierarchy + kMonitors;
    if (::mkdir(beside.c_str(), 0755) != 0 && errno != EEXIST) continue;
    out.push_back(beside + "/cgroup.procs");
  }
  return out;
}

void Cgroups::remove_escapes() const {
  for (const auto& [hierarchy, prefix] : unit_hierarchies()) ::rmdir((hierarchy + kMonitors).c_str());
}

}  // namespace berth::runtime
