// SPDX-License-Identifier: Apache-2.0
// What every role of a plugin has: a host, a description, and a moment at which it begins.
//
// Life: constructed with its Host (quick, no outside effects, no thread; reads all its settings
// there), described, activated at most once, destroyed (joins its threads; what runs outside goes
// on). An instance holds one object of each role. Threads: the virtuals [any] and at the same time
// as others, unless they say otherwise. None may block: copy, queue, return. Errors: an exception
// that leaves a virtual ends that call with BERTH_INTERNAL and its words.
#pragma once

#include <utility>

#include "berth/completion.hpp"
#include "berth/host.hpp"

namespace berth::sdk {

class Role {
 public:
  explicit Role(Host host) : host_(std::move(host)) {}
  virtual ~Role() = default;
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;

  // Adds what the host must know to route to this role: launch types, registry hosts, device types.
  // The id and the methods are filled in by the SDK. [one at a time]
  virtual void describe(v1::Interface& self) const = 0;

  // Begins: opens ports, publishes inventory. Comes before every other call of the role. Not called
  // where the host does not use this role.
  virtual void activate(Completion<v1::Empty> done) { done.ok(); }

 protected:
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  Host host_;
};

}  // namespace berth::sdk
