// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/host_plugin.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "berth/detail/link.hpp"
#include "berth/host_role.hpp"

namespace berth::runtime {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCreatePatience{10'000};
constexpr milliseconds kActivatePatience{30'000};
constexpr milliseconds kEndPatience{10'000};
constexpr milliseconds kLookPatience{2'000};
// Between two questions for devices: changes come as events; a plugin that hangs tells none.
constexpr milliseconds kLookAgain{10'000};

static_assert(loading::kStreamEvent == v1::EVENT_STREAM);

spdlog::level::level_enum level_of(std::int32_t level) {
  switch (level) {
    case BERTH_LOG_DEBUG:
      return spdlog::level::debug;
    case BERTH_LOG_INFO:
      return spdlog::level::info;
    case BERTH_LOG_WARN:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

// What one thread waits for and another gives.
template <typename Value>
class Waiting {
 public:
  void give(Value value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    given_.notify_all();
  }
  std::optional<Value> take(milliseconds patience, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    given_.wait_for(lock, stop, patience, [this] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any given_;
  std::optional<Value> value_;
};

}  // namespace

HostPlugin::HostPlugin(loading::LibraryPtr library, Outside outside)
    : name_(library->name()), library_(std::move(library)), outside_(std::move(outside)) {}

sdk::Result<std::unique_ptr<HostPlugin>> HostPlugin::open(loading::LibraryPtr library,
                                                          const v1::PluginConfig& config,
                                                          Outside outside) {
  std::unique_ptr<HostPlugin> plugin(new HostPlugin(std::move(library), std::move(outside)));
  if (auto begun = plugin->begin(config); !begun) return begun.error();
  return plugin;
}

sdk::Result<void> HostPlugin::begin(const v1::PluginConfig& config) {
  host_ = std::make_shared<loading::HostSide>(
      library_,
      loading::HostOptions{
          .config = config.SerializeAsString(),
          .post = outside_.post,
          .now = outside_.now,
          .on_event = [this](std::uint32_t event, std::string payload) { heard(event, payload); },
          .on_gap =
              [this] {
                gap_ = true;
                look();
              },
          .log =
              [name = name_](std::int32_t level, std::string_view line) {
                spdlog::log(level_of(level), "[{}] {}", name, line);
              }});
  const auto made = std::make_shared<Waiting<sdk::Result<void>>>();
  thread_.post([host = host_, made] { made->give(host->create()); });
  const auto created = made->take(kCreatePatience, {});
  if (!created) {
    return sdk::fail(BERTH_DEADLINE, "the plugin " + name_ + " does not return from create");
  }
  if (!*created) return created->error();
  created_ = true;
  const auto said = ask(v1::METHOD_DESCRIBE, {}, kCreatePatience, {});
  if (!said) return said.error();
  v1::Manifest manifest;
  if (!manifest.ParseFromString(*said)) {
    return sdk::fail(BERTH_INVALID, library_->path().string() + ": its manifest cannot be read");
  }
  if (manifest.name() != name_ || manifest.version() != library_->version()) {
    return sdk::fail(BERTH_INVALID, library_->path().string() +
                                        ": its manifest says another name or version than its "
                                        "table");
  }
  const auto& interfaces = manifest.interfaces();
  const auto role =
      std::find_if(interfaces.begin(), interfaces.end(),
                   [](const v1::Interface& one) { return one.id() == sdk::HostRole::kInterface; });
  if (role == interfaces.end()) {
    return sdk::fail(BERTH_INVALID, "the plugin " + name_ +
                                        " has nothing for an agent: it does not offer " +
                                        sdk::HostRole::kInterface);
  }
  methods_.insert(role->methods().begin(), role->methods().end());
  return {};
}

void HostPlugin::close() {
  if (!host_) return;
  active_ = false;
  closing_ = true;
  if (created_) {
    created_ = false;
    // From the loop, so that no sweep is under way: nothing may be called during destroy.
    const auto posted = std::make_shared<Waiting<bool>>();
    outside_.post([this, posted] {
      thread_.post([host = host_] { host->destroy(); });
      posted->give(true);
    });
    (void)posted->take(kEndPatience, {});
  }
  if (!thread_.end(kEndPatience)) {
    spdlog::error("the plugin {} does not end; it is left alone", name_);
  }
}

bool HostPlugin::offers(v1::Method method) const {
  return methods_.contains(static_cast<std::uint32_t>(method));
}

sdk::Error HostPlugin::error_of(const loading::End& end) const {
  sdk::Error error = end.words.empty() ? sdk::detail::decode_failure(end.status, end.payload)
                                       : sdk::fail(end.status, end.words);
  if (error.message.empty()) error.message = "it gives no reason";
  if (end.words.empty()) error.message = "the plugin " + name_ + ": " + error.message;
  return error;
}

sdk::Result<std::string> HostPlugin::call(v1::Method method, std::string request,
                                          milliseconds patience, const std::stop_token& stop) {
  if (!offers(method)) {
    return sdk::fail(BERTH_UNIMPLEMENTED,
                     "the plugin " + name_ + " does not offer " + v1::Method_Name(method));
  }
  if (!active_) return sdk::fail(BERTH_UNAVAILABLE, "the plugin " + name_ + " is not active");
  return ask(method, std::move(request), patience, stop);
}

sdk::Result<std::string> HostPlugin::ask(v1::Method method, std::string request,
                                         milliseconds patience, const std::stop_token& stop) {
  const auto waiting = std::make_shared<Waiting<loading::End>>();
  thread_.post([host = host_, waiting, method, request = std::move(request), patience]() mutable {
    host->call(method, std::move(request), {.timeout = patience},
               [waiting](loading::End end) { waiting->give(std::move(end)); });
  });
  // Not the end's own deadline: the thread may be stuck in an earlier call.
  auto end = waiting->take(patience, stop);
  if (!end && stop.stop_requested()) {
    return sdk::fail(BERTH_CANCELLED, "the question to the plugin " + name_ + " was given up");
  }
  if (!end) {
    // Whether it answers anything at all is found out at once.
    if (active_) outside_.post([this] { look(); });
    return sdk::fail(BERTH_DEADLINE, "the plugin " + name_ + " did not answer " +
                                         v1::Method_Name(method) + " within " +
                                         std::to_string(patience.count()) + " ms");
  }
  if (end->status != BERTH_OK) return error_of(*end);
  return std::move(end->payload);
}

// ---- On the loop

void HostPlugin::activate() {
  thread_.post([this, host = host_] {
    host->set_active();
    host->call(v1::METHOD_ACTIVATE, {}, {.timeout = kActivatePatience},
               [this](const loading::End& end) { activated(end); });
  });
}

void HostPlugin::activated(const loading::End& end) {
  if (end.status != BERTH_OK) {
    spdlog::error("the plugin {} cannot be used: {}", name_, error_of(end).message);
    return;
  }
  active_ = true;
  spdlog::info("the plugin {} {} is active", name_, library_->version());
  if (offers(v1::METHOD_HOST_DISCOVER)) return look();
  outside_.told(name_, {});
}

void HostPlugin::heard(std::uint32_t event, const std::string& payload) {
  if (event == v1::EVENT_ASK) return answer_question(payload);
  if (event != v1::EVENT_HOST_DEVICES) return;
  v1::DeviceReport report;
  if (!report.ParseFromString(payload)) {
    return host_->fault(&loading::Faults::unreadable, "a report of devices that cannot be read");
  }
  outside_.told(name_, report);
}

// Plugins ask control planes; one that asks an agent is not left waiting.
void HostPlugin::answer_question(const std::string& payload) {
  v1::Ask ask;
  if (!ask.ParseFromString(payload) || ask.ask_id() == 0) {
    return host_->fault(&loading::Faults::unreadable, "a question that cannot be read");
  }
  v1::Answer answer;
  answer.set_ask_id(ask.ask_id());
  answer.set_status(BERTH_UNIMPLEMENTED);
  answer.set_response(sdk::detail::encode_failure(
      sdk::fail(BERTH_UNIMPLEMENTED, "an agent answers no questions of its plugins")));
  thread_.post([host = host_, bytes = answer.SerializeAsString()] {
    host->call(v1::METHOD_ANSWER, bytes, {.timeout = kLookPatience}, [](const loading::End&) {});
  });
}

void HostPlugin::look() {
  if (looking_since_ || !offers(v1::METHOD_HOST_DISCOVER)) return;
  looking_since_ = outside_.now();
  next_look_.reset();
  thread_.post([this, host = host_] {
    host->call(v1::METHOD_HOST_DISCOVER, v1::DiscoverRequest().SerializeAsString(),
               {.timeout = kLookPatience}, [this](const loading::End& end) { looked(end); });
  });
}

void HostPlugin::looked(const loading::End& end) {
  looking_since_.reset();
  next_look_ = outside_.now() + kLookAgain;
  v1::DiscoverResponse found;
  const bool good = end.status == BERTH_OK && found.ParseFromString(end.payload);
  if (std::exchange(gap_, false)) host_->mended(!good);
  if (!good) {
    spdlog::warn("the plugin {} does not tell its devices: {}", name_,
                 end.status == BERTH_OK ? "its answer cannot be read" : error_of(end).message);
    return outside_.silent(name_);
  }
  v1::DeviceReport report;
  report.mutable_devices()->Swap(found.mutable_devices());
  outside_.told(name_, report);
}

std::optional<loading::Instant> HostPlugin::tick(loading::Instant now) {
  if (closing_) return std::nullopt;
  host_->sweep(now);
  if (looking_since_ && now - *looking_since_ > kLookPatience) outside_.silent(name_);
  if (next_look_ && *next_look_ <= now) look();
  std::optional<loading::Instant> next = host_->next_sweep();
  const auto at = [&](loading::Instant when) { next = next ? std::min(*next, when) : when; };
  if (next_look_) at(*next_look_);
  if (looking_since_) {
    const auto patient_until = *looking_since_ + kLookPatience + milliseconds(1);
    // Once it is silent there is nothing to be told until it answers.
    if (patient_until > now) at(patient_until);
  }
  return next;
}

}  // namespace berth::runtime
