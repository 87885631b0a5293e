// SPDX-License-Identifier: Apache-2.0
// A busybox root file system, a container runtime over a temporary directory, and a watch over what
// a test leaves behind.
//
// Threads: one.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/oci/container_runtime.hpp"
#include "tests/support/host_events.hpp"

namespace berth::runtime::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void make_busybox_rootfs(const fs::path& root) {
  for (const char* dir : {"bin", "proc", "dev", "sys", "etc", "tmp"})
    fs::create_directories(root / dir);
  fs::copy_file("/bin/busybox", root / "bin/busybox", fs::copy_options::overwrite_existing);
  for (const char* applet :
       {"sh",    "true",  "false", "cat", "echo",  "id",      "hostname", "httpd", "nc",   "ip",
        "sleep", "head",  "tail",  "seq", "kill",  "ls",      "touch",    "env",   "stty", "tty",
        "pwd",   "mount", "grep",  "dd",  "mknod", "unshare", "yes",      "tr"}) {
    fs::create_symlink("busybox", root / "bin" / applet);
  }
}

// Monitors whose command line has the mark.
inline std::set<pid_t> monitors(const std::string& mark) {
  std::set<pid_t> found;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string line = slurp(process.path() / "cmdline");
    const bool ours =
        line.find("berth-monitor") != std::string::npos && line.find(mark) != std::string::npos;
    if (ours) found.insert(std::atoi(process.path().filename().c_str()));
  }
  return found;
}

// Paths of all cgroups of the tests, mounts and monitors: what must be the same before and after.
inline std::set<std::string> traces(const std::string& mark) {
  std::set<std::string> found;
  std::error_code error;
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", error)) {
    for (const auto& base : {hierarchy.path() / mark, fs::path("/sys/fs/cgroup") / mark}) {
      if (fs::exists(base, error)) found.insert("cgroup " + base.string());
    }
  }
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(mark) != std::string::npos) found.insert("mount " + line);
  }
  for (const pid_t pid : monitors(mark)) found.insert("process " + std::to_string(pid));
  return found;
}

class ContainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mark_ = "berth-test-" + std::to_string(::getpid()) + "-" + std::to_string(next_++);
    dir_ = fs::temp_directory_path() / mark_;
    make_busybox_rootfs(dir_ / "rootfs");
    runtime_ = open_runtime("crun");
    ASSERT_TRUE(runtime_);
  }

  void TearDown() override {
    auto ids = runtime_->list();
    ASSERT_TRUE(ids);
    for (const auto& id : *ids) {
      auto removed = runtime_->remove(id);
      EXPECT_TRUE(removed) << removed.error().message;
    }
    EXPECT_TRUE(fs::is_empty(dir_ / "state/runtime") || only_cache(dir_ / "state/runtime"));
    auto cgroups = Cgroups::open();
    ASSERT_TRUE(cgroups);
    auto removed = cgroups->remove("/" + mark_);
    EXPECT_TRUE(removed) << removed.error().message;
    fs::remove_all(dir_);
    berth::test::HostEvents ends;
    for (const pid_t pid : monitors(mark_)) ends.watch_end(pid);
    EXPECT_TRUE(ends.until([this] { return traces(mark_).empty(); }))
        << ::testing::PrintToString(traces(mark_));
  }

  static bool only_cache(const fs::path& directory) {
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename() != ".cache") return false;
    }
    return true;
  }

  std::unique_ptr<ContainerRuntime> open_runtime(const std::string& program) {
    auto runtime = ContainerRuntime::open({.runtime = program,
                                           .state_root = (dir_ / "state").string(),
                                           .monitor = BERTH_MONITOR_PATH});
    EXPECT_TRUE(runtime) << runtime.error().message;
    return runtime ? std::move(*runtime) : nullptr;
  }

  ContainerSpec spec(const std::string& id, const std::string& script) {
    ContainerSpec out;
    out.id = id;
    out.bundle_dir = dir_ / "bundles" / id;
    out.rootfs = dir_ / "rootfs";
    out.args = {"/bin/sh", "-c", script};
    out.env = {"PATH=/bin"};
    out.cgroup_path = "/" + mark_ + "/" + id;
    out.hostname = "box";
    out.log.path = dir_ / (id + ".log");
    return out;
  }

  // Creates, starts, waits.
  ContainerExit run(const ContainerSpec& spec) {
    auto created = runtime_->create(spec);
    EXPECT_TRUE(created) << created.error().message;
    if (!created) return {};
    auto started = runtime_->start(spec.id);
    EXPECT_TRUE(started) << started.error().message;
    return wait(spec.id);
  }

  ContainerExit wait(const std::string& id, std::chrono::milliseconds limit = 60s) {
    auto watch = runtime_->watch(id);
    EXPECT_TRUE(watch) << watch.error().message;
    if (!watch) return {};
    auto exit = watch->wait(limit);
    EXPECT_TRUE(exit) << exit.error().message;
    return exit ? *exit : ContainerExit{};
  }

  std::string log(const std::string& id) { return slurp(dir_ / (id + ".log")); }
  bool logged(const std::string& id, const std::string& text) {
    berth::test::HostEvents changes;
    changes.watch_directory(dir_);
    return changes.until([&] { return log(id).find(text) != std::string::npos; });
  }

  static inline int next_ = 0;
  std::string mark_;
  fs::path dir_;
  std::unique_ptr<ContainerRuntime> runtime_;
};

}  // namespace berth::runtime::test
