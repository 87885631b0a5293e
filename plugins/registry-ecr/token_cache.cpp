// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/token_cache.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace berth::registry_ecr {
namespace {

// Renewed when a quarter of its life is left, but at most 45 minutes before its end (ECR's lives 12
// hours).
std::chrono::seconds margin_of(std::chrono::system_clock::duration life) {
  const auto quarter = std::chrono::duration_cast<std::chrono::seconds>(life) / 4;
  return std::clamp(quarter, std::chrono::seconds{1}, std::chrono::seconds{45 * 60});
}

}  // namespace

class TokenCache::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) {}
  ~Impl();

  void get(const std::string& key, const std::string& refused, Fetch fetch, Callback callback);

 private:
  struct Entry {
    std::optional<Token> token;
    Instant renew_at;
    bool fetching = false;
    std::vector<Callback> waiting;
  };

  void start_threads();  // under the mutex
  void work(const std::stop_token& stop);
  void run(const std::string& key, const Fetch& fetch, const std::stop_token& stop);
  void make_room();

  Options options_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::string, Entry> entries_;
  std::deque<std::pair<std::string, Fetch>> queue_;
  bool ended_ = false;
  std::vector<std::jthread> threads_;
};

TokenCache::Impl::~Impl() {
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    threads.swap(threads_);
  }
  for (auto& thread : threads) thread.request_stop();
  threads.clear();
  for (auto& [key, entry] : entries_) {
    for (const Callback& callback : entry.waiting) {
      callback(sdk::fail(BERTH_CANCELLED, "the plugin ends"));
    }
  }
}

// With the first fetch only: making an instance starts nothing.
void TokenCache::Impl::start_threads() {
  if (!threads_.empty()) return;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

void TokenCache::Impl::get(const std::string& key, const std::string& refused, Fetch fetch,
                           Callback callback) {
  std::optional<Token> ready;
  {
    const std::lock_guard lock{mutex_};
    make_room();
    Entry& entry = entries_[key];
    if (entry.token && !refused.empty() && entry.token->header == refused) entry.token.reset();
    if (entry.token && options_.now() < entry.renew_at) {
      ready = entry.token;
    } else if (!ended_) {
      entry.waiting.push_back(std::move(callback));
      if (!entry.fetching) {
        entry.fetching = true;
        queue_.emplace_back(key, std::move(fetch));
        start_threads();
      }
    }
  }
  wake_.notify_one();
  if (ready) callback(*ready);
}

void TokenCache::Impl::make_room() {
  if (entries_.size() < options_.entries) return;
  auto victim = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second.fetching) continue;
    const auto ends = [](const Entry& entry) {
      return entry.token ? entry.token->expires : Instant{};
    };
    if (victim == entries_.end() || ends(it->second) < ends(victim->second)) victim = it;
  }
  if (victim != entries_.end()) entries_.erase(victim);
}

void TokenCache::Impl::work(const std::stop_token& stop) {
  while (true) {
    std::pair<std::string, Fetch> job;
    {
      std::unique_lock lock{mutex_};
      if (!wake_.wait(lock, stop, [&] { return !queue_.empty(); }) || stop.stop_requested()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    run(job.first, job.second, stop);
  }
}

void TokenCache::Impl::run(const std::string& key, const Fetch& fetch,
                           const std::stop_token& stop) {
  sdk::Result<Token> result = fetch(stop);
  std::vector<Callback> waiting;
  {
    const std::lock_guard lock{mutex_};
    Entry& entry = entries_[key];
    entry.fetching = false;
    waiting.swap(entry.waiting);
    const Instant now = options_.now();
    if (result) {
      entry.token = *result;
      entry.renew_at = result->expires - margin_of(result->expires - now);
    } else if (entry.token && now < entry.token->expires) {
      result = *entry.token;
    } else {
      entries_.erase(key);
    }
  }
  for (const Callback& callback : waiting) callback(result);
}

TokenCache::TokenCache() : TokenCache(Options{}) {}
TokenCache::TokenCache(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
TokenCache::~TokenCache() = default;

void TokenCache::get(const std::string& key, const std::string& refused, Fetch fetch,
                     Callback callback) {
  impl_->get(key, refused, std::move(fetch), std::move(callback));
}

}  // namespace berth::registry_ecr
