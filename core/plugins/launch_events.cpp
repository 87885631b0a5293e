// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/launch_events.hpp"

#include <utility>

#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace berth::plugins {

static_assert(loading::kStreamEvent == v1::EVENT_STREAM);

Error error_of(const sdk::Error& error, const std::string& plugin) {
  return Error{errc_of_status(error.status), error.message, Subject::Plugin, plugin, {}, {}};
}

Result<std::string> result_of(loading::End end, const std::string& plugin) {
  if (end.status == BERTH_OK) return std::move(end.payload);
  const Errc code = errc_of_status(end.status);
  if (!end.words.empty()) return fail(code, end.words, Subject::Plugin, plugin);
  v1::Failure failure;
  if (!failure.ParseFromString(end.payload)) failure.Clear();
  std::string message = failure.message();
  if (message.empty()) {
    message = "the plugin " + plugin + " answered " + std::string(to_string(code));
  }
  return tl::unexpected(Error{code,
                              std::move(message),
                              Subject::Plugin,
                              failure.field(),
                              {},
                              std::chrono::milliseconds(failure.retry_after_ms())});
}

void LaunchEvents::take(std::uint32_t event, std::string payload) {
  if (event == v1::EVENT_LAUNCH_INVENTORY) return take_inventory(std::move(payload));
  if (on_event_) on_event_(event, payload);
}

// Joined bytes of messages are the bytes of the joined message.
void LaunchEvents::take_inventory(std::string payload) {
  const auto host = host_.lock();
  if (!host) return;
  v1::InventorySnapshot part;
  if (!part.ParseFromString(payload)) {
    snapshot_.clear();
    return host->fault(&loading::Faults::unreadable, "an inventory that cannot be read");
  }
  if (snapshot_.size() + payload.size() > host->limits().snapshot_bytes) {
    snapshot_.clear();
    return host->fault(&loading::Faults::oversized, "an inventory beyond the limit");
  }
  if (part.more()) {
    snapshot_ += payload;
    return;
  }
  std::string whole = std::move(snapshot_) + std::move(payload);
  snapshot_.clear();
  if (on_event_) on_event_(v1::EVENT_LAUNCH_INVENTORY, whole);
}

void LaunchEvents::mend() {
  snapshot_.clear();
  ask_owned({});
}

void LaunchEvents::ask_owned(const std::string& after) {
  const auto host = host_.lock();
  if (!host) return;
  v1::ListOwnedRequest request;
  request.set_after(after);
  host->call(v1::METHOD_LAUNCH_LIST_OWNED, request.SerializeAsString(),
             {.timeout = std::chrono::seconds(30)},
             [weak = weak_from_this(), after, name = host->plugin()](loading::End end) {
               if (const auto self = weak.lock()) {
                 self->on_owned(result_of(std::move(end), name), after);
               }
             });
}

void LaunchEvents::on_owned(const Result<std::string>& answer, const std::string& after) {
  const auto host = host_.lock();
  if (!host) return;
  v1::ListOwnedResponse owned;
  std::string last;
  bool readable = answer && owned.ParseFromString(*answer);
  if (readable && owned.more()) {
    if (!owned.tasks().empty()) last = owned.tasks().rbegin()->task_id();
    readable = last > after;
  }
  const bool more = readable && owned.more() && !host->is_ending();
  // A plugin without tasks has nothing to mend.
  if (!more) host->mended(!answer && is_retryable(answer.error().code));
  if (!answer || host->is_ending()) return;
  if (!readable) {
    return host->fault(&loading::Faults::unreadable, "an answer to list-owned that cannot be read");
  }
  for (const v1::TaskReport& report : owned.tasks()) {
    if (on_event_) on_event_(v1::EVENT_LAUNCH_TASK, report.SerializeAsString());
  }
  if (more) ask_owned(last);
}

}  // namespace berth::plugins
