// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/roles/roles.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <utility>

namespace berth::runtime {
namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
// Renewed when as much of their life is left; ECS's agent does so within the last 15 minutes, too.
constexpr std::int64_t kMargin = 15 * kMinute;
// Lasting keys are looked at anew as often: the operator may have replaced them.
constexpr std::int64_t kLookAgain = 5 * kMinute;

std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Roles::Roles(Source source) : Roles(std::move(source), &wall_clock_ms) {}
Roles::Roles(Source source, Clock clock) : source_(std::move(source)), clock_(std::move(clock)) {}

bool Roles::is_good(const Entry& entry, std::int64_t now) {
  const std::int64_t ends = entry.credentials.expires_at_ms();
  return entry.fetched_ms != 0 && (ends == 0 || now < ends);
}

bool Roles::is_fresh(const Entry& entry, std::int64_t now) {
  if (entry.fetched_ms == 0) return false;
  const std::int64_t ends = entry.credentials.expires_at_ms();
  if (ends == 0) return now < entry.fetched_ms + kLookAgain;
  const std::int64_t life = ends - entry.fetched_ms;
  return now < ends - std::min(kMargin, life / 3);
}

v1::RoleCredentials Roles::shown(const Entry& entry, std::int64_t now) {
  v1::RoleCredentials out = entry.credentials;
  if (out.expires_at_ms() == 0) out.set_expires_at_ms(now + kHour);
  return out;
}

void Roles::get(const std::string& task_id, Role role, Answer answer) {
  const Key key{task_id, static_cast<int>(role)};
  const std::int64_t now = clock_();
  std::optional<v1::RoleCredentials> ready;
  bool ask = false;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[key];
    if (!is_fresh(entry, now)) ask = !std::exchange(entry.asked, true);
    if (is_good(entry, now)) {
      ready = shown(entry, now);
    } else {
      entry.waiting.push_back(std::move(answer));
    }
  }
  if (ready) answer(*ready);
  if (!ask) return;
  if (!source_) return learn(key, sdk::fail(BERTH_UNAVAILABLE, "there is no control plane"));
  v1::TaskCredentialsRequest request;
  request.set_task_id(task_id);
  request.set_role(role);
  source_(request, [this, key](const sdk::Result<v1::RoleCredentials>& news) { learn(key, news); });
}

void Roles::learn(const Key& key, const sdk::Result<v1::RoleCredentials>& news) {
  std::vector<Answer> waiting;
  sdk::Result<v1::RoleCredentials> told = news;
  {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(key);
    if (at == entries_.end()) return;  // forgotten, and with it whoever waited
    Entry& entry = at->second;
    waiting.swap(entry.waiting);
    entry.asked = false;
    const std::int64_t now = clock_();
    if (news) {
      entry.credentials = *news;
      entry.fetched_ms = now;
      told = shown(entry, now);
    } else if (news.error().is_retryable() && is_good(entry, now)) {
      told = shown(entry, now);
    } else {
      entries_.erase(at);
    }
  }
  for (const Answer& answer : waiting) answer(told);
}

sdk::Result<v1::RoleCredentials> Roles::wait(const std::string& task_id, Role role,
                                             std::stop_token stop) {
  // The answer may come when nobody waits for it any more.
  struct Waiting {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::optional<sdk::Result<v1::RoleCredentials>> answer;
  };
  const auto waiting = std::make_shared<Waiting>();
  get(task_id, role, [waiting](const sdk::Result<v1::RoleCredentials>& credentials) {
    const std::lock_guard lock(waiting->mutex);
    waiting->answer.emplace(credentials);
    waiting->changed.notify_all();
  });
  std::unique_lock lock(waiting->mutex);
  if (!waiting->changed.wait(lock, stop, [&] { return waiting->answer.has_value(); })) {
    return sdk::fail(BERTH_CANCELLED, "the task is being stopped");
  }
  return *waiting->answer;
}

void Roles::forget(const std::string& task_id) {
  std::vector<Answer> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = entries_.lower_bound({task_id, 0});
         at != entries_.end() && at->first.first == task_id;) {
      for (Answer& one : at->second.waiting) waiting.push_back(std::move(one));
      at = entries_.erase(at);
    }
  }
  const auto gone = sdk::fail(BERTH_CANCELLED, "the task has ended");
  for (const Answer& answer : waiting) answer(gone);
}

std::string cannot_assume(const std::string& role_arn) {
  return "ECS was unable to assume the role '" + role_arn +
         "' that was provided for this task. Please verify that the role being passed has the "
         "proper trust relationship and permissions and that your IAM user has permissions to "
         "pass this role.";
}

}  // namespace berth::runtime
