// SPDX-License-Identifier: Apache-2.0
// Result<T> of the SDK: a value, or why there is none. Standard library only.
//
// Threads: as T.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "berth/plugin_abi.h"

namespace berth::sdk {

// Why something failed: a berth_status other than BERTH_OK, and words for people.
struct Error {
  berth_status status = BERTH_INTERNAL;
  std::string message;
  std::string field{};               // path of the request's member at fault, where there is one
  std::string reason{};              // short stable word, where there is one
  std::uint32_t retry_after_ms = 0;  // with NO_CAPACITY and UNAVAILABLE

  // Whether the same request may succeed later unchanged.
  [[nodiscard]] bool is_retryable() const {
    return status == BERTH_NO_CAPACITY || status == BERTH_UNAVAILABLE || status == BERTH_DEADLINE;
  }
};

// A value or an Error. Reading the one that is not there is a bug of the caller and ends the
// process (std::get throws).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const { return error_.value(); }

 private:
  std::optional<Error> error_;
};

[[nodiscard]] inline Error fail(berth_status status, std::string message, std::string field = {}) {
  return Error{status, std::move(message), std::move(field), {}, 0};
}

}  // namespace berth::sdk
