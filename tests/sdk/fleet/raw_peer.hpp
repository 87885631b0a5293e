// SPDX-License-Identifier: Apache-2.0
// The other end of a connection to a fleet, by hand: for tests of what strangers and broken agents
// send.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berth/fleet/v1/fleet.pb.h"
#include "sdk/fleet/x509.hpp"

namespace berth::fleet {

// A peer that sends whatever bytes it likes, over TLS or bare.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~RawPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // With a certificate (DER) and its key (PKCS#8 in DER), or without.
  void shake_hands(const std::string& certificate = {}, const std::string& key = {}) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (!certificate.empty()) {
      SSL_CTX_use_certificate(context_, x509::certificate_of_der(certificate).get());
      SSL_CTX_use_PrivateKey(context_, x509::key_of_der(key).get());
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    ASSERT_EQ(SSL_connect(ssl_), 1);
  }
  void send(const std::string& bytes) {
    if (ssl_) {
      ::signal(SIGPIPE, SIG_IGN);
      ASSERT_GT(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), 0);
    } else {
      ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(bytes.size()));
    }
  }
  void send(const v1::Frame& frame) {
    send(length(frame.ByteSizeLong()) + frame.SerializeAsString());
  }
  static std::string length(std::size_t size) {
    const std::uint32_t big = htonl(static_cast<std::uint32_t>(size));
    return {reinterpret_cast<const char*>(&big), 4};
  }
  v1::Frame receive() {
    std::string head = read(4);
    std::uint32_t size = 0;
    if (head.size() == 4) std::memcpy(&size, head.data(), 4);
    v1::Frame frame;
    frame.ParseFromString(read(ntohl(size)));
    return frame;
  }
  // Reads on until the other side has ended the connection.
  [[nodiscard]] bool is_cut() {
    char byte[256];
    for (;;) {
      const long got = ssl_ ? SSL_read(ssl_, byte, sizeof byte) : ::recv(fd_, byte, sizeof byte, 0);
      if (got <= 0) return errno != EAGAIN;
    }
  }

 private:
  std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const int got = SSL_read(ssl_, bytes.data() + have, static_cast<int>(size - have));
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return bytes;
  }

  int fd_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

}  // namespace berth::fleet
