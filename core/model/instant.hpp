// SPDX-License-Identifier: Apache-2.0
// Time and chance as inputs: the seams through which the core meets both.
//
// Nothing in core/ but core/daemon reads a clock or a random device (tests/tidy checks it).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace berth {

using std::chrono::milliseconds;

// Wall time in milliseconds since the Unix epoch.
using Instant = std::chrono::sys_time<milliseconds>;

// A source of random bits. Threads: one at a time.
class Rng {
 public:
  virtual ~Rng() = default;
  [[nodiscard]] virtual std::uint64_t next() = 0;
  // 32 lower-case hex digits, as ECS ids have.
  [[nodiscard]] std::string hex_id();
  // RFC 4122 version 4, as container ids and request ids have.
  [[nodiscard]] std::string uuid();
};

// xoshiro256** seeded by splitmix64: the same seed gives the same sequence everywhere.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed);
  [[nodiscard]] std::uint64_t next() override;

 private:
  std::uint64_t state_[4];
};

// Asks to be woken. Only the earliest request counts; a wake-up is a tick of the owner's loop. Threads: loop.
class Timers {
 public:
  virtual ~Timers() = default;
  // Replaces the last request. An instant in the past wakes at once.
  virtual void wake_at(Instant at) = 0;
};

}  // namespace berth
