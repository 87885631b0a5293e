// SPDX-License-Identifier: Apache-2.0
// Credentials of tasks' roles: asked of the control plane when they are needed, kept in memory
// alone, renewed before they end.
//
// Invariants: 1. Nothing of them is written to disk or logged. 2. One question at a time for each
// role of a task, however many wait for it. 3. Until they end the old ones are given, whether renewing
// takes long or fails. Threads: any; callbacks run on the caller's thread or on the source's, and must not
// block. Errors: what the control plane says (NOT_FOUND, DENIED: no such role for us); UNAVAILABLE.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/credentials.pb.h"

namespace berth::runtime {

class Roles {
 public:
  using Role = v1::TaskCredentialsRequest::Role;
  using Answer = std::function<void(const sdk::Result<v1::RoleCredentials>&)>;
  // Asks the control plane; answers once, from any thread. Empty: there is none to ask.
  using Source = std::function<void(const v1::TaskCredentialsRequest&, Answer)>;
  // Milliseconds since the Unix epoch.
  using Clock = std::function<std::int64_t()>;

  explicit Roles(Source source);
  Roles(Source source, Clock clock);
  Roles(const Roles&) = delete;
  Roles& operator=(const Roles&) = delete;

  // Answers at once with those that have not ended, and renews behind it what ends before long: whoever asks must not wait for a
  // control plane that is away. Those without an end of their own (an operator's
  // lasting keys) are given one an hour away, by which time their holder asks again.
  void get(const std::string& task_id, Role role, Answer answer);
  // The same, waiting for it. Errors: also CANCELLED by `stop`.
  [[nodiscard]] sdk::Result<v1::RoleCredentials> wait(const std::string& task_id, Role role,
                                                      std::stop_token stop);

  // Drops those of a task that has ended.
  void forget(const std::string& task_id);

 private:
  struct Entry {
    v1::RoleCredentials credentials;
    std::int64_t fetched_ms = 0;  // 0: there are none
    bool asked = false;           // the control plane, which has not answered yet
    std::vector<Answer> waiting;
  };
  using Key = std::pair<std::string, int>;
  [[nodiscard]] static bool is_good(const Entry& entry, std::int64_t now);
  [[nodiscard]] static bool is_fresh(const Entry& entry, std::int64_t now);
  [[nodiscard]] static v1::RoleCredentials shown(const Entry& entry, std::int64_t now);
  void learn(const Key& key, const sdk::Result<v1::RoleCredentials>& news);

  const Source source_;
  const Clock clock_;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

// ECS's words for a role that cannot be had.
[[nodiscard]] std::string cannot_assume(const std::string& role_arn);

}  // namespace berth::runtime
