// SPDX-License-Identifier: Apache-2.0
// What a definition may ask of a container beyond its program: limits, rights, devices, mounts and
// shared namespaces, in the form that the OCI configuration is built from.
//
// Threads: values. Units: bytes.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace berth::runtime {

struct Rlimit {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  std::string name;  // "nofile", as ECS writes it
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

// What the program may do. Whatever is asked, it gets no capability that the agent lacks.
struct Rights {
  std::uint64_t add = 0;  // bits, see capabilities.hpp
  std::uint64_t drop = 0;
  bool privileged = false;  // all that the agent has, all devices, nothing masked, no seccomp
  bool no_new_privileges = false;
  bool seccomp_unconfined = false;
  std::string apparmor_profile;  // empty: none is set
};

// A device of the host, or all below a directory of it.
struct DeviceRequest {
  std::string host_path;  // absolute
  std::string path;       // in the container
  std::string access = "rwm";
};

// A mount beyond the default ones; one at the place of a default one replaces it.
struct MountSpec {
  std::string destination;  // absolute
  std::string source;       // of a bind: a path of the host
  std::string type = "bind";
  std::vector<std::string> options;
};

enum class Sharing { Own, Host, Given };

// A namespace of the container.
struct NamespaceChoice {
  Sharing sharing = Sharing::Own;
  std::string path;  // with Given: /proc/PID/ns/TYPE or a held file
};

// /dev/shm.
struct SharedMemory {
  enum class Source { OwnTmpfs, Host, Directory, None };
  Source source = Source::OwnTmpfs;
  std::uint64_t bytes = 64ull << 20;  // of an own tmpfs
  std::string directory;              // with Directory: a tmpfs that somebody else has mounted
};

struct ContainerOptions {
  std::vector<Rlimit> rlimits;
  Rights rights;
  std::vector<DeviceRequest> devices;
  std::vector<MountSpec> mounts;  // in the order in which they are made
  NamespaceChoice pid;
  NamespaceChoice ipc;
  SharedMemory shm;
  std::map<std::string, std::string> sysctls;
  bool with_init = false;                 // berth-init is pid 1 and reaps
  bool terminal = false;                  // a pseudo-terminal is stdin, stdout and stderr
  bool open_stdin = false;                // stdin is a pipe nobody writes to, not /dev/null
  std::optional<std::uint64_t> max_swap;  // beyond memory; absent: none
  std::optional<std::uint64_t> swappiness;
};

}  // namespace berth::runtime
