// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/host_images.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "sdk/runtime/image/reference.hpp"
#include "sdk/runtime/task/container_ids.hpp"

namespace berth::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kOutcomeKept{10};
constexpr std::size_t kOutcomesMost = 1'000;
constexpr std::size_t kPullIdMost = 64;
constexpr std::size_t kAll = 1'000'000;

bool is_pull_id(const std::string& id) {
  return !id.empty() && id.size() <= kPullIdMost && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void tell(v1::PullProgress& into, const image::PullProgress& now) {
  into.set_bytes_done(static_cast<std::int64_t>(now.bytes_done));
  into.set_bytes_total(static_cast<std::int64_t>(now.bytes_total));
  into.set_layers_done(now.layers_done);
  into.set_layers_total(now.layers_total);
}

}  // namespace

struct HostImages::Pull {
  std::string image;
  v1::PullImageResponse now;
  std::optional<Clock::time_point> ended;
  std::jthread thread{};
};

HostImages::HostImages(image::ImageStore& store, image::RegistryAccess& registry, Options options)
    : store_(store), registry_(registry), options_(std::move(options)) {}

sdk::Result<image::Image> HostImages::fetch(const std::string& reference,
                                            const image::PullOptions& options) {
  auto image = store_.pull(reference, registry_, options);
  const bool full = !image && image.error().status == BERTH_NO_CAPACITY;
  if (full && store_.remove_unused(std::chrono::seconds{0}, kAll) > 0) {
    image = store_.pull(reference, registry_, options);
  }
  return image;
}

v1::ListImagesResponse HostImages::list() const {
  v1::ListImagesResponse response;
  for (const image::StoredImage& image : store_.list()) {
    v1::StoredImage& shown = *response.add_images();
    shown.set_reference(image.reference);
    shown.set_digest(image.digest);
    shown.set_id(image.id);
    shown.set_platform(image.platform);
    shown.set_size_bytes(image.bytes);
    shown.set_unique_bytes(image.unique_bytes);
    shown.mutable_pulled_at()->set_ms(image.pulled_at * 1000);
    shown.mutable_last_used_at()->set_ms(image.used_at * 1000);
    std::vector<std::string> tasks;
    for (const std::string& holder : image.holders) tasks.push_back(task_of(holder));
    tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());  // holders are sorted
    for (std::string& task : tasks) {
      if (!task.empty()) shown.add_task_ids(std::move(task));
    }
  }
  response.set_stored_bytes(store_.stored_bytes());
  struct statvfs space {};
  if (::statvfs(options_.directory.c_str(), &space) == 0) {
    response.set_free_bytes(static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize);
  }
  return response;
}

// Requires the lock.
void HostImages::drop_old() {
  const auto now = Clock::now();
  std::erase_if(pulls_, [&](const auto& entry) {
    return entry.second->ended && *entry.second->ended + kOutcomeKept < now;
  });
  while (pulls_.size() > kOutcomesMost) {
    const auto oldest = std::ranges::min_element(pulls_, {}, [](const auto& entry) {
      return entry.second->ended.value_or(Clock::time_point::max());
    });
    if (!oldest->second->ended) return;
    pulls_.erase(oldest);
  }
}

sdk::Result<v1::PullImageResponse> HostImages::pull(const v1::PullImageRequest& request,
                                                    const std::stop_token& cancel) {
  if (!is_pull_id(request.pull_id())) {
    return sdk::fail(BERTH_INVALID, "a pull's id has 1-64 of A-Z a-z 0-9 - _", "pull_id");
  }
  if (auto reference = image::parse_reference(request.image()); !reference) {
    return sdk::fail(BERTH_INVALID, reference.error().message, "image");
  }
  std::unique_lock lock(mutex_);
  if (closed_) return sdk::fail(BERTH_UNAVAILABLE, "the agent ends");
  drop_old();
  auto& entry = pulls_[request.pull_id()];
  if (!entry) {
    const auto open = std::ranges::count_if(
        pulls_, [](const auto& one) { return one.second && !one.second->ended; });
    if (static_cast<std::size_t>(open) >= options_.pulls) {
      pulls_.erase(request.pull_id());
      return sdk::fail(BERTH_UNAVAILABLE, "too many images are being pulled on this host now");
    }
    entry = std::make_shared<Pull>(Pull{.image = request.image(), .now = {}, .ended = {}});
    entry->now.set_state(v1::PullImageResponse::STATE_PULLING);
    entry->thread =
        std::jthread([this, pull = entry.get(), request] { carry_out(*pull, request); });
  } else if (entry->image != request.image()) {
    return sdk::fail(BERTH_INVALID, "this id is that of a pull of " + entry->image, "pull_id");
  }
  const std::shared_ptr<Pull> pull = entry;
  changed_.wait_for(lock, cancel, std::chrono::milliseconds(request.wait_ms()),
                    [&] { return closed_ || pull->ended.has_value(); });
  return pull->now;
}

void HostImages::carry_out(Pull& pull, const v1::PullImageRequest& request) {
  image::PullOptions options;
  options.limits.unpacked_bytes = std::uint64_t{options_.max_gib} << 30;
  options.behaviour = options_.behaviour;
  options.execution_role_arn = request.execution_role_arn();
  options.credentials = request.credentials();
  {
    const std::lock_guard lock(mutex_);  // the thread itself is stored under it
    options.cancel = pull.thread.get_stop_token();
  }
  options.on_progress = [&](const image::PullProgress& now) {
    const std::lock_guard lock(mutex_);
    pull.now.mutable_progress()->set_image(request.image());
    tell(*pull.now.mutable_progress(), now);
  };
  const auto image = fetch(request.image(), options);
  const std::lock_guard lock(mutex_);
  if (image) {
    pull.now.set_state(v1::PullImageResponse::STATE_PULLED);
    pull.now.set_digest(image->digest);
    pull.now.set_reason(image->pull_error);
  } else {
    pull.now.set_state(v1::PullImageResponse::STATE_FAILED);
    pull.now.set_reason(image.error().message);
  }
  pull.ended = Clock::now();
  changed_.notify_all();
}

v1::PruneImagesResponse HostImages::prune(const v1::PruneImagesRequest& request) {
  constexpr std::uint64_t kAgeMost = std::uint64_t{100} * 365 * 24 * 3600;
  const auto age = request.has_min_age_seconds()
                       ? std::chrono::seconds(std::min(request.min_age_seconds(), kAgeMost))
                       : options_.minimum_age;
  auto pruned = store_.prune(age, kAll);
  v1::PruneImagesResponse response;
  for (std::string& reference : pruned.references) response.add_references(std::move(reference));
  response.set_freed_bytes(pruned.bytes);
  return response;
}

void HostImages::close() {
  std::map<std::string, std::shared_ptr<Pull>> pulls;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [id, pull] : pulls_) pull->thread.request_stop();
    pulls.swap(pulls_);
  }
  changed_.notify_all();
  for (auto& [id, pull] : pulls) {
    if (pull->thread.joinable()) pull->thread.join();
  }
}

}  // namespace berth::runtime
