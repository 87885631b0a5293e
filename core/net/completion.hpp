// SPDX-License-Identifier: Apache-2.0
// What is called when an operation is over: any handler of that signature, behind one type.
//
// Called once at most; one that is never called is destroyed with what it holds. Owns the handler.
// Threads: one at a time.
#pragma once

#include <boost/system/error_code.hpp>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace berth::net {

template <typename... Outcome>
class Completion {
 public:
  template <typename Handler>
  requires(!std::same_as<std::remove_cvref_t<Handler>, Completion>) explicit Completion(
      Handler&& handler)
      : held_(std::make_unique<Held<std::decay_t<Handler>>>(std::forward<Handler>(handler))) {}

  void operator()(Outcome... outcome) { held_.release()->call_and_end(outcome...); }

 private:
  struct Holder {
    virtual ~Holder() = default;
    virtual void call_and_end(Outcome... outcome) = 0;
  };
  template <typename Handler>
  struct Held final : Holder {
    template <typename From>
    explicit Held(From&& from) : handler(std::forward<From>(from)) {}
    // The memory is free again before the handler begins the next operation, as Asio has it.
    void call_and_end(Outcome... outcome) override {
      Handler out(std::move(handler));
      delete this;
      std::move(out)(outcome...);
    }
    Handler handler;
  };

  std::unique_ptr<Holder> held_;
};

using Done = Completion<boost::system::error_code>;
using Moved = Completion<boost::system::error_code, std::size_t>;  // with the number of bytes

}  // namespace berth::net
