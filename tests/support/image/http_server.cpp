// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/http_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace berth::test {

struct HttpServer::State {
  Handler handler;
  int listener = -1;
  int port = 0;
  mutable std::mutex mutex;
  std::set<int> open;
  std::vector<HttpRequest> requests;
  std::size_t connections = 0;
  std::vector<std::jthread> threads;
  std::jthread acceptor;

  void serve(int fd);
  bool answer(int fd, std::string& buffer);
};

namespace {

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

bool receive(int fd, std::string& buffer) {
  char bytes[16384];
  const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer.append(bytes, static_cast<std::size_t>(got));
  return true;
}

HttpRequest parse(const std::string& head) {
  HttpRequest out;
  std::size_t at = head.find("\r\n");
  const std::string line = head.substr(0, at);
  const std::size_t blank = line.find(' ');
  out.method = line.substr(0, blank);
  out.target = line.substr(blank + 1, line.rfind(' ') - blank - 1);
  while (at != std::string::npos && at + 2 < head.size()) {
    const std::size_t from = at + 2;
    at = head.find("\r\n", from);
    const std::string field = head.substr(from, at == std::string::npos ? at : at - from);
    const std::size_t colon = field.find(':');
    if (colon == std::string::npos) continue;
    std::string name = field.substr(0, colon);
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.headers[name] = field.substr(field.find_first_not_of(' ', colon + 1));
  }
  return out;
}

}  // namespace

bool HttpServer::State::answer(int fd, std::string& buffer) {
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(fd, buffer)) return false;
  }
  HttpRequest request = parse(buffer.substr(0, end));
  buffer.erase(0, end + 4);
  const std::string length = request.header("content-length");
  const std::size_t size = length.empty() ? 0 : std::stoul(length);
  while (buffer.size() < size) {
    if (!receive(fd, buffer)) return false;
  }
  request.body = buffer.substr(0, size);
  buffer.erase(0, size);
  {
    const std::lock_guard lock{mutex};
    requests.push_back(request);
  }
  const HttpReply reply = handler(request);
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Words\r\n";
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n";
  if (!send_all(fd, head)) return false;
  if (request.method == "HEAD") return true;
  if (!send_all(fd, std::string_view{reply.body}.substr(0, reply.cut_after))) return false;
  return reply.cut_after >= reply.body.size();
}

void HttpServer::State::serve(int fd) {
  std::string buffer;
  while (answer(fd, buffer)) {
  }
  const std::lock_guard lock{mutex};
  open.erase(fd);
  close(fd);
}

HttpServer::HttpServer(Handler handler) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.handler = std::move(handler);
  state.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(state.listener, generic, size) != 0 || listen(state.listener, 64) != 0 ||
      getsockname(state.listener, generic, &size) != 0) {
    throw std::runtime_error("no port on loopback");
  }
  state.port = ntohs(address.sin_port);
  state.acceptor = std::jthread{[&state] {
    while (true) {
      const int fd = accept4(state.listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock{state.mutex};
      ++state.connections;
      state.open.insert(fd);
      state.threads.emplace_back([&state, fd] { state.serve(fd); });
    }
  }};
}

HttpServer::~HttpServer() {
  State& state = *state_;
  shutdown(state.listener, SHUT_RDWR);
  state.acceptor.join();
  close(state.listener);
  {
    const std::lock_guard lock{state.mutex};
    for (const int fd : state.open) shutdown(fd, SHUT_RDWR);
  }
  state.threads.clear();
}

int HttpServer::port() const {
  return state_->port;
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock{state_->mutex};
  return state_->requests;
}

std::size_t HttpServer::connections() const {
  const std::lock_guard lock{state_->mutex};
  return state_->connections;
}

}  // namespace berth::test
