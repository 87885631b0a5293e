// SPDX-License-Identifier: Apache-2.0
#include "core/placement/remaining.hpp"

namespace berth::placement {

Remaining remaining_of(const Books& books, std::uint32_t node) {
  const NodeRow& row = books.row(node);
  Remaining out{.cpu = books.left(kCpuColumn, node),
                .memory_mib = books.left(kMemoryColumn, node),
                .tasks = static_cast<std::uint32_t>(books.tasks(node).size())};
  if (const auto eni = books.find_column(Column::Kind::Eni, "ENI"))
    out.eni_slots = books.left(*eni, node);
  if (row.extras == nullptr) return out;
  for (const auto& [key, holders] : row.extras->ports) out.ports_taken.push_back(port_of(key));
  for (const Capacity& capacity : row.extras->capacities) {
    const auto column = books.find_column(Column::Kind::Amount, capacity.name);
    out.amounts.push_back(Amount{capacity.name, books.left(*column, node)});
  }
  for (std::size_t i = 0; i < row.extras->devices.devices().size(); ++i)
    out.devices.push_back(row.extras->devices.left(i));
  return out;
}

}  // namespace berth::placement
