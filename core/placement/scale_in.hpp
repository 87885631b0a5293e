// SPDX-License-Identifier: Apache-2.0
// The reverse question: which tasks of a set to stop, so that what is left stands as its strategies
// would have it.
//
// Reads the books and changes nothing. Cost: the candidates, and for each task that is chosen the
// values that tasks of the set spread over and the candidates on its node; never the cluster.
// Threads: one at a time with whatever changes the books.
#pragma once

#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/compiled.hpp"
#include "core/placement/types.hpp"

namespace berth::placement {

// Contract: Engine::choose_to_stop.
[[nodiscard]] std::vector<ReservationId> choose_to_stop(const Compiled& compiled,
                                                        const Books& books,
                                                        const StopQuestion& question);

}  // namespace berth::placement
