// SPDX-License-Identifier: Apache-2.0
// Blocking HTTP(S) requests over libcurl that keep their connections, read bodies as they come and
// can be cancelled.
//
// Redirects of GET and HEAD are followed, at most five, never from https to http; credentials go
// only to the origin they were meant for. No cookies, no .netrc, no other protocols. Proxies as
// libcurl takes them from the environment, but never for loopback hosts. Threads: any; one Stream
// belongs to one thread at a time. Errors: UNAVAILABLE for what may go better next time,
// PRECONDITION where the server's certificate is not trusted, INVALID for a URL or redirect that is
// none, CANCELLED. An HTTP status is never an error here.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime::http {

// AWS Signature Version 4, made by libcurl.
struct AwsSigning {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
  std::string region;
  std::string service;
};

struct Request {
  std::string method = "GET";  // GET, HEAD, POST
  std::string url;
  std::string authorization{};  // value of the header; empty: none
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};         // of POST
  std::string ca_pem{};       // trusted besides the system's authorities
  bool insecure_tls = false;  // do not verify the first origin's certificate
  std::optional<AwsSigning> aws{};
  std::chrono::milliseconds connect_timeout{20000};
  std::chrono::seconds stall_timeout{60};  // no byte for that long
  std::size_t max_body = 4u << 20;         // of fetch()
  std::stop_token cancel{};
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // of fetch()

  // The first header of that (lower-case) name, or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  // What Retry-After asks for, or 0.
  [[nodiscard]] std::chrono::milliseconds retry_after() const;
  // 429 and 5xx: the same request may go better later.
  [[nodiscard]] bool is_retryable() const { return status == 429 || status >= 500; }
};

// A response whose body is still coming. Must not outlive its Client.
class Stream {
 public:
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) = delete;

  [[nodiscard]] const Response& response() const;
  // The next bytes; empty at the end of a body that was whole. Valid until: the next read.
  [[nodiscard]] sdk::Result<std::string_view> read();

 private:
  friend class Client;
  struct Transfer;
  explicit Stream(std::unique_ptr<Transfer> transfer);
  std::unique_ptr<Transfer> transfer_;
};

class Client {
 public:
  Client();
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends, and returns once the headers of the last response are here.
  [[nodiscard]] sdk::Result<Stream> open(const Request& request);
  // The whole answer. Errors: also INVALID for a body over max_body.
  [[nodiscard]] sdk::Result<Response> fetch(const Request& request);

 private:
  friend class Stream;
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace berth::runtime::http
