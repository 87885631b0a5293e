// SPDX-License-Identifier: Apache-2.0
// Result<T, E>: a value, or why there is none. Standard library only, so that the engine stands
// alone.
//
// Threads: as T.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <variant>

namespace berth::placement {

// Why the engine refused a call. Never "no node fits": that is an answer, not an error.
struct Error {
  enum class Code {
    Invalid,        // the input can never be accepted as it is
    NotFound,       // the handle or name is not (or no longer) known
    AlreadyExists,  // a node with this id
  };
  Code code = Code::Invalid;
  std::string message;          // a sentence for people
  std::string what{};           // the member at fault, e.g. "constraints[1].expression"
  std::size_t position = npos;  // in an expression: byte offset of the first wrong character

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

// Reading the side that is not there is a bug of the caller: std::get throws.
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }
  [[nodiscard]] const E& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, E> state_;
};

}  // namespace berth::placement
