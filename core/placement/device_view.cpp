// SPDX-License-Identifier: Apache-2.0
#include "core/placement/device_view.hpp"

#include <algorithm>

namespace berth::placement {
namespace {

constexpr std::int64_t kWhole = 1000;

}  // namespace

std::size_t DeviceModels::find(const std::string& model) const {
  return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), model) - names_.begin());
}

Result<std::vector<TargetClass>> DeviceModels::read(const std::vector<ExpectedTask>& tasks,
                                                    DeviceModels& models) {
  std::vector<TargetClass> out;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::string at = "tasks[" + std::to_string(i) + "].";
    if (!tasks[i].models.empty() && tasks[i].devices == 0)
      return Error{.message = at + "models are given, but no devices.", .what = at + "models"};
    for (const std::string& model : tasks[i].models) {
      if (models.find(model) == models.names_.size()) models.names_.push_back(model);
    }
    if (models.names_.size() > kMost)
      return Error{.message = "The expected tasks name more than 31 models of devices.",
                   .what = at + "models"};
    out.push_back({.ask = {.cpu = tasks[i].cpu,
                           .devices = tasks[i].devices,
                           .share_milli = tasks[i].share_milli,
                           .models = models.set_of(tasks[i])},
                   .weight = tasks[i].weight});
  }
  return out;
}

// Number 0 stands for the models that nobody names.
std::uint32_t DeviceModels::number(const Device& device) const {
  const std::size_t at = names_.empty() ? 0 : find(device.model);
  const std::size_t model = at == names_.size() ? 0 : at + 1;
  return static_cast<std::uint32_t>(2 * model + (device.share_milli == 0 ? 1 : 0));
}

ModelSet DeviceModels::any_shared() {
  return kAnyModel / 3;  // every other bit, the lowest among them
}

ModelSet DeviceModels::set_of(const ExpectedTask& task) const {
  ModelSet out = task.models.empty() ? kAnyModel : 0;
  for (const std::string& model : task.models) out |= ModelSet{3} << (2 * (find(model) + 1));
  return task.share_milli == kWhole ? out : out & any_shared();
}

void DeviceView::look(const DeviceBook& book, const std::string& type, const DeviceModels* models) {
  free.clear();
  devices.clear();
  left_milli = 0;
  plain = !book.has_relatives();
  for (std::size_t i = 0; i < book.devices().size(); ++i) {
    const Device& device = book.devices()[i];
    if (device.type != type) continue;
    const DeviceBook::Room room = book.room(i);
    const std::int64_t parts =
        room.parts ? std::clamp<std::int64_t>(room.share_milli, 0, kWhole - 1) : 0;
    const std::int64_t left = room.whole ? kWhole : parts;
    const bool is_usual = device.share_milli == 0 || device.share_milli == kWhole;
    plain = plain && is_usual && (room.whole || !room.parts || room.share_milli < kWhole);
    free.push_back({.share_milli = static_cast<std::int32_t>(left),
                    .model = models == nullptr ? 0 : models->number(device)});
    devices.push_back(i);
    left_milli += left;
  }
}

}  // namespace berth::placement
