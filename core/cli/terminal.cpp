// SPDX-License-Identifier: Apache-2.0
#include "core/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace berth::cli {

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

TerminalSize terminal_size(int fd) {
  winsize window{};
  if (::ioctl(fd, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0) return {};
  return {window.ws_row, window.ws_col};
}

std::size_t columns_of(int fd) {
  return is_terminal(fd) ? terminal_size(fd).columns : 0;
}

RawTerminal::RawTerminal() {
  if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  changed_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (changed_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

}  // namespace berth::cli
