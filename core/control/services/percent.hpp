// SPDX-License-Identifier: Apache-2.0
// How many tasks of a service must stay and how many there may be, from its percentages: ECS's
// rounding.
//
// Threads: any.
#pragma once

namespace berth::control {

struct Percentages {
  int minimum_healthy = 100;
  int maximum = 200;
};

struct Bounds {
  int lower = 0;  // that must be RUNNING and healthy before the scheduler may stop one
  int upper = 0;  // RUNNING and PENDING at most, before the scheduler may start one
};

// lower is rounded up, upper down. A minimum over 100 % asks for more than the service has: lower
// is at most `desired`.
[[nodiscard]] Bounds bounds_of(int desired, Percentages percentages);

}  // namespace berth::control
