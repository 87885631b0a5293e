// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/config.hpp"

#include "sdk/cdi/spec.hpp"

namespace berth::gpu {
namespace {

void check_path(sdk::Settings& settings, const std::string& key, const std::string& path) {
  if (!path.starts_with('/')) settings.reject(key, "'" + path + "' is no absolute path");
}

}  // namespace

Config read_config(sdk::Settings& settings) {
  Config config;
  config.nvml_library = settings.text("nvml_library", config.nvml_library);
  config.sysfs_root = settings.text("sysfs_root", config.sysfs_root);
  check_path(settings, "sysfs_root", config.sysfs_root);
  config.cdi_dirs = settings.list("cdi_dirs");
  if (config.cdi_dirs.empty()) config.cdi_dirs = {"/etc/cdi", "/var/run/cdi"};
  for (const std::string& dir : config.cdi_dirs) check_path(settings, "cdi_dirs", dir);
  config.cdi_kinds = settings.list("cdi_kinds");
  for (const std::string& kind : config.cdi_kinds) {
    if (!cdi::is_kind(kind)) settings.reject("cdi_kinds", "'" + kind + "' is not VENDOR/CLASS");
  }
  const auto milliseconds = [&settings](const char* key, std::chrono::milliseconds fallback) {
    return std::chrono::milliseconds(
        settings.integer(key, fallback.count(), {.min = 20, .max = 60000}));
  };
  config.poll_interval = milliseconds("poll_interval_ms", config.poll_interval);
  config.driver_timeout = milliseconds("driver_timeout_ms", config.driver_timeout);
  config.xid_quarantine = std::chrono::seconds(settings.integer(
      "xid_quarantine_seconds", config.xid_quarantine.count(), {.min = 0, .max = 31536000}));
  config.sharing = settings.flag("sharing", config.sharing);
  return config;
}

}  // namespace berth::gpu
