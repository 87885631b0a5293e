// SPDX-License-Identifier: Apache-2.0
#include "core/model/exec_frames.hpp"

#include <algorithm>

namespace berth::exec {
namespace {

template <std::size_t Bytes>
std::string big_endian(std::uint32_t value) {
  std::string text(Bytes, '\0');
  for (std::size_t i = 0; i < Bytes; ++i) {
    text[Bytes - 1 - i] = static_cast<char>(value >> (8 * i) & 0xffU);
  }
  return text;
}

std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

struct Encoder {
  std::string operator()(const Data& frame) const { return '\0' + frame.bytes; }
  std::string operator()(const Errors& frame) const { return '\1' + frame.bytes; }
  std::string operator()(const EndOfInput&) const { return "\2"; }
  std::string operator()(const Resize& frame) const {
    return '\3' + big_endian<2>(frame.rows) + big_endian<2>(frame.columns);
  }
  std::string operator()(const Signal& frame) const { return '\4' + frame.name; }
  std::string operator()(const Credit& frame) const { return '\5' + big_endian<4>(frame.bytes); }
  std::string operator()(const Exit& frame) const {
    return '\6' + big_endian<4>(static_cast<std::uint32_t>(frame.code));
  }
  std::string operator()(const Failure& frame) const { return '\7' + frame.message; }
  std::string operator()(const Unknown&) const { return "\377"; }
};

tl::unexpected<Error> invalid(const char* what) {
  return fail(Errc::Invalid, std::string("The message ") + what + ".", Subject::Request);
}

// A name that any kernel's signals have: up to 16 letters, digits and '+'.
bool is_signal(std::string_view name) {
  return !name.empty() && name.size() <= 16 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+';
  });
}

}  // namespace

std::string encode(const Frame& frame) {
  return std::visit(Encoder{}, frame);
}

Result<Frame> decode(std::string_view message) {
  if (message.empty()) return invalid("is empty");
  if (message.size() > kMessageMax) return invalid("is longer than 64 KiB");
  const char kind = message.front();
  message.remove_prefix(1);
  switch (kind) {
    case 0:
      return Data{std::string(message)};
    case 1:
      return Errors{std::string(message)};
    case 2:
      if (!message.empty()) return invalid("that ends the input has more to say");
      return EndOfInput{};
    case 3:
      if (message.size() != 4) return invalid("with a terminal's size has not four bytes of it");
      return Resize{static_cast<std::uint16_t>(number(message.substr(0, 2))),
                    static_cast<std::uint16_t>(number(message.substr(2)))};
    case 4:
      if (!is_signal(message)) return invalid("names no signal");
      return Signal{std::string(message)};
    case 5:
      if (message.size() != 4) return invalid("with credit has not four bytes of it");
      return Credit{number(message)};
    case 6:
      if (message.size() != 4) return invalid("with an exit code has not four bytes of it");
      return Exit{static_cast<std::int32_t>(number(message))};
    case 7:
      return Failure{std::string(message)};
    default:
      return Unknown{};
  }
}

}  // namespace berth::exec
