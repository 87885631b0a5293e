// SPDX-License-Identifier: Apache-2.0
#include "tests/support/probe/forward_server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

struct Short {};  // more bytes are needed

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    char code[8] = {c, '\0'};
    if (c == '"' || c == '\\') std::snprintf(code, sizeof code, "\\%c", c);
    if (static_cast<unsigned char>(c) < 0x20) {
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
    }
    out += code;
  }
  return out + "\"";
}

// MessagePack, as much of it as the forward protocol has, as JSON.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

  std::string value() {
    const unsigned head = byte();
    if (head < 0x80) return std::to_string(head);
    if (head < 0x90) return map(head - 0x80);
    if (head < 0xa0) return list(head - 0x90);
    if (head < 0xc0) return quoted(take(head - 0xa0));
    switch (head) {
      case 0xcf:
        return std::to_string(number(8));
      case 0xd7:
        return (void)byte(),
               "\"" + std::to_string(number(4)) + "." + std::to_string(number(4)) + "\"";
      case 0xd9:
        return quoted(take(number(1)));
      case 0xda:
        return quoted(take(number(2)));
      case 0xdb:
        return quoted(take(number(4)));
      case 0xdc:
        return list(number(2));
      case 0xdd:
        return list(number(4));
      case 0xde:
        return map(number(2));
      case 0xdf:
        return map(number(4));
      default:
        return "\"(what is " + std::to_string(head) + "?)\"";
    }
  }
  // The size of an array; its members follow.
  std::uint64_t array() {
    const unsigned head = byte();
    if (head >= 0x90 && head < 0xa0) return head - 0x90;
    return number(head == 0xdc ? 2 : 4);
  }

 private:
  unsigned byte() { return static_cast<unsigned char>(take(1)[0]); }
  std::string_view take(std::uint64_t count) {
    if (rest_.size() < count) throw Short();
    const auto out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  std::uint64_t number(int count) {
    std::uint64_t out = 0;
    for (const char c : take(static_cast<std::uint64_t>(count)))
      out = out << 8 | static_cast<unsigned char>(c);
    return out;
  }
  std::string list(std::uint64_t size) {
    std::string out;
    for (; size > 0; --size) out += (out.empty() ? "" : ",") + value();
    return "[" + out + "]";
  }
  std::string map(std::uint64_t size) {
    std::string out;
    for (; size > 0; --size) {
      out += (out.empty() ? "" : ",") + value();
      out += ":" + value();
    }
    return "{" + out + "}";
  }
  std::string_view rest_;
};

void tell(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) ::_exit(8);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// One message: [tag, [[time, record], ...], options].
void take_message(Reader& reader) {
  reader.array();
  const std::string tag = reader.value();
  std::string lines;
  for (std::uint64_t entries = reader.array(); entries > 0; --entries) {
    reader.array();
    const std::string time = reader.value();
    lines += "{\"tag\":" + tag + ",\"time\":" + time + ",\"record\":" + reader.value() + "}\n";
  }
  (void)reader.value();
  tell(lines);
}

// Gives what is left of the bytes.
std::string take_messages(const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    Reader reader(std::string_view(bytes).substr(done));
    try {
      take_message(reader);
    } catch (const Short&) {
      break;
    }
    done = bytes.size() - reader.left();
  }
  return bytes.substr(done);
}

[[noreturn]] void serve(int listener) {
  std::vector<pollfd> polled = {{listener, POLLIN, 0}};
  std::vector<std::string> bytes = {""};
  for (;;) {
    ::poll(polled.data(), polled.size(), -1);
    for (std::size_t i = polled.size() - 1; i > 0; --i) {
      if (polled[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(polled[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        bytes[i] = take_messages(bytes[i].append(buffer, static_cast<std::size_t>(got)));
        continue;
      }
      ::close(polled[i].fd);
      polled.erase(polled.begin() + static_cast<std::ptrdiff_t>(i));
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (polled[0].revents == 0) continue;
    polled.push_back({::accept(listener, nullptr, nullptr), POLLIN, 0});
    bytes.emplace_back();
  }
}

}  // namespace

void take_forward(const std::string& path) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ::unlink(path.c_str());
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 16) != 0) {
    ::_exit(9);
  }
  if (::fork() == 0) serve(listener);
}
