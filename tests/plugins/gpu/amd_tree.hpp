// SPDX-License-Identifier: Apache-2.0
// A sysfs with two of AMD's devices and one of another vendor's, as the kernel's documentation has
// the files.
#pragma once

#include <string>

#include "tests/plugins/gpu/room.hpp"

namespace berth::test {

inline void write_amd_card(const Room& room, int number, const std::string& pci) {
  const std::string card = "sys/class/drm/card" + std::to_string(number);
  const std::string device = card + "/device/";
  room.write(device + "vendor", "0x1002\n");
  room.write(device + "device", "0x740f\n");
  room.write(device + "uevent",
             "DRIVER=amdgpu\nPCI_CLASS=38000\nPCI_ID=1002:740F\nPCI_SLOT_NAME=" + pci + "\n");
  room.write(device + "unique_id", "3f2a00c0ffee000" + std::to_string(number) + "\n");
  room.write(device + "product_name", "AMD Instinct MI210\n");
  room.write(device + "mem_info_vram_total", "68702699520\n");
  room.write(device + "mem_info_vram_used", "11005853696\n");
  room.write(device + "gpu_busy_percent", "37\n");
  room.write(device + "numa_node", std::to_string(number) + "\n");
  room.write(device + "config", std::string("\x02\x10\x0f\x74", 4));
  room.write(device + "xgmi_hive_info/xgmi_hive_id", "7812340000\n");
  room.write(device + "drm/renderD" + std::to_string(128 + number) + "/dev", "226:128\n");
  room.write(card + "-DP-1/status", "disconnected\n");
}

inline void write_amd_tree(const Room& room) {
  write_amd_card(room, 0, "0000:03:00.0");
  write_amd_card(room, 1, "0000:83:00.0");
  room.write("sys/class/drm/card2/device/vendor", "0x1a03\n");
  room.write("sys/class/drm/version", "drm 1.1.0 20060810\n");
  room.write("sys/module/amdgpu/version", "6.3.6\n");
}

}  // namespace berth::test
