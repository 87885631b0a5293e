// SPDX-License-Identifier: Apache-2.0
// The host's side of one plugin instance in this process.
//
// What a HostSide (sdk/loading) holds for any plugin, with the core's messages and errors on top.
//
// Invariants: 1. Each call() is answered exactly once, whatever the plugin does. 2. What the plugin
// sends is held in bounded memory: beyond the limits events are dropped, counted, and mended by
// list-owned; nothing that it sends twice, late, too large or unasked reaches the core. 3. The
// plugin's threads run no code of the core but queueing. Threads: loop, all of it, but what Options
// says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "berth/v1/plugin.pb.h"
#include "core/plugins/peer.hpp"
#include "sdk/loading/host_side.hpp"
#include "sdk/loading/library.hpp"

namespace berth::plugins {

using loading::Faults;
using loading::LibraryPtr;
using loading::Limits;

class Instance final : public Peer, public std::enable_shared_from_this<Instance> {
 public:
  struct Options {
    v1::PluginConfig config;
    Post post;
    std::function<Instant()> now;
    // Events but EVENT_ASK, on the loop, in the plugin's order. Parts of an inventory come as one.
    std::function<void(std::uint32_t event, std::string_view payload)> on_event;
    // Serialised v1::Ask, on the loop (Broker::ask).
    std::function<void(std::string_view ask)> on_ask;
    // A line for the log, from any thread, without control characters; level is a BERTH_LOG_ value.
    std::function<void(std::int32_t level, std::string_view line)> log;
    Limits limits{};
  };

  // Makes an instance: create of the table. Errors: the plugin's, with the words that it logged;
  // Internal where it breaks the contract.
  [[nodiscard]] static Result<std::shared_ptr<Instance>> create(LibraryPtr library,
                                                                Options options);
  // Ends it: destroy of the table, which waits for the plugin's threads; what is open is answered
  // Cancelled.
  ~Instance() override;

  [[nodiscard]] const PluginName& name() const override;
  [[nodiscard]] const loading::Library& library() const;

  std::uint64_t call(std::uint32_t method, std::string request, CallOptions options,
                     Done done) override;
  void cancel(std::uint64_t operation) override;

  // METHOD_DESCRIBE, and the answer checked against table and contract (manifest.hpp).
  void describe(CallOptions options, std::function<void(Result<v1::Manifest>)> done);
  // METHOD_ACTIVATE; events are accepted from here on.
  void activate(CallOptions options, std::function<void(Result<void>)> done);

  // Answers what is past its deadline, and does what else time brings. The owner calls it in each
  // turn of its loop, and asks next_sweep() when to be back at the latest.
  void sweep(Instant now);
  [[nodiscard]] std::optional<Instant> next_sweep() const;

  [[nodiscard]] Faults faults() const;  // any thread
  [[nodiscard]] std::size_t calls_overdue()
      const;  // past their deadline and not completed by the plugin

 private:
  Instance(LibraryPtr library, std::shared_ptr<loading::HostSide> host);

  LibraryPtr library_;
  PluginName name_;
  std::shared_ptr<loading::HostSide> host_;
};

}  // namespace berth::plugins
