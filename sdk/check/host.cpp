// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/host.hpp"

namespace berth::check {

Host::Host()
    : table_{sizeof(berth_host),
             BERTH_ABI_MAJOR,
             BERTH_ABI_MINOR,
             this,
             [](void* self, std::uint64_t operation, berth_status status, berth_bytes payload) {
               static_cast<Host*>(self)->complete(operation, status, payload);
             },
             [](void* self, std::uint32_t event, berth_bytes payload) {
               static_cast<Host*>(self)->emit(event, payload);
             },
             [](void* self, std::int32_t, berth_bytes message) {
               static_cast<Host*>(self)->write(message);
             }} {}

std::string Host::copy(berth_bytes bytes, const char* what) {
  if (bytes.size > BERTH_PAYLOAD_MAX) {
    fault_ = std::string(what) + " of more than 16 MiB";
    return {};
  }
  if (bytes.data == nullptr && bytes.size > 0) {
    fault_ = std::string(what) + " with a size but no data";
    return {};
  }
  return {static_cast<const char*>(bytes.data), bytes.size};
}

void Host::complete(std::uint64_t operation, berth_status status, berth_bytes payload) {
  const std::lock_guard lock(mutex_);
  End& end = ends_[operation];
  ++end.times;
  end.status = status;
  end.payload = copy(payload, "a completion");
  changed_.notify_all();
}

void Host::emit(std::uint32_t event, berth_bytes payload) {
  const std::lock_guard lock(mutex_);
  events_.push_back({event, copy(payload, "an event")});
  changed_.notify_all();
}

void Host::write(berth_bytes message) {
  const std::lock_guard lock(mutex_);
  log_ += copy(message, "a log line") + "\n";
}

End Host::end_of(std::uint64_t operation) const {
  const std::lock_guard lock(mutex_);
  const auto it = ends_.find(operation);
  return it == ends_.end() ? End{} : it->second;
}

std::map<std::uint64_t, End> Host::ends() const {
  const std::lock_guard lock(mutex_);
  return ends_;
}

std::vector<Event> Host::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::string Host::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::string Host::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

bool Host::wait(std::chrono::milliseconds timeout,
                const std::function<bool(const Host&)>& done) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return done(*this); });
}

}  // namespace berth::check
