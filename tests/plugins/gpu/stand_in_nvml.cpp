// SPDX-License-Identifier: Apache-2.0
// A stand-in for NVIDIA's libnvidia-ml.so.1: the same C interface, devices and faults from a
// script.
//
// BERTH_STAND_IN_NVML names the script, which is read anew at each call. A line each:
//   driver VERSION
//   error FUNCTION CODE          the function (as "nvmlInit_v2") answers CODE
//   hang FUNCTION FIFO           it opens the FIFO for reading, and so waits for one who writes
//   xid UUID NUMBER SERIAL       an event, told once for each SERIAL
//   gpu KEY=VALUE...             a device; index by order. Keys: uuid, name ('_' is a space),
//                                memory_mib, used_mib, minor, pci, busy, temperature, power_mw,
//                                mig, rows_pending, rows_failed, error (of each call about it),
//                                links (PCI addresses, joined by ',')
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plugins/gpu/devices/nvml_interface.hpp"

namespace {

using namespace berth::gpu::nvml;  // NOLINT
using Keys = std::map<std::string, std::string>;

constexpr Return kInvalid = 2;

struct Script {
  std::string driver = "550.54.15";
  std::map<std::string, Return> errors;
  std::map<std::string, std::string> hangs;
  std::vector<std::vector<std::string>> xids;
  std::vector<Keys> gpus;
};

Script read_script() {
  Script script;
  const char* const path = std::getenv("BERTH_STAND_IN_NVML");
  std::ifstream in(path ? path : "");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string verb;
    std::string first;
    words >> verb;
    if (verb == "gpu") {
      Keys& keys = script.gpus.emplace_back();
      for (std::string pair; words >> pair;) {
        const auto at = pair.find('=');
        keys[pair.substr(0, at)] = pair.substr(at + 1);
      }
      continue;
    }
    words >> first;
    if (verb == "driver") script.driver = first;
    if (verb == "error") words >> script.errors[first];
    if (verb == "hang") words >> script.hangs[first];
    if (verb == "xid") {
      std::string number;
      std::string serial;
      words >> number >> serial;
      script.xids.push_back({first, number, serial});
    }
  }
  return script;
}

std::mutex g_mutex;                                         // NOLINT
std::map<std::string, std::unique_ptr<std::string>> g_ids;  // NOLINT: what handles point to
std::set<std::string> g_told;                               // NOLINT: serials of XIDs
std::set<std::string> g_watched;                            // NOLINT: uuids with events

// The script, once the function may go on; none where it fails with `code`.
std::optional<Script> enter(const char* function, Return& code) {
  Script script = read_script();
  if (const auto hang = script.hangs.find(function); hang != script.hangs.end()) {
    const int fifo = ::open(hang->second.c_str(), O_RDONLY);
    if (fifo >= 0) ::close(fifo);
    script = read_script();
  }
  code = kSuccess;
  const auto error = script.errors.find(function);
  if (error == script.errors.end()) return script;
  code = error->second;
  return {};
}

std::optional<Keys> device(const char* function, DeviceHandle handle, Return& code) {
  const auto script = enter(function, code);
  if (!script) return {};
  const auto& id = *reinterpret_cast<const std::string*>(handle);
  const auto gpu = std::ranges::find_if(script->gpus, [&](const Keys& keys) {
    return keys.contains("uuid") && keys.at("uuid") == id;
  });
  if (gpu == script->gpus.end()) {
    code = kGpuIsLost;
    return {};
  }
  if (gpu->contains("error")) {
    code = std::atoi(gpu->at("error").c_str());
    return {};
  }
  return *gpu;
}

unsigned long long number(const Keys& keys, const char* key) {
  const auto it = keys.find(key);
  return it == keys.end() ? 0 : std::strtoull(it->second.c_str(), nullptr, 10);
}

std::string text(const Keys& keys, const char* key) {
  const auto it = keys.find(key);
  return it == keys.end() ? "" : it->second;
}

Return put(const std::string& value, char* to, unsigned size) {
  if (value.size() >= size) return 7;  // insufficient size
  std::memcpy(to, value.c_str(), value.size() + 1);
  return kSuccess;
}

void put(const std::string& bus_id, PciInfo* info) {
  *info = {};
  std::snprintf(info->bus_id, sizeof(info->bus_id), "%s", bus_id.c_str());
}

std::vector<std::string> links(const Keys& keys) {
  std::vector<std::string> out;
  std::istringstream all(text(keys, "links"));
  for (std::string one; std::getline(all, one, ',');) out.push_back(one);
  return out;
}

Return unsigned_of(const char* function, DeviceHandle handle, const char* key, unsigned* to) {
  Return code = kSuccess;
  const auto keys = device(function, handle, code);
  if (keys) *to = static_cast<unsigned>(number(*keys, key));
  return code;
}

}  // namespace

extern "C" {

#define EXPORT __attribute__((visibility("default")))

EXPORT Return nvmlInit_v2() {
  Return code = kSuccess;
  enter("nvmlInit_v2", code);
  return code;
}
EXPORT Return nvmlShutdown() {
  const std::lock_guard lock(g_mutex);
  g_watched.clear();
  return kSuccess;
}
EXPORT const char* nvmlErrorString(Return code) {
  switch (code) {
    case kDriverNotLoaded:
      return "Driver Not Loaded";
    case kGpuIsLost:
      return "GPU is lost";
    default:
      return "Unknown Error";
  }
}
EXPORT Return nvmlSystemGetDriverVersion(char* to, unsigned size) {
  Return code = kSuccess;
  const auto script = enter("nvmlSystemGetDriverVersion", code);
  return script ? put(script->driver, to, size) : code;
}
EXPORT Return nvmlDeviceGetCount_v2(unsigned* count) {
  Return code = kSuccess;
  const auto script = enter("nvmlDeviceGetCount_v2", code);
  if (script) *count = static_cast<unsigned>(script->gpus.size());
  return code;
}
EXPORT Return nvmlDeviceGetHandleByIndex_v2(unsigned index, DeviceHandle* handle) {
  Return code = kSuccess;
  const auto script = enter("nvmlDeviceGetHandleByIndex_v2", code);
  if (!script) return code;
  if (index >= script->gpus.size()) return kInvalid;
  const Keys& keys = script->gpus[index];
  if (keys.contains("error")) return std::atoi(keys.at("error").c_str());
  const std::lock_guard lock(g_mutex);
  auto& id = g_ids[text(keys, "uuid")];
  if (!id) id = std::make_unique<std::string>(text(keys, "uuid"));
  *handle = reinterpret_cast<DeviceHandle>(id.get());
  return kSuccess;
}
EXPORT Return nvmlDeviceGetUUID(DeviceHandle handle, char* to, unsigned size) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetUUID", handle, code);
  return keys ? put(text(*keys, "uuid"), to, size) : code;
}
EXPORT Return nvmlDeviceGetName(DeviceHandle handle, char* to, unsigned size) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetName", handle, code);
  if (!keys) return code;
  std::string name = text(*keys, "name");
  std::ranges::replace(name, '_', ' ');
  return put(name, to, size);
}
EXPORT Return nvmlDeviceGetMemoryInfo(DeviceHandle handle, Memory* memory) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetMemoryInfo", handle, code);
  if (!keys) return code;
  memory->total = number(*keys, "memory_mib") << 20U;
  memory->used = number(*keys, "used_mib") << 20U;
  memory->free = memory->total - memory->used;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetPciInfo_v3(DeviceHandle handle, PciInfo* info) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetPciInfo_v3", handle, code);
  if (keys) put(text(*keys, "pci"), info);
  return code;
}
EXPORT Return nvmlDeviceGetMinorNumber(DeviceHandle handle, unsigned* minor) {
  return unsigned_of("nvmlDeviceGetMinorNumber", handle, "minor", minor);
}
EXPORT Return nvmlDeviceGetUtilizationRates(DeviceHandle handle, Utilization* busy) {
  busy->memory = 0;
  return unsigned_of("nvmlDeviceGetUtilizationRates", handle, "busy", &busy->gpu);
}
EXPORT Return nvmlDeviceGetTemperature(DeviceHandle handle, unsigned, unsigned* celsius) {
  return unsigned_of("nvmlDeviceGetTemperature", handle, "temperature", celsius);
}
EXPORT Return nvmlDeviceGetPowerUsage(DeviceHandle handle, unsigned* milliwatts) {
  return unsigned_of("nvmlDeviceGetPowerUsage", handle, "power_mw", milliwatts);
}
EXPORT Return nvmlDeviceGetMigMode(DeviceHandle handle, unsigned* now, unsigned* later) {
  const Return code = unsigned_of("nvmlDeviceGetMigMode", handle, "mig", now);
  *later = *now;
  return code;
}
EXPORT Return nvmlDeviceGetRemappedRows(DeviceHandle handle, unsigned* corrected,
                                        unsigned* uncorrected, unsigned* pending,
                                        unsigned* failed) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetRemappedRows", handle, code);
  if (!keys) return code;
  *corrected = *uncorrected = 0;
  *pending = static_cast<unsigned>(number(*keys, "rows_pending"));
  *failed = static_cast<unsigned>(number(*keys, "rows_failed"));
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkState(DeviceHandle handle, unsigned link, unsigned* active) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetNvLinkState", handle, code);
  if (!keys) return code;
  if (link >= links(*keys).size()) return kInvalid;
  *active = 1;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkRemotePciInfo_v2(DeviceHandle handle, unsigned link,
                                                  PciInfo* info) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceGetNvLinkRemotePciInfo_v2", handle, code);
  if (!keys) return code;
  if (link >= links(*keys).size()) return kInvalid;
  put(links(*keys)[link], info);
  return kSuccess;
}
EXPORT Return nvmlEventSetCreate(EventSet* set) {
  *set = reinterpret_cast<EventSet>(&g_told);
  return kSuccess;
}
EXPORT Return nvmlEventSetFree(EventSet) {
  return kSuccess;
}
EXPORT Return nvmlDeviceRegisterEvents(DeviceHandle handle, unsigned long long types, EventSet) {
  Return code = kSuccess;
  const auto keys = device("nvmlDeviceRegisterEvents", handle, code);
  if (!keys) return code;
  const std::lock_guard lock(g_mutex);
  if ((types & kEventXidCritical) != 0) g_watched.insert(text(*keys, "uuid"));
  return kSuccess;
}
EXPORT Return nvmlEventSetWait_v2(EventSet, EventData* data, unsigned) {
  Return code = kSuccess;
  const auto script = enter("nvmlEventSetWait_v2", code);
  if (!script) return code;
  const std::lock_guard lock(g_mutex);
  for (const auto& xid : script->xids) {
    if (!g_watched.contains(xid[0]) || !g_told.insert(xid[2]).second) continue;
    *data = {};
    data->device = reinterpret_cast<DeviceHandle>(g_ids[xid[0]].get());
    data->type = kEventXidCritical;
    data->data = std::strtoull(xid[1].c_str(), nullptr, 10);
    return kSuccess;
  }
  return kTimeout;
}

}  // extern "C"
