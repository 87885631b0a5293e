// SPDX-License-Identifier: Apache-2.0
// What client and control plane say to each other over the websocket of GET /berth/v1/exec
// (subprotocol "berth.exec.v1").
//
// Each binary message is one byte that says what it is, and the rest; numbers are big-endian. Both
// sides may send as many bytes of Input, Output and Errors as the other has granted by Credit, none
// at first; all else costs nothing. A message of a kind that the receiver does not know is ignored.
//
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/model/error.hpp"

namespace berth::exec {

inline constexpr std::string_view kSubprotocol = "berth.exec.v1";
inline constexpr std::size_t kDataMax = 64 * 1024;  // of one message
inline constexpr std::size_t kMessageMax = kDataMax + 1;

// 0x00 of a client, the command's input; of the server, its output.
struct Data {
  std::string bytes;
};
// 0x01, server: what the command wrote to its error output.
struct Errors {
  std::string bytes;
};
// 0x02, client: there is no more input.
struct EndOfInput {};
// 0x03, client: rows and columns of its terminal, two bytes each.
struct Resize {
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
};
// 0x04, client: a signal for the command by its name, "INT" or "TERM".
struct Signal {
  std::string name;
};
// 0x05, both: so many more bytes may come; four bytes.
struct Credit {
  std::uint32_t bytes = 0;
};
// 0x06, server, the last: the command's exit code; four bytes, two's complement.
struct Exit {
  std::int32_t code = 0;
};
// 0x07, server, the last: why the command did not run or was lost, in words.
struct Failure {
  std::string message;
};
// Another kind, of a newer peer.
struct Unknown {};

using Frame =
    std::variant<Data, Errors, EndOfInput, Resize, Signal, Credit, Exit, Failure, Unknown>;

[[nodiscard]] std::string encode(const Frame& frame);
// Errors: Invalid, with what is wrong.
[[nodiscard]] Result<Frame> decode(std::string_view message);

}  // namespace berth::exec
