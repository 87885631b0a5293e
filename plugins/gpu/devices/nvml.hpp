// SPDX-License-Identifier: Apache-2.0
// NVIDIA's devices as their driver tells: what there is, how it is, how busy it is.
//
// Threads: one at a time; any call may hang, so it belongs on a DriverThread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/host.pb.h"
#include "plugins/gpu/devices/driver_thread.hpp"
#include "plugins/gpu/devices/nvml_interface.hpp"
#include "plugins/gpu/devices/xid_quarantine.hpp"

namespace berth::gpu::nvml {

struct Gpu {
  std::string uuid;  // "GPU-..."
  unsigned index = 0;
  unsigned minor = 0;  // of /dev/nvidia<minor>
  std::string name;
  std::int64_t memory_mib = 0;  // 0: it has none of its own
  std::string pci;
  std::string link_group;
  std::string fault;  // why it cannot be used; empty where it can
};

struct Scan {
  bool has_library = false;
  std::string driver;   // version
  std::string problem;  // why there may be devices that are not in here
  std::vector<Gpu> gpus;
};

class Nvml {
 public:
  using Clock = std::chrono::steady_clock;

  Nvml(std::string library, std::chrono::seconds xid_quarantine)
      : library_(std::move(library)), quarantine_(xid_quarantine) {}
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  [[nodiscard]] Scan scan(Clock::time_point now, const Alive& alive);
  // Of those of these devices that answer.
  [[nodiscard]] std::vector<v1::DeviceStats> stats(const std::vector<std::string>& uuids,
                                                   const Alive& alive);
  // Lets go of the devices; the next scan begins anew.
  void shut_down();

 private:
  struct Known {
    Gpu gpu;
    DeviceHandle handle = nullptr;
  };

  [[nodiscard]] std::string open(Clock::time_point now, const Alive& alive);
  [[nodiscard]] std::string begin(const Alive& alive);
  [[nodiscard]] std::string words(const char* what, Return code) const;
  [[nodiscard]] std::optional<Gpu> look_at(unsigned index, const Alive& alive,
                                           std::string& problem);
  [[nodiscard]] std::string read_place(DeviceHandle handle, Gpu& gpu, const Alive& alive) const;
  [[nodiscard]] std::string fault_of(DeviceHandle handle, Gpu& gpu, const Alive& alive) const;
  void find_links(const Alive& alive);
  void take_events(Clock::time_point now, const Alive& alive);

  const std::string library_;
  std::optional<Functions> f_;
  bool begun_ = false;
  EventSet events_ = nullptr;
  std::string driver_;
  std::map<std::string, Known> known_;     // by uuid
  std::map<unsigned, std::string> uuids_;  // by index, as they were last
  bool links_known_ = false;
  XidQuarantine quarantine_;
  std::optional<Clock::time_point> next_open_;
  std::optional<Clock::time_point> begun_anew_;
};

}  // namespace berth::gpu::nvml
