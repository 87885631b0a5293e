// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/nvml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "plugins/gpu/devices/link_groups.hpp"
#include "plugins/gpu/devices/nvml_library.hpp"

namespace berth::gpu::nvml {
namespace {

constexpr auto kOpenAgain = std::chrono::seconds(10);  // a driver may be installed later
// NVML numbers its devices when it begins: one that was reset is found by beginning anew.
constexpr auto kBeginAnew = std::chrono::seconds(30);
constexpr auto kBeginning = std::chrono::seconds(10);  // drivers wake their devices one by one
constexpr int kMostEvents = 256;                       // of one scan
constexpr unsigned kMostDevices = 256;

// What stands in a buffer that another's library wrote: printable, whatever it wrote.
template <std::size_t N>
std::string text_of(const std::array<char, N>& buffer) {
  std::string out(buffer.begin(), std::ranges::find(buffer, '\0'));
  std::erase_if(out, [](char c) { return c < ' ' || c > '~'; });
  return out;
}

// As the kernel writes it: "0000:07:00.0". NVML's domains have eight digits.
std::string pci_of(const PciInfo& info) {
  std::array<char, sizeof(info.bus_id)> buffer{};
  std::ranges::copy(info.bus_id, buffer.begin());
  std::string text = text_of(buffer);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.find(':') == 8 && text.starts_with("0000")) text.erase(0, 4);
  return text;
}

std::int64_t mib(unsigned long long bytes) {
  return static_cast<std::int64_t>(bytes >> 20U);
}

}  // namespace

std::string Nvml::words(const char* what, Return code) const {
  const char* const why = f_->error_string(code);
  return std::string(what) + ": " + (why ? why : "error " + std::to_string(code));
}

std::string Nvml::open(Clock::time_point now, const Alive& alive) {
  if (f_) return {};
  if (next_open_ && now < *next_open_) return "the library is not there";
  next_open_ = now + kOpenAgain;
  auto functions = open_library(library_);
  alive();
  if (!functions) return functions.error().message;
  f_ = *functions;
  return {};
}

std::string Nvml::begin(const Alive& alive) {
  if (begun_) return {};
  alive(kBeginning);
  const Return code = f_->init();
  alive();
  if (code != kSuccess) return words("nvmlInit", code);
  begun_ = true;
  std::array<char, kStringSize> version{};
  if (f_->driver_version(version.data(), kStringSize - 1) == kSuccess) driver_ = text_of(version);
  alive();
  if (f_->event_set_create && f_->event_set_create(&events_) != kSuccess) events_ = nullptr;
  alive();
  return {};
}

void Nvml::shut_down() {
  if (!begun_) return;
  if (events_) f_->event_set_free(events_);
  f_->shutdown();
  events_ = nullptr;
  begun_ = false;
  known_.clear();
  links_known_ = false;
}

Scan Nvml::scan(Clock::time_point now, const Alive& alive) {
  Scan out;
  out.problem = open(now, alive);
  out.has_library = f_.has_value();
  if (!f_) return out;
  out.problem = begin(alive);
  if (!begun_) return out;
  out.driver = driver_;
  unsigned count = 0;
  const Return counted = f_->device_count(&count);
  alive();
  if (counted != kSuccess) {
    out.problem = words("nvmlDeviceGetCount", counted);
    shut_down();
    return out;
  }
  take_events(now, alive);
  bool faulty = false;
  for (unsigned i = 0; i < std::min(count, kMostDevices); ++i) {
    auto gpu = look_at(i, alive, out.problem);
    if (!gpu) continue;
    faulty |= !gpu->fault.empty();
    if (gpu->fault.empty()) gpu->fault = quarantine_.fault(gpu->uuid, now);
    out.gpus.push_back(std::move(*gpu));
  }
  find_links(alive);
  for (Gpu& gpu : out.gpus) {
    if (const auto it = known_.find(gpu.uuid); it != known_.end()) {
      gpu.link_group = it->second.gpu.link_group;
    }
  }
  faulty |= !out.problem.empty();
  if (faulty && (!begun_anew_ || now - *begun_anew_ >= kBeginAnew)) {
    begun_anew_ = now;
    shut_down();
    alive();
  }
  return out;
}

// None, with `problem` set, where not even which device it is can be told.
std::optional<Gpu> Nvml::look_at(unsigned index, const Alive& alive, std::string& problem) {
  DeviceHandle handle = nullptr;
  std::array<char, kStringSize> buffer{};
  Return code = f_->device_by_index(index, &handle);
  alive();
  const char* what = "it cannot be opened";
  if (code == kSuccess) {
    code = f_->uuid(handle, buffer.data(), kStringSize - 1);
    alive();
    what = "it does not tell its UUID";
  }
  const std::string uuid = text_of(buffer);
  if (code != kSuccess || uuid.empty()) {
    // The place is still known by who was there.
    if (const auto was = uuids_.find(index); was != uuids_.end()) {
      Gpu gpu;
      gpu.uuid = was->second;
      gpu.index = index;
      gpu.fault = words(what, code);
      return gpu;
    }
    problem = words(("device " + std::to_string(index) + ", " + what).c_str(), code);
    return {};
  }
  uuids_[index] = uuid;
  auto it = known_.find(uuid);
  if (it == known_.end() || it->second.handle != handle) {
    Gpu gpu;
    gpu.uuid = uuid;
    if (std::string fault = read_place(handle, gpu, alive); !fault.empty()) {
      gpu.index = index;
      gpu.fault = std::move(fault);
      return gpu;
    }
    if (events_) f_->register_events(handle, kEventXidCritical, events_);
    alive();
    it = known_.insert_or_assign(uuid, Known{std::move(gpu), handle}).first;
    links_known_ = false;
  }
  Gpu& gpu = it->second.gpu;
  gpu.index = index;
  gpu.fault = fault_of(handle, gpu, alive);
  return gpu;
}

// What does not change while the driver runs. Returns the fault where it cannot be told.
std::string Nvml::read_place(DeviceHandle handle, Gpu& gpu, const Alive& alive) const {
  std::array<char, kStringSize> name{};
  const Return named = f_->name(handle, name.data(), kStringSize - 1);
  alive();
  if (named != kSuccess) return words("it does not tell its name", named);
  gpu.name = text_of(name);
  PciInfo info{};
  const Return placed = f_->pci_info(handle, &info);
  alive();
  if (placed != kSuccess) return words("it does not tell its PCI address", placed);
  gpu.pci = pci_of(info);
  const Return numbered = f_->minor_number(handle, &gpu.minor);
  alive();
  return numbered == kSuccess ? "" : words("it does not tell its minor number", numbered);
}

std::string Nvml::fault_of(DeviceHandle handle, Gpu& gpu, const Alive& alive) const {
  Memory memory{};
  const Return code = f_->memory(handle, &memory);
  alive();
  if (code == kSuccess) {
    gpu.memory_mib = mib(memory.total);
  } else if (code != kNotSupported) {  // its memory may be the host's
    return words("it does not answer", code);
  }
  unsigned now = 0;
  unsigned later = 0;
  if (f_->mig_mode) {
    const bool is_parted = f_->mig_mode(handle, &now, &later) == kSuccess && now == 1;
    alive();
    if (is_parted) return "it is in MIG mode, and MIG devices are not offered";
  }
  if (f_->remapped_rows) {
    unsigned corrected = 0;
    unsigned uncorrected = 0;
    unsigned pending = 0;
    unsigned failed = 0;
    const Return rows = f_->remapped_rows(handle, &corrected, &uncorrected, &pending, &failed);
    alive();
    if (rows == kSuccess && failed != 0) return "rows of its memory could not be remapped";
    if (rows == kSuccess && pending != 0) {
      return "rows of its memory are to be remapped: it needs a reset";
    }
  }
  return {};
}

void Nvml::find_links(const Alive& alive) {
  if (links_known_ || !f_->nvlink_state || !f_->nvlink_remote) return;
  std::vector<Linked> all;
  for (const auto& [uuid, known] : known_) {
    Linked linked{known.gpu.pci, {}};
    for (unsigned link = 0; link < kMaxNvLinks; ++link) {
      unsigned active = 0;
      const Return state = f_->nvlink_state(known.handle, link, &active);
      alive();
      if (state != kSuccess) break;  // it has no more
      PciInfo end{};
      if (active == 1 && f_->nvlink_remote(known.handle, link, &end) == kSuccess) {
        linked.ends.push_back(pci_of(end));
      }
      alive();
    }
    all.push_back(std::move(linked));
  }
  const auto groups = link_groups(all);
  for (auto& [uuid, known] : known_) {
    const auto it = groups.find(known.gpu.pci);
    known.gpu.link_group = it == groups.end() ? "" : it->second;
  }
  links_known_ = true;
}

void Nvml::take_events(Clock::time_point now, const Alive& alive) {
  for (int i = 0; events_ && i < kMostEvents; ++i) {
    EventData event{};
    const Return code = f_->event_set_wait(events_, &event, 0);
    alive();
    if (code != kSuccess) return;
    if (event.type != kEventXidCritical) continue;
    for (const auto& [uuid, known] : known_) {
      if (known.handle == event.device) quarantine_.add(uuid, event.data, now);
    }
  }
}

std::vector<v1::DeviceStats> Nvml::stats(const std::vector<std::string>& uuids,
                                         const Alive& alive) {
  std::vector<v1::DeviceStats> out;
  if (!begun_) return out;
  for (const auto& [uuid, known] : known_) {
    if (std::ranges::find(uuids, uuid) == uuids.end()) continue;
    Memory memory{};
    const Return code = f_->memory(known.handle, &memory);
    alive();
    if (code != kSuccess && code != kNotSupported) continue;
    v1::DeviceStats& stats = out.emplace_back();
    stats.set_device_id(uuid);
    stats.set_memory_used_mib(mib(memory.used));
    stats.set_memory_total_mib(mib(memory.total));
    Utilization busy{};
    if (f_->utilization && f_->utilization(known.handle, &busy) == kSuccess) {
      stats.set_utilization(busy.gpu / 100.0);
    }
    alive();
    unsigned value = 0;
    if (f_->temperature && f_->temperature(known.handle, kTemperatureGpu, &value) == kSuccess) {
      (*stats.mutable_values())["temperature_celsius"] = value;
    }
    alive();
    if (f_->power_usage && f_->power_usage(known.handle, &value) == kSuccess) {
      (*stats.mutable_values())["power_watts"] = value / 1000.0;
    }
    alive();
  }
  return out;
}

}  // namespace berth::gpu::nvml
