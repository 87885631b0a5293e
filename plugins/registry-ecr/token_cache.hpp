// SPDX-License-Identifier: Apache-2.0
// Headers that cost a request to get: each is fetched once however many ask, and again before it
// expires.
//
// Invariants: one fetch of a key at a time. A header that a registry has refused is not given
// again. Threads: any. Callbacks run on the caller's thread, or on one of the cache's; they must
// not block. Owns: its threads; the destructor cancels what runs, answers what waits with
// CANCELLED, and joins.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "berth/result.hpp"

namespace berth::registry_ecr {

using Instant = std::chrono::system_clock::time_point;

struct Token {
  std::string header;  // value of Authorization
  Instant expires;     // not to be used from then on
};

class TokenCache {
 public:
  using Fetch = std::function<sdk::Result<Token>(const std::stop_token&)>;  // blocks
  using Callback = std::function<void(const sdk::Result<Token>&)>;
  struct Options {
    std::size_t threads = 4;
    std::size_t entries = 4096;  // the ones that end first make way
    std::function<Instant()> now = [] { return std::chrono::system_clock::now(); };
  };

  TokenCache();
  explicit TokenCache(Options options);
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  // Gives the token of `key`: the one that is there, while a good part of its life is left; else
  // what `fetch` brings. Where that fails and the old one still lives, the old one. `refused`: a
  // header that is no good any more, or empty.
  void get(const std::string& key, const std::string& refused, Fetch fetch, Callback callback);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::registry_ecr
