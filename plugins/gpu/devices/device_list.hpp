// SPDX-License-Identifier: Apache-2.0
// All GPUs of a host, put together from what drivers and CDI files tell.
//
// Invariants: 1. A device of NVML or of AMD's sysfs is in the list once, whatever CDI files name
// it.
// 2. A device that was in the list stays, not healthy, once it is gone: tasks may still have it.
// 3. A device that nothing can inject is not healthy as long as it could never be handed out;
// afterwards it is its own state that counts, and prepare says what is missing. Threads: one at a
// time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "berth/v1/host.pb.h"
#include "plugins/gpu/devices/amd_sysfs.hpp"
#include "plugins/gpu/devices/config.hpp"
#include "plugins/gpu/devices/nvml.hpp"
#include "sdk/cdi/catalog.hpp"

namespace berth::gpu {

struct Listed {
  v1::Device device;
  std::string cdi_name;  // qualified; empty: what there is lies in `nodes`
  v1::OciEdits nodes;    // device nodes that are enough without CDI
  std::string no_way;    // why no container can get it now; empty where one can
};

// What the drivers told last. None: not asked yet.
struct Sources {
  std::optional<nvml::Scan> nvml;
  std::optional<std::vector<amd::Gpu>> amd;
  bool nvml_hangs = false;
  bool amd_hangs = false;
};

class DeviceList {
 public:
  explicit DeviceList(const Config& config) : config_(config) {}

  // Takes the news in. Returns whether what the host was told has changed.
  bool update(const Sources& sources, const cdi::Catalog& catalog);

  [[nodiscard]] const std::map<std::string, Listed>& all() const { return all_; }  // by id
  [[nodiscard]] v1::DeviceReport report() const;

 private:
  using Found = std::map<std::string, Listed>;

  void add_nvidia(const Sources& sources, const cdi::Catalog& catalog, Found& found);
  void add_amd(const Sources& sources, const cdi::Catalog& catalog, Found& found);
  void add_of_cdi(const Sources& sources, const cdi::Catalog& catalog, Found& found) const;
  void keep(const char* vendor, const std::string& reason, Found& found) const;
  [[nodiscard]] bool was_offered(const std::string& id) const;
  void settle(Listed& listed, const std::string& fault) const;

  const Config config_;
  std::map<std::string, Listed> all_;
  bool nvml_seen_ = false;
  bool amd_seen_ = false;
};

}  // namespace berth::gpu
