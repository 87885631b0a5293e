// SPDX-License-Identifier: Apache-2.0
// Receivers of logs, for tests: CloudWatch Logs by its JSON, the forward protocol, datagram and stream sockets. Each can go away and come back.
//
// Threads: any.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/image/http_server.hpp"

namespace berth::runtime::testing {

// Lines that came, waited for.
class Arrivals {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  bool await(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return lines_.size() >= count; });
  }
  bool await_line(const std::string& line) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return std::count(lines_.begin(), lines_.end(), line) > 0; });
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

// The operations of CloudWatch Logs that log drivers use.
class CloudWatch {
 public:
  CloudWatch() : server_([this](const test::HttpRequest& request) { return answer(request); }) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::vector<test::HttpRequest> requests() const { return server_.requests(); }
  void add_group(const std::string& group) {
    const std::lock_guard lock(mutex_);
    groups_[group];
  }
  bool has_stream(const std::string& group, const std::string& stream) {
    const std::lock_guard lock(mutex_);
    return groups_.contains(group) && groups_[group].contains(stream);
  }
  // While set, calls fail with this status.
  void fail_with(int status) {
    const std::lock_guard lock(mutex_);
    failing_ = status;
  }
  std::size_t puts() {
    const std::lock_guard lock(mutex_);
    return puts_;
  }
  bool await_failures(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return failures_ >= count; });
  }
  Arrivals messages;  // "MILLISECONDS TEXT"
  std::vector<std::string> texts() {
    std::vector<std::string> out;
    for (const auto& line : messages.lines()) out.push_back(line.substr(line.find(' ') + 1));
    return out;
  }

 private:
  static test::HttpReply error(const std::string& type) {
    return {.status = 400, .body = boost::json::serialize(boost::json::object{{"__type", type}, {"message", "told by the test"}})};
  }
  test::HttpReply answer(const test::HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    if (failing_ != 0) {
      ++failures_;
      changed_.notify_all();
      return {.status = failing_, .body = R"({"__type":"ServiceUnavailableException","message":"busy"})"};
    }
    const auto body = boost::json::parse(request.body).as_object();
    const std::string group(body.at("logGroupName").as_string());
    const std::string operation = request.header("x-amz-target");
    if (operation == "Logs_20140328.CreateLogGroup") {
      groups_[group];
      return {};
    }
    const std::string stream(body.at("logStreamName").as_string());
    const auto found = groups_.find(group);
    if (found == groups_.end()) return error("ResourceNotFoundException");
    if (operation == "Logs_20140328.CreateLogStream") {
      return found->second.insert(stream).second ? test::HttpReply{} : error("ResourceAlreadyExistsException");
    }
    if (operation != "Logs_20140328.PutLogEvents") return error("UnknownOperationException");
    if (!found->second.contains(stream)) return error("ResourceNotFoundException");
    return put(body);
  }
  // Holds batches against the rules of the service.
  test::HttpReply put(const boost::json::object& body) {
    ++puts_;
    const auto& events = body.at("logEvents").as_array();
    std::int64_t last = 0;
    std::size_t bytes = 0;
    for (const auto& event : events) {
      const std::int64_t at = event.at("timestamp").as_int64();
      const std::string text(event.at("message").as_string());
      bytes += text.size() + 26;
      if (at < last || text.empty()) return error("InvalidParameterException");
      last = at;
    }
    const bool fits = !events.empty() && events.size() <= 10'000 && bytes <= 1'048'576 &&
                      last - events.front().at("timestamp").as_int64() <= 24LL * 3600 * 1000;
    if (!fits) return error("InvalidParameterException");
    for (const auto& event : events) {
      messages.add(std::to_string(event.at("timestamp").as_int64()) + " " + std::string(event.at("message").as_string()));
    }
    return {.body = "{}"};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::set<std::string>> groups_;
  int failing_ = 0;
  std::size_t failures_ = 0;
  std::size_t puts_ = 0;
  test::HttpServer server_;  // last, so that no call comes before the rest is there
};

// Reads MessagePack as the forward protocol has it, to words that tests compare: maps as sorted "key=value,".
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}
  struct Short {};  // more bytes are needed
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

  std::string text() {
    const unsigned head = byte();
    if (head >= 0xa0 && head < 0xc0) return take(head - 0xa0);
    if (head >= 0xd9 && head <= 0xdb) return take(number_of(1U << (head - 0xd9)));
    ADD_FAILURE() << "no text: " << head;
    throw Short();
  }
  std::uint64_t number() {
    const unsigned head = byte();
    if (head < 0x80) return head;
    if (head == 0xcf) return number_of(8);
    if (head == 0xd7 && byte() == 0) return number_of(4) * 1'000'000'000 + number_of(4);
    ADD_FAILURE() << "no number: " << head;
    throw Short();
  }
  std::size_t array() { return size(0x90, 0xdc); }
  std::size_t map() { return size(0x80, 0xde); }

 private:
  unsigned byte() { return static_cast<unsigned char>(take(1)[0]); }
  std::string take(std::size_t count) {
    if (rest_.size() < count) throw Short();
    const std::string out(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return out;
  }
  std::size_t number_of(std::size_t count) {
    std::size_t out = 0;
    for (const char c : take(count)) out = out << 8 | static_cast<unsigned char>(c);
    return out;
  }
  std::size_t size(unsigned brief, unsigned medium) {
    const unsigned head = byte();
    if (head >= brief && head < brief + 16) return head - brief;
    if (head == medium) return number_of(2);
    EXPECT_EQ(head, medium + 1);
    return number_of(4);
  }
  std::string_view rest_;
};

// Listens on a stream socket, on one connection at a time, until it is told to stop.
class StreamReceiver {
 public:
  // Gets what came so far and the connection; gives how much of it is done with.
  using Take = std::function<std::size_t(const std::string& bytes, int connection)>;
  StreamReceiver(Take take, int port = 0) : take_(std::move(take)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::listen(listener_, 4);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    if (::pipe2(end_, O_CLOEXEC) != 0) std::abort();
    thread_ = std::thread([this] { run(); });
  }
  ~StreamReceiver() {
    ::close(end_[1]);
    thread_.join();
    ::close(end_[0]);
    ::close(listener_);
  }
  StreamReceiver(const StreamReceiver&) = delete;
  StreamReceiver& operator=(const StreamReceiver&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  void run() {
    int connection = -1;
    std::string bytes;
    for (;;) {
      pollfd polled[] = {{end_[0], POLLIN, 0}, {connection < 0 ? listener_ : connection, POLLIN, 0}};
      ::poll(polled, 2, -1);
      if (polled[0].revents != 0) break;
      if (connection < 0) {
        connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        bytes.clear();
        continue;
      }
      char buffer[65536];
      const ssize_t got = ::read(connection, buffer, sizeof buffer);
      if (got <= 0) {
        ::close(connection);
        connection = -1;
        continue;
      }
      bytes.append(buffer, static_cast<std::size_t>(got));
      bytes.erase(0, take_(bytes, connection));
    }
    if (connection >= 0) ::close(connection);
  }
  Take take_;
  int listener_;
  int port_ = 0;
  int end_[2] = {-1, -1};
  std::thread thread_;
};

// A datagram socket in the file system.
class DatagramReceiver {
 public:
  explicit DatagramReceiver(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval patience{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~DatagramReceiver() { ::close(fd_); }
  DatagramReceiver(const DatagramReceiver&) = delete;
  DatagramReceiver& operator=(const DatagramReceiver&) = delete;

  // The next datagram, or the content of a file that came in its place; empty: none came.
  std::string next() {
    std::string bytes(1 << 20, '\0');
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd_, &message, 0);
    if (const cmsghdr* one = CMSG_FIRSTHDR(&message); got >= 0 && one != nullptr) {
      int file = -1;
      std::memcpy(&file, CMSG_DATA(one), sizeof file);
      const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
      ::close(file);
      return bytes.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }
    return bytes.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }

 private:
  int fd_;
};

}  // namespace berth::runtime::testing
