// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "core/placement/books.hpp"

namespace berth::placement {
namespace {

std::optional<Error> out_of_range(std::int64_t amount, const std::string& what) {
  if (amount >= 0 && amount <= kMaxAmount) return std::nullopt;
  return Error{Error::Code::Invalid,
               what + " is " + std::to_string(amount) + "; amounts are 0 to 2^30.", what};
}

Error invalid(const std::string& what, const std::string& why) {
  return Error{Error::Code::Invalid, what + " " + why + ".", what};
}

bool has_device(const NodeSpec& spec, std::string_view id, std::size_t before) {
  for (std::size_t i = 0; i < before; ++i) {
    if (spec.devices[i].id == id) return true;
  }
  return false;
}

// A chain of parents that is longer than there are devices comes back to itself.
bool is_own_ancestor(const NodeSpec& spec, std::size_t device) {
  std::string_view id = spec.devices[device].parent;
  for (std::size_t steps = 0; !id.empty(); ++steps) {
    if (steps > spec.devices.size()) return true;
    std::string_view next;
    for (const Device& other : spec.devices) {
      if (other.id == id) next = other.parent;
    }
    id = next;
  }
  return false;
}

std::optional<Error> refuse_device(const NodeSpec& spec, std::size_t i) {
  const Device& device = spec.devices[i];
  const std::string at = "devices[" + std::to_string(i) + "]";
  if (device.id.empty()) return invalid(at + ".id", "is empty");
  if (device.type.empty()) return invalid(at + ".type", "is empty");
  if (has_device(spec, device.id, i)) return invalid(at + ".id", "is there twice: " + device.id);
  if (is_own_ancestor(spec, i))
    return invalid(at + ".parent", "leads back to itself: " + device.id);
  if (auto error = out_of_range(device.memory_mib, at + ".memory_mib")) return error;
  return out_of_range(device.share_milli, at + ".share_milli");
}

std::optional<Error> refuse_capacity(const NodeSpec& spec, std::size_t i) {
  const Capacity& capacity = spec.capacities[i];
  const std::string at = "capacities[" + std::to_string(i) + "]";
  if (capacity.name.empty()) return invalid(at + ".name", "is empty");
  for (std::size_t j = 0; j < i; ++j) {
    if (spec.capacities[j].name == capacity.name)
      return invalid(at + ".name", "is there twice: " + capacity.name);
  }
  if (auto error = out_of_range(capacity.total, at + ".total")) return error;
  return out_of_range(capacity.per_task_limit, at + ".per_task_limit");
}

}  // namespace

std::optional<Error> refuse_spec(const NodeSpec& spec) {
  if (spec.id.empty()) return invalid("id", "is empty");
  if (auto error = out_of_range(spec.cpu, "cpu")) return error;
  if (auto error = out_of_range(spec.memory_mib, "memory_mib")) return error;
  if (auto error = out_of_range(spec.eni_slots, "eni_slots")) return error;
  for (std::size_t i = 0; i < spec.capacities.size(); ++i) {
    if (auto error = refuse_capacity(spec, i)) return error;
  }
  for (std::size_t i = 0; i < spec.devices.size(); ++i) {
    if (auto error = refuse_device(spec, i)) return error;
  }
  return std::nullopt;
}

}  // namespace berth::placement
