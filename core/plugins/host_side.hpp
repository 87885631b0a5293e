// SPDX-License-Identifier: Apache-2.0
// What one instance sees of its host: the berth_host table, and behind it open calls and queued
// events.
//
// Invariants: 1. An operation is in open_ from before the plugin hears of it until the plugin
// completes it. Its `done` is taken out once, by whichever comes first: completion, deadline,
// end. 2. No lock is held while plugin or core run. 3. An answer reaches the core after the events
// that the plugin sent before it. Threads: the table's functions any; all else
// loop. Outlives the plugin's last call (Library::retire).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/plugins/host_port.hpp"
#include "core/plugins/instance.hpp"

namespace berth::plugins {

class HostSide : public std::enable_shared_from_this<HostSide> {
 public:
  HostSide(LibraryPtr library, Instance::Options options);

  // create and destroy of the table.
  [[nodiscard]] Result<void> create();
  void destroy();

  std::uint64_t call(std::uint32_t method, std::string request, CallOptions options,
                     Peer::Done done);
  void cancel(std::uint64_t operation);
  void set_active();
  void sweep(Instant now);

  // From the plugin.
  void complete(std::uint64_t operation, berth_status status, berth_bytes payload);
  void emit(std::uint32_t event, berth_bytes payload);
  void log(std::int32_t level, berth_bytes message);

  [[nodiscard]] std::optional<Instant> next_sweep() const;
  [[nodiscard]] Faults faults() const;
  [[nodiscard]] std::size_t calls_overdue() const;

 private:
  struct Open {
    Peer::Done done;  // empty: answered already, the plugin's completion is still awaited
    std::optional<Instant> deadline;
  };
  // An event, or an answer that follows events.
  struct Event {
    std::uint32_t id = 0;
    std::string payload{};
    Peer::Done done{};
    Result<std::string> result{};
  };

  // Counts a fault, and says so in the log. Requires: mutex_ is not held.
  void fault(std::uint64_t Faults::*count, const std::string& words);
  // From here on whatever comes of the plugin is counted by the port alone.
  void disconnect();
  void write_log(std::int32_t level, std::string_view text);
  [[nodiscard]] static std::size_t cost_of(const Event& event);
  [[nodiscard]] bool take_room(const Event& event);
  void give_room(const Event& event);
  void drain();
  void deliver(Event event);
  void deliver_inventory(std::string payload);
  void resync_if_due(Instant now);
  void ask_owned(const std::string& after);
  void on_owned(const Result<std::string>& answer, const std::string& after);
  void answer(Peer::Done done, Result<std::string> result);
  void answer_in_order(Peer::Done done, Result<std::string> result);
  [[nodiscard]] Error error_of(berth_status status, std::string_view payload) const;

  const LibraryPtr library_;
  const Instance::Options options_;
  const Limits limits_;
  const std::shared_ptr<HostPort> port_;
  void* handle_ = nullptr;

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Open> open_;
  std::set<std::pair<Instant, std::uint64_t>> deadlines_;
  std::uint64_t next_operation_ = 1;
  std::size_t overdue_ = 0;
  std::deque<Event> queue_;
  std::size_t queued_events_ = 0;  // in queue_, but what streams carry: credit bounds that
  std::size_t event_bytes_ = 0;
  std::size_t stream_bytes_ = 0;
  bool drain_posted_ = false;
  bool active_ = false;
  bool ending_ = false;  // destroy has begun: events are discarded
  bool ended_ = false;   // destroy has returned: whatever comes is a fault
  bool missed_ = false;  // events were dropped since the last list-owned
  bool resyncing_ = false;
  std::optional<Instant> last_resync_;
  std::size_t log_lines_ = 0;
  std::size_t log_dropped_ = 0;
  Instant log_window_{};
  std::optional<std::string> create_words_;  // what create logs
  Faults faults_;

  std::string snapshot_;  // parts so far; loop
};

}  // namespace berth::plugins
