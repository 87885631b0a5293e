// SPDX-License-Identifier: Apache-2.0
// The native protocol of systemd's journal: one datagram of fields for each entry.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sdk/runtime/logship/log_sinks.hpp"
#include "sdk/runtime/monitor/state_files.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

using sdk::Result;

void add_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out.append("=").append(value).append("\n");
    return;
  }
  // A value of several lines comes with its length, in little endian.
  out += '\n';
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift & 0xff);
  out.append(value).append("\n");
}

class JournaldSink : public LogSink {
 public:
  JournaldSink(const JournaldOptions& options, const LogShipment& shipment, const LogOutside& outside)
      : path_(outside.journal_socket), timeout_(outside.timeout) {
    const LogNames names = names_of(shipment);
    const std::string tag = fill_tag(options.tag, names);
    const std::pair<const char*, const std::string&> fields[] = {{"CONTAINER_ID", names.id},
                                                                 {"CONTAINER_ID_FULL", names.full_id},
                                                                 {"CONTAINER_NAME", names.name},
                                                                 {"CONTAINER_TAG", tag},
                                                                 {"IMAGE_NAME", names.image},
                                                                 {"SYSLOG_IDENTIFIER", tag}};
    for (const auto& [name, value] : fields) add_field(fields_, name, value);
  }

  Result<void> prepare(std::stop_token) override { return connect(); }

  Result<Sent> send(std::span<const LogEvent> events, std::stop_token) override {
    if (auto there = connect(); !there) return there.error();
    Sent sent;
    for (const LogEvent& event : events) {
      std::string entry = fields_;
      add_field(entry, "PRIORITY", event.stream == LogStream::Stderr ? "3" : "6");
      add_field(entry, "MESSAGE", event.text);
      if (auto written = write(entry); !written) {
        if (sent.events > 0) return sent;
        return written.error();
      }
      ++sent.events;
    }
    return sent;
  }

  std::string receiver() const override { return path_; }

 private:
  Result<void> connect() {
    if (fd_) return {};
    OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return sdk::fail(BERTH_UNAVAILABLE, "journald does not run on this host: " + path_ + ": " + std::strerror(errno));
    }
    timeval patience{};
    patience.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(timeout_).count() + 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    fd_ = std::move(fd);
    return {};
  }

  // The journal takes what is too long for a datagram as a sealed file.
  Result<void> write(const std::string& entry) {
    if (::send(fd_.get(), entry.data(), entry.size(), MSG_NOSIGNAL) >= 0) return {};
    if ((errno == EMSGSIZE || errno == ENOBUFS) && send_file(entry)) return {};
    const int why = errno;
    fd_ = OwnedFd();
    return sdk::fail(BERTH_UNAVAILABLE, path_ + ": " + std::strerror(why));
  }

  bool send_file(const std::string& entry) const {
    const OwnedFd file(::memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || !state::write_all(file.get(), entry) ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
      return false;
    }
    union {
      cmsghdr header;
      char bytes[CMSG_SPACE(sizeof(int))];
    } control{};
    msghdr message{};
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* const one = CMSG_FIRSTHDR(&message);
    one->cmsg_level = SOL_SOCKET;
    one->cmsg_type = SCM_RIGHTS;
    one->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = file.get();
    std::memcpy(CMSG_DATA(one), &fd, sizeof fd);
    return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) >= 0;
  }

  const std::string path_;
  const std::chrono::milliseconds timeout_;
  std::string fields_;  // those that are the same for each entry
  OwnedFd fd_;
};

}  // namespace

std::unique_ptr<LogSink> make_journald_sink(const JournaldOptions& options, const LogShipment& shipment, const LogOutside& outside) {
  return std::make_unique<JournaldSink>(options, shipment, outside);
}

}  // namespace berth::runtime
