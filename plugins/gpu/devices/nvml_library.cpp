// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/nvml_library.hpp"

#include <dlfcn.h>

#include <type_traits>

namespace berth::gpu::nvml {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& slot) {
  slot = reinterpret_cast<Function>(::dlsym(library, name));
  return slot != nullptr;
}

// The name of the first function that is needed and not there, or null.
const char* find_needed(void* library, Functions& f) {
  const char* missing = nullptr;
  const auto need = [&](const char* name, auto& slot) {
    if (!find(library, name, slot) && !missing) missing = name;
  };
  need("nvmlInit_v2", f.init);
  need("nvmlShutdown", f.shutdown);
  need("nvmlErrorString", f.error_string);
  need("nvmlSystemGetDriverVersion", f.driver_version);
  need("nvmlDeviceGetCount_v2", f.device_count);
  need("nvmlDeviceGetHandleByIndex_v2", f.device_by_index);
  need("nvmlDeviceGetUUID", f.uuid);
  need("nvmlDeviceGetName", f.name);
  need("nvmlDeviceGetMemoryInfo", f.memory);
  need("nvmlDeviceGetPciInfo_v3", f.pci_info);
  need("nvmlDeviceGetMinorNumber", f.minor_number);
  return missing;
}

void find_others(void* library, Functions& f) {
  find(library, "nvmlDeviceGetUtilizationRates", f.utilization);
  find(library, "nvmlDeviceGetTemperature", f.temperature);
  find(library, "nvmlDeviceGetPowerUsage", f.power_usage);
  find(library, "nvmlDeviceGetMigMode", f.mig_mode);
  find(library, "nvmlDeviceGetRemappedRows", f.remapped_rows);
  find(library, "nvmlDeviceGetNvLinkState", f.nvlink_state);
  find(library, "nvmlDeviceGetNvLinkRemotePciInfo_v2", f.nvlink_remote);
  const bool events = find(library, "nvmlEventSetCreate", f.event_set_create) &&
                      find(library, "nvmlEventSetFree", f.event_set_free) &&
                      find(library, "nvmlDeviceRegisterEvents", f.register_events) &&
                      find(library, "nvmlEventSetWait_v2", f.event_set_wait);
  if (!events) f.event_set_create = nullptr;
}

}  // namespace

sdk::Result<Functions> open_library(const std::string& name) {
  void* const library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* const why = ::dlerror();
    return sdk::fail(BERTH_NOT_FOUND, why ? why : name);
  }
  Functions functions{};
  if (const char* const missing = find_needed(library, functions)) {
    return sdk::fail(BERTH_INVALID, name + " lacks " + missing);
  }
  find_others(library, functions);
  return functions;
}

}  // namespace berth::gpu::nvml
