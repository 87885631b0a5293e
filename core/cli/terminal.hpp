// SPDX-License-Identifier: Apache-2.0
// This process's terminal: whether there is one, how large it is, and giving all that is typed on.
//
// Threads: one at a time.
#pragma once

#include <termios.h>

#include <cstddef>
#include <cstdint>

namespace berth::cli {

[[nodiscard]] bool is_terminal(int fd);

struct TerminalSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
};
// Of the terminal at `fd`; the usual one where there is none.
[[nodiscard]] TerminalSize terminal_size(int fd);

// How wide a line may be at `fd`; 0 where that is no terminal.
[[nodiscard]] std::size_t columns_of(int fd);

// While it lives, what is typed at standard input comes at once and unchanged, Ctrl-C too.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

}  // namespace berth::cli
