// SPDX-License-Identifier: Apache-2.0
// The host's side of one plugin instance in this process: the berth_host table that it sees, and
// behind it open calls and queued events. Bytes in, bytes out: what they mean is the owner's to
// know.
//
// Invariants: 1. Each call() is answered exactly once, whatever the plugin does. An operation is in
// open_ from before the plugin hears of it until the plugin completes it; its `done` is taken out
// once, by whichever comes first: completion, deadline, end. 2. No lock is held while plugin or
// owner run. 3. An answer reaches the owner after the events that the plugin sent before it.
// 4. What the plugin sends is held in bounded memory: beyond the limits events are dropped,
// counted, and told by on_gap. Threads: the table's functions, call and cancel any; destroy any,
// while nothing else of these runs; all else the owner's loop. Outlives the plugin's last call
// (Library::retire).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "berth/plugin_abi.h"
#include "berth/result.hpp"
#include "sdk/loading/host_port.hpp"
#include "sdk/loading/library.hpp"

namespace berth::loading {

using std::chrono::milliseconds;
// Wall time in milliseconds since the Unix epoch.
using Instant = std::chrono::sys_time<milliseconds>;

// Runs work later on the owner's loop. Callable from any thread, also from within such work.
using Post = std::function<void(std::function<void()>)>;

// v1::EVENT_STREAM: its pieces have room of their own, since credit bounds them.
inline constexpr std::uint32_t kStreamEvent = 4;

struct CallOptions {
  milliseconds timeout{0};  // 0: none
};

// How a call ended.
struct End {
  berth_status status = BERTH_OK;
  std::string payload{};  // the response; or of the plugin's own failure a v1::Failure, or nothing
  std::string words{};    // why, where it is the host that ended it
};
using Done = std::function<void(End)>;

struct Limits {
  std::size_t events = 16 * 1024;  // queued, not yet given to the owner, kStreamEvent aside
  std::size_t event_bytes = 64 * 1024 * 1024;
  std::size_t stream_bytes = 64 * 1024 * 1024;     // of kStreamEvent alone, 128 more for each
  std::size_t snapshot_bytes = 256 * 1024 * 1024;  // of one inventory in parts, for who joins them
  std::size_t open_calls =
      64 * 1024;  // not yet completed by the plugin, also those past their deadline
  std::size_t events_per_turn = 256;  // given to the owner before the loop does something else
  std::size_t log_lines_per_second = 1000;
  milliseconds resync_interval{1000};  // between two on_gap
};

// What a plugin did wrong, in numbers; for metrics and `berth plugin list`.
struct Faults {
  std::uint64_t unknown_completions = 0;   // of no open operation, or the second of one
  std::uint64_t unfinished_calls = 0;      // left open by destroy
  std::uint64_t late_completions = 0;      // after the deadline
  std::uint64_t oversized = 0;             // payloads beyond BERTH_PAYLOAD_MAX
  std::uint64_t early_or_late_events = 0;  // before activate, or after destroy
  std::uint64_t dropped_events = 0;
  std::uint64_t dropped_log_lines = 0;
  std::uint64_t unreadable = 0;  // a manifest, question or inventory that is no such message
};

struct HostOptions {
  std::string config;  // a serialised v1::PluginConfig
  Post post;
  std::function<Instant()> now;
  // Events on the loop, in the plugin's order.
  std::function<void(std::uint32_t event, std::string payload)> on_event;
  // Events were dropped, and those before the gap have been given: ask for the whole again, then
  // say mended(). On the loop.
  std::function<void()> on_gap;
  // A line for the log, from any thread, without control characters; level is a BERTH_LOG_ value.
  std::function<void(std::int32_t level, std::string_view line)> log;
  Limits limits{};
};

class HostSide : public std::enable_shared_from_this<HostSide> {
 public:
  HostSide(LibraryPtr library, HostOptions options);

  // create of the table. Errors: the plugin's, with the words that it logged; INTERNAL where it
  // breaks the contract.
  [[nodiscard]] sdk::Result<void> create();
  // destroy of the table, which waits for the plugin's threads; what is open is answered CANCELLED.
  void destroy();

  // Begins a call (v1::Method). `done` runs exactly once, later, on the loop, never from within
  // call(): with the plugin's end, DEADLINE, or CANCELLED when the instance ends first. Gives the
  // operation's number, 0 where it never opened.
  std::uint64_t call(std::uint32_t method, std::string request, CallOptions options, Done done);
  // Asks that an operation end soon; `done` still runs. Unknown and ended ones are ignored.
  void cancel(std::uint64_t operation);
  // Events are accepted from here on: with METHOD_ACTIVATE.
  void set_active();
  // After on_gap: what was dropped is known again; with `again` it is not, and is to be asked for
  // once more.
  void mended(bool again);

  // Answers what is past its deadline, and does what else time brings. The owner calls it in each
  // turn of its loop, and asks next_sweep() when to be back at the latest.
  void sweep(Instant now);

  // Counts a fault that the owner found in the plugin's bytes, and says so in the log.
  void fault(std::uint64_t Faults::*count, const std::string& words);

  // From the plugin.
  void complete(std::uint64_t operation, berth_status status, berth_bytes payload);
  void emit(std::uint32_t event, berth_bytes payload);
  void log(std::int32_t level, berth_bytes message);

  [[nodiscard]] std::optional<Instant> next_sweep() const;
  [[nodiscard]] Faults faults() const;
  // Calls past their deadline and not completed by the plugin.
  [[nodiscard]] std::size_t calls_overdue() const;
  [[nodiscard]] bool is_ending() const;
  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] std::string plugin() const { return library_->name(); }

 private:
  struct Open {
    Done done;  // empty: answered already, the plugin's completion is still awaited
    std::optional<Instant> deadline;
  };
  // An event, or an answer that follows events.
  struct Event {
    std::uint32_t id = 0;
    std::string payload{};
    Done done{};
    End end{};
  };

  // From here on whatever comes of the plugin is counted by the port alone.
  void disconnect();
  void write_log(std::int32_t level, std::string_view text);
  [[nodiscard]] static std::size_t cost_of(const Event& event);
  [[nodiscard]] bool take_room(const Event& event);
  void give_room(const Event& event);
  void drain();
  void deliver(Event event);
  void resync_if_due(Instant now);
  void answer(Done done, End end);
  void answer_in_order(Done done, End end);

  const LibraryPtr library_;
  const HostOptions options_;
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
  bool ending_ = false;     // destroy has begun: events are discarded
  bool ended_ = false;      // destroy has returned: whatever comes is a fault
  bool missed_ = false;     // events were dropped since the last on_gap
  bool resyncing_ = false;  // on_gap has run, mended() has not
  std::optional<Instant> last_resync_;
  std::size_t log_lines_ = 0;
  std::size_t log_dropped_ = 0;
  Instant log_window_{};
  std::optional<std::string> create_words_;  // what create logs
  Faults faults_;
};

}  // namespace berth::loading
