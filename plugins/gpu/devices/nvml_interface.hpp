// SPDX-License-Identifier: Apache-2.0
// What this plugin calls of NVML, declared anew: its C interface is stable, its library comes with
// the driver and is opened at run time.
//
// Names are those of the interface without "nvml". Threads: NVML's functions may be called from
// any; Berth calls them from one (driver_thread.hpp).
#pragma once

namespace berth::gpu::nvml {

using Return = int;
inline constexpr Return kSuccess = 0;
inline constexpr Return kNotSupported = 3;
inline constexpr Return kDriverNotLoaded = 9;
inline constexpr Return kTimeout = 10;
inline constexpr Return kGpuIsLost = 15;

using DeviceHandle = struct OpaqueDevice*;
using EventSet = struct OpaqueEventSet*;

inline constexpr unsigned kStringSize = 96;  // of versions (80), names (96), ids (96)
inline constexpr unsigned kMaxNvLinks = 18;
inline constexpr unsigned kTemperatureGpu = 0;
inline constexpr unsigned long long kEventXidCritical = 0x8;

struct Memory {
  unsigned long long total;  // bytes, as the next two
  unsigned long long free;
  unsigned long long used;
};

struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  char bus_id[32];
};

struct Utilization {
  unsigned gpu;  // percent, as the next
  unsigned memory;
};

struct EventData {
  DeviceHandle device;
  unsigned long long type;
  unsigned long long data;  // of a XID event: the XID
  unsigned gpu_instance_id;
  unsigned compute_instance_id;
};

static_assert(sizeof(Memory) == 24 && sizeof(PciInfo) == 68 && sizeof(EventData) == 32,
              "as the library has them");

// Slots with a default may stay empty: older drivers lack them, and what they tell is then not
// known.
struct Functions {
  Return (*init)();
  Return (*shutdown)();
  const char* (*error_string)(Return);
  Return (*driver_version)(char*, unsigned);
  Return (*device_count)(unsigned*);
  Return (*device_by_index)(unsigned, DeviceHandle*);
  Return (*uuid)(DeviceHandle, char*, unsigned);
  Return (*name)(DeviceHandle, char*, unsigned);
  Return (*memory)(DeviceHandle, Memory*);
  Return (*pci_info)(DeviceHandle, PciInfo*);
  Return (*minor_number)(DeviceHandle, unsigned*);

  Return (*utilization)(DeviceHandle, Utilization*) = nullptr;
  Return (*temperature)(DeviceHandle, unsigned, unsigned*) = nullptr;
  Return (*power_usage)(DeviceHandle, unsigned*) = nullptr;  // milliwatts
  Return (*mig_mode)(DeviceHandle, unsigned*, unsigned*) = nullptr;
  Return (*remapped_rows)(DeviceHandle, unsigned*, unsigned*, unsigned*, unsigned*) = nullptr;
  Return (*nvlink_state)(DeviceHandle, unsigned, unsigned*) = nullptr;
  Return (*nvlink_remote)(DeviceHandle, unsigned, PciInfo*) = nullptr;
  Return (*event_set_create)(EventSet*) = nullptr;
  Return (*event_set_free)(EventSet) = nullptr;
  Return (*register_events)(DeviceHandle, unsigned long long, EventSet) = nullptr;
  Return (*event_set_wait)(EventSet, EventData*, unsigned) = nullptr;  // milliseconds
};

}  // namespace berth::gpu::nvml
