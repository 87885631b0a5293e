// SPDX-License-Identifier: Apache-2.0
// ScoredRequest: what the scored strategies of a request read, made ready once.
//
// Threads: any; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/placement/affinity.hpp"
#include "core/placement/fragmentation.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

struct ScoredRequest {
  // What a plan's needs are to a score: only devices of the type that is scored count.
  struct PlanAsk {
    // All whole devices together; without any, the first part. Models aside.
    DeviceAsk ask{};
    std::int32_t whole = 0;         // devices
    std::int64_t device_milli = 0;  // of all needs
    // The only need is a part: then Fragmentation chooses the device that gives it.
    bool one_part = false;
    // What DeviceFree shows of an ordinary node says all about the need.
    bool simple = false;
  };
  // A scored strategy's row in the table of scores.
  struct Row {
    std::uint32_t kind = 0;
    std::uint64_t generation = 0;  // of what all nodes' scores depend on
  };

  std::vector<PlanAsk> asks{};  // by owner plan
  std::vector<Row> rows{};      // by strategy
  std::optional<Affinity> affinity{};
  std::optional<std::int32_t> fragmentation_levels{};  // of the first Fragmentation

  [[nodiscard]] std::size_t bytes() const {
    return sizeof(ScoredRequest) + asks.capacity() * sizeof(PlanAsk) +
           rows.capacity() * sizeof(Row);
  }
};

}  // namespace berth::placement
