// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/server.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace berth::runtime::metadata {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kConnectionsMost = 512;
constexpr std::size_t kConnectionsOfScope = 32;
constexpr std::chrono::milliseconds kPause{900};  // when no descriptor is left
constexpr std::chrono::seconds kIdle{10};         // until the request is whole
constexpr std::chrono::seconds kAnswering{60};    // until the answer is sent

const char* words_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

std::string wire_of(const Answer& answer) {
  return "HTTP/1.1 " + std::to_string(answer.status) + " " + words_of(answer.status) +
         "\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(answer.body.size()) +
         "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" + answer.body;
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)) {}

  sdk::Result<void> open();
  void begin() {
    thread_ = std::thread([this] { run(); });
  }
  void stop();
  void listen(const std::string& scope, OwnedFd socket);
  void close(const std::string& scope);
  bool listens(const std::string& scope) const {
    const std::lock_guard lock(mutex_);
    return served_.contains(scope);
  }
  void post(std::function<void()> work);

 private:
  struct Connection {
    OwnedFd socket;
    std::string scope;
    std::string in;
    std::string out;
    bool asked = false;
    SteadyClock::time_point until;
  };

  void run();
  void accept_at(std::uint64_t key);
  void pause(std::uint64_t key);
  void resume_paused();
  void read_from(std::uint64_t id);
  void respond(std::uint64_t id, const Answer& answer);
  void write_to(std::uint64_t id);
  void drop(std::uint64_t id);
  void drop_scope(const std::string& scope);
  void drop_late();
  void watch(int fd, std::uint64_t key, std::uint32_t events, int operation) const;

  const Handler handler_;
  OwnedFd epoll_;
  OwnedFd wake_;
  std::thread thread_;

  // Of the server's thread. Keys of epoll: 0 the wake-up, even numbers listeners, odd connections.
  std::map<std::uint64_t, std::pair<std::string, OwnedFd>> listeners_;
  std::map<std::string, std::uint64_t> listener_of_;
  std::map<std::uint64_t, Connection> connections_;
  std::map<std::string, std::set<std::uint64_t>> connections_of_;
  std::uint64_t next_key_ = 2;
  std::set<std::uint64_t> paused_;  // listeners
  SteadyClock::time_point paused_until_;
  bool ending_ = false;

  mutable std::mutex mutex_;
  std::deque<std::function<void()>> inbox_;
  std::set<std::string> served_;
  bool closed_ = false;
};

sdk::Result<void> Server::Impl::open() {
  epoll_ = OwnedFd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !wake_) {
    return sdk::fail(BERTH_UNAVAILABLE, std::string("task endpoints: ") + std::strerror(errno));
  }
  watch(wake_.get(), 0, EPOLLIN, EPOLL_CTL_ADD);
  return {};
}

void Server::Impl::watch(int fd, std::uint64_t key, std::uint32_t events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

void Server::Impl::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    inbox_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Server::Impl::stop() {
  post([this] { ending_ = true; });
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  inbox_.clear();
}

void Server::Impl::run() {
  epoll_event events[32];
  while (!ending_) {
    const int timeout = connections_.empty() && paused_.empty() ? -1 : 1000;
    const int count = ::epoll_wait(epoll_.get(), events, 32, timeout);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[i].data.u64;
      if (key == 0) {
        std::uint64_t number = 0;
        [[maybe_unused]] const auto got = ::read(wake_.get(), &number, sizeof number);
      } else if (listeners_.contains(key)) {
        accept_at(key);
      } else if (const auto one = connections_.find(key); one != connections_.end()) {
        if (one->second.out.empty()) {
          read_from(key);
        } else {
          write_to(key);
        }
      }
    }
    std::deque<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(inbox_);
    }
    for (const auto& one : work) one();
    drop_late();
    resume_paused();
  }
  listeners_.clear();
  connections_.clear();
}

void Server::Impl::listen(const std::string& scope, OwnedFd socket) {
  {
    const std::lock_guard lock(mutex_);
    served_.insert(scope);
  }
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  post([this, scope, fd = std::make_shared<OwnedFd>(std::move(socket))] {
    drop_scope(scope);
    const std::uint64_t key = next_key_;
    next_key_ += 2;
    watch(fd->get(), key, EPOLLIN, EPOLL_CTL_ADD);
    listeners_.emplace(key, std::pair{scope, std::move(*fd)});
    listener_of_[scope] = key;
  });
}

void Server::Impl::close(const std::string& scope) {
  {
    const std::lock_guard lock(mutex_);
    if (served_.erase(scope) == 0) return;
  }
  struct Done {
    std::mutex mutex;
    std::condition_variable changed;
    bool is = false;
  };
  const auto done = std::make_shared<Done>();
  post([this, scope, done] {
    drop_scope(scope);
    const std::lock_guard lock(done->mutex);
    done->is = true;
    done->changed.notify_all();
  });
  std::unique_lock lock(done->mutex);
  done->changed.wait(lock, [&] { return done->is; });
}

void Server::Impl::drop_scope(const std::string& scope) {
  if (const auto at = listener_of_.find(scope); at != listener_of_.end()) {
    listeners_.erase(at->second);
    listener_of_.erase(at);
  }
  const auto of = connections_of_.find(scope);
  if (of == connections_of_.end()) return;
  for (const std::uint64_t id : std::set<std::uint64_t>(of->second)) drop(id);
}

// Who waits there would wake the thread again and again while nobody can be let in.
void Server::Impl::pause(std::uint64_t key) {
  watch(listeners_.at(key).second.get(), key, 0, EPOLL_CTL_MOD);
  paused_.insert(key);
  paused_until_ = SteadyClock::now() + kPause;
}

void Server::Impl::resume_paused() {
  if (paused_.empty() || SteadyClock::now() < paused_until_) return;
  for (const std::uint64_t key : std::exchange(paused_, {})) {
    const auto at = listeners_.find(key);
    if (at != listeners_.end()) watch(at->second.second.get(), key, EPOLLIN, EPOLL_CTL_MOD);
  }
}

void Server::Impl::accept_at(std::uint64_t key) {
  const auto& [scope, listener] = listeners_.at(key);
  for (;;) {
    OwnedFd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const bool out_of_descriptors =
        errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    if (!socket && out_of_descriptors) return pause(key);
    if (!socket) return;
    auto& of = connections_of_[scope];
    if (connections_.size() >= kConnectionsMost || of.size() >= kConnectionsOfScope) continue;
    const std::uint64_t id = next_key_ + 1;
    next_key_ += 2;
    of.insert(id);
    watch(socket.get(), id, EPOLLIN, EPOLL_CTL_ADD);
    connections_.emplace(id, Connection{.socket = std::move(socket),
                                        .scope = scope,
                                        .in = {},
                                        .out = {},
                                        .asked = false,
                                        .until = SteadyClock::now() + kIdle});
  }
}

void Server::Impl::read_from(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  char buffer[2048];
  const ssize_t got = ::recv(connection.socket.get(), buffer, sizeof buffer, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // A client may say that it sends no more and still wait for its answer.
  if (got == 0 && connection.asked) return watch(connection.socket.get(), id, 0, EPOLL_CTL_MOD);
  if (got <= 0) return drop(id);
  // What comes after the head (a body, another request) is of no interest.
  if (connection.asked) return;
  connection.in.append(buffer, static_cast<std::size_t>(got));
  const ParsedRequest parsed = parse_request(connection.in);
  if (parsed.state == ParsedRequest::State::Incomplete) return;
  connection.asked = true;
  connection.until = SteadyClock::now() + kAnswering;
  if (parsed.state == ParsedRequest::State::Bad) return respond(id, {parsed.status, {}});
  if (parsed.request.method != "GET") return respond(id, {405, {}});
  handler_(connection.scope, parsed.request, [weak = weak_from_this(), id](Answer answer) {
    const auto self = weak.lock();
    if (!self) return;
    self->post([raw = self.get(), id, answer = std::move(answer)] { raw->respond(id, answer); });
  });
}

void Server::Impl::respond(std::uint64_t id, const Answer& answer) {
  const auto at = connections_.find(id);
  if (at == connections_.end() || !at->second.out.empty()) return;
  at->second.out = wire_of(answer);
  write_to(id);
}

void Server::Impl::write_to(std::uint64_t id) {
  Connection& connection = connections_.at(id);
  while (!connection.out.empty()) {
    const ssize_t sent =
        ::send(connection.socket.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      return watch(connection.socket.get(), id, EPOLLOUT, EPOLL_CTL_MOD);
    }
    if (sent <= 0) return drop(id);
    connection.out.erase(0, static_cast<std::size_t>(sent));
  }
  // Bytes that were not read would turn the close into a reset, and the answer would be lost.
  ::shutdown(connection.socket.get(), SHUT_WR);
  char buffer[2048];
  while (::recv(connection.socket.get(), buffer, sizeof buffer, 0) > 0) {
  }
  drop(id);
}

void Server::Impl::drop(std::uint64_t id) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  const auto of = connections_of_.find(at->second.scope);
  of->second.erase(id);
  if (of->second.empty()) connections_of_.erase(of);
  connections_.erase(at);
}

void Server::Impl::drop_late() {
  if (connections_.empty()) return;
  const auto now = SteadyClock::now();
  std::set<std::uint64_t> late;
  for (const auto& [id, connection] : connections_) {
    if (connection.until < now) late.insert(id);
  }
  for (const std::uint64_t id : late) drop(id);
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() {
  impl_->stop();
}

sdk::Result<std::unique_ptr<Server>> Server::start(Handler handler) {
  auto impl = std::make_shared<Impl>(std::move(handler));
  if (auto opened = impl->open(); !opened) return opened.error();
  impl->begin();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::listen(const std::string& scope, OwnedFd socket) {
  impl_->listen(scope, std::move(socket));
}
void Server::close(const std::string& scope) {
  impl_->close(scope);
}
bool Server::listens(const std::string& scope) const {
  return impl_->listens(scope);
}

}  // namespace berth::runtime::metadata
