// SPDX-License-Identifier: Apache-2.0
// A store whose batches are timed for GET /metrics: from append to durable, which every caller of
// the API waits for.
//
// Threads: as Store's; the registry is read from any.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "core/store/store.hpp"

namespace berth::daemon {

// `nanoseconds` is a clock that never goes back; empty: the machine's own. The registry outlives
// the store.
[[nodiscard]] std::unique_ptr<store::Store> timed_store(
    std::unique_ptr<store::Store> store, prometheus::Registry& registry,
    std::function<std::int64_t()> nanoseconds = {});

}  // namespace berth::daemon
