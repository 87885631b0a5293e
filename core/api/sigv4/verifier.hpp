// SPDX-License-Identifier: Apache-2.0
// Verification of AWS Signature Version 4, in headers or in the query string.
//
// Checks run in the order in which AWS's front ends run them, and answer with their words.
// Invariant: with keys, nothing but a request whose signature was compared (in constant time)
// passes. Without keys any well-formed signature passes: the server then listens on loopback only.
// Threads: any.
#pragma once

#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "core/api/http/message.hpp"
#include "core/model/instant.hpp"

namespace berth::api::sigv4 {

struct Key {
  std::string id;
  std::string secret;
  std::string principal;  // whom it stands for: an ARN
};

struct Identity {
  std::string key_id;
  std::string principal;  // of the key; empty where no keys are configured
};

// What the client is told: `type` is an exception of AWS's front ends.
struct Refusal {
  std::string type;
  std::string message;
};

class Verifier {
 public:
  Verifier(std::vector<Key> keys, std::function<Instant()> now);
  // The body counts as the one that was signed. `service` is the signing name in the scope, "ecs".
  [[nodiscard]] tl::expected<Identity, Refusal> verify(const http::Request& request,
                                                       std::string_view service) const;

 private:
  std::vector<Key> keys_;
  std::function<Instant()> now_;
};

// The pieces of a signature, however they were sent.
struct Claim {
  bool in_query = false;
  std::string credential;      // key/date/region/service/aws4_request
  std::string signed_headers;  // a;b;c
  std::string signature;       // 64 hex digits
  std::string date;            // yyyymmddThhmmssZ
  std::string expires;         // seconds, in query strings only
};

// The text that is hashed into the string to sign.
[[nodiscard]] std::string canonical_request(const http::Request& request, const Claim& claim);
[[nodiscard]] std::string string_to_sign(const std::string& canonical, const Claim& claim);
// The signature in hex that `secret` gives.
[[nodiscard]] std::string sign(const std::string& text, const std::string& secret,
                               const Claim& claim);

}  // namespace berth::api::sigv4
