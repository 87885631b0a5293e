// SPDX-License-Identifier: Apache-2.0
// What tests on the real host share: a registry with an image, access to it, a place of their own on the host, and a look at
// what is left there.
//
// Threads: one at a time.
#pragma once

#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "berth/v1/registry.pb.h"
#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/image/registry_access.hpp"
#include "sdk/runtime/network/task_network.hpp"
#include "sdk/runtime/oci/container_runtime.hpp"
#include "sdk/runtime/task/tasks.hpp"
#include "tests/support/host_events.hpp"

namespace berth::runtime::testing {

inline std::filesystem::path new_directory(const char* name) {
  std::string path = std::filesystem::temp_directory_path() / (std::string("berth-") + name + "-XXXXXX");
  return ::mkdtemp(path.data()) != nullptr ? path : "";
}

// Goes to one registry without credentials.
class PlainAccess : public image::RegistryAccess {
 public:
  explicit PlainAccess(std::string url) : url_(std::move(url)) {}
  sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest&) override {
    v1::MirrorsResponse response;
    auto* endpoint = response.add_endpoints();
    endpoint->set_url(url_);
    endpoint->set_resolve_tags(true);
    return response;
  }
  sdk::Result<v1::AuthorizeResponse> authorize(const v1::AuthorizeRequest&) override {
    return v1::AuthorizeResponse{};
  }

 private:
  std::string url_;
};

// docker-registry on loopback with test/box:1.
class Registry {
 public:
  explicit Registry(const std::string& script) : directory_(new_directory("registry")) {
    const std::string directory = directory_;
    std::vector<char*> args{const_cast<char*>(script.c_str()), const_cast<char*>(directory.c_str()), nullptr};
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (::posix_spawn(&pid_, script.c_str(), nullptr, &attributes, args.data(), environ) != 0) pid_ = -1;
    ::posix_spawnattr_destroy(&attributes);
    berth::test::HostEvents events;
    events.watch_directory(directory_);
    if (pid_ > 0) events.watch_end(pid_);
    events.until([this] { return std::filesystem::exists(directory_ / "port") || ended(); },
                 std::chrono::seconds(60));
    std::ifstream(directory_ / "port") >> port_;
  }
  ~Registry() {
    if (pid_ > 0) {
      ::kill(-pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  [[nodiscard]] bool works() const { return !port_.empty(); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + port_; }
  [[nodiscard]] std::string image() const { return "127.0.0.1:" + port_ + "/test/box:1"; }

 private:
  bool ended() {
    if (pid_ < 0) return true;
    if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
    pid_ = -1;
    return true;
  }
  std::filesystem::path directory_;
  pid_t pid_ = -1;
  std::string port_;
};

// A data directory, bridge and cgroup of a test's own; all is gone afterwards.
class Place {
 public:
  explicit Place(const char* name, std::string monitor)
      : directory_(new_directory(name)), name_("bt" + std::to_string(::getpid())), monitor_(std::move(monitor)) {}
  // What a failed test left, too.
  ~Place() {
    auto runtime = ContainerRuntime::open({.runtime = "crun", .state_root = data_dir() / "runtime", .monitor = monitor_});
    if (runtime) {
      if (auto ids = (*runtime)->list()) {
        for (const auto& id : *ids) (void)(*runtime)->remove(id);
      }
    }
    for (const auto& mount : mounts()) ::umount2(mount.c_str(), MNT_DETACH);
    if (auto network = TaskNetwork::open({.state_dir = directory_ / "data/network", .bridge = name_, .subnet = {}})) {
      (void)(*network)->sweep({});
      (void)(*network)->tear_down();
    }
    if (auto cgroups = Cgroups::open()) (void)cgroups->remove("/" + name_, std::chrono::seconds(2));
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] TasksConfig config() const {
    TasksConfig config;
    config.data_dir = data_dir();
    config.monitor = monitor_;
    config.bridge = name_;
    config.cgroup_parent = name_;
    return config;
  }
  [[nodiscard]] std::filesystem::path data_dir() const { return directory_ / "data"; }
  [[nodiscard]] const std::string& name() const { return name_; }

  // What of stopped tasks is still on the host, in words; empty: nothing but logs.
  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> found;
    for (const auto& mount : mounts()) found.push_back("mount: " + mount);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
      if (entry.path().filename().string().starts_with(name_ + "_")) found.push_back(entry.path());
    }
    for (const char* part : {"tasks", "volumes/task", "runtime/containers", "runtime/runtime"}) {
      for (const auto& entry : std::filesystem::directory_iterator(data_dir() / part, error)) {
        if (entry.is_directory()) found.push_back(entry.path());
      }
    }
    if (auto cgroups = Cgroups::open()) {
      for (const auto& child : cgroups->children("/" + name_)) found.push_back("cgroup: " + child);
    }
    for (const pid_t pid : processes()) found.push_back("process: " + std::to_string(pid));
    return found;
  }
  // Monitors, and containers whose program does not run yet: they carry their state directory on their command line.
  [[nodiscard]] std::vector<pid_t> processes() const {
    std::vector<pid_t> found;
    std::error_code error;
    const std::string mark = (data_dir() / "runtime").string();
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
      std::ifstream file(entry.path() / "cmdline", std::ios::binary);
      std::string text;
      try {
        text.assign(std::istreambuf_iterator<char>(file), {});
      } catch (const std::ios_base::failure&) {
        continue;  // it has ended between the look at the directory and the reading
      }
      if (text.find(mark) != std::string::npos) found.push_back(std::atoi(entry.path().filename().c_str()));
    }
    return found;
  }

 private:
  [[nodiscard]] std::vector<std::string> mounts() const {
    std::vector<std::string> found;
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
      std::istringstream fields(line);
      std::string point;
      for (int i = 0; i < 5; ++i) fields >> point;
      if (point.starts_with(directory_.string())) found.push_back(point);
    }
    return found;
  }

  std::filesystem::path directory_;
  std::string name_;
  std::string monitor_;
};

}  // namespace berth::runtime::testing
