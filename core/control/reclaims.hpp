// SPDX-License-Identifier: Apache-2.0
// Who goes first where room is short: tasks of reclaimable capacity providers give way to others.
//
// Where a task finds no room, such tasks are told to stop, as few as can be, as every task is told:
// their containers have stopTimeout. Nothing waits for it; who wants the room asks again. Room that
// is on its way counts, so asking again takes no more; and it is kept for a while for who it was
// made for: until then no reclaimable task starts in those zones. Threads: loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/control/delivery.hpp"
#include "core/control/placer.hpp"
#include "core/control/plugins.hpp"
#include "core/control/tasks.hpp"

namespace berth::control {

class Reclaims {
 public:
  struct Rooms {
    Desk& desk;
    Plugins& plugins;
    Placer& placer;
    Tasks& tasks;
    Delivery& delivery;
  };
  explicit Reclaims(Rooms rooms) : rooms_(rooms) {}

  // As Placer::place, with that order: a reclaimable task waits for others' room, and what another
  // task is short of is asked of reclaimable ones. `provider` is empty for tasks of a launch type.
  struct Wish {
    const Demand& demand;
    const std::string& provider;
    int count = 1;
    Placer::Explain explain = Placer::Explain::Yes;
  };
  [[nodiscard]] Result<Placer::Outcome> place(const Wish& wish);

 private:
  // What a node has for the next task, and what would have to go.
  struct Yield {
    std::int64_t cpu = 0;
    std::int64_t memory_mib = 0;
    std::vector<TaskPtr> victims;  // the newest first
  };
  struct Choice {
    NodeId node;
    std::vector<std::size_t> victims;  // positions in its list, ascending
  };
  // Room that was made and is not taken yet.
  struct Promise {
    ClusterName cluster;
    PluginName plugin;
    std::vector<std::string> zones;  // empty: any
    Instant until;
  };

  [[nodiscard]] bool gives_way(const Demand& demand, const std::string& provider) const;
  [[nodiscard]] Result<Placer::Outcome> place_what_gives_way(const Wish& wish);
  // The zones that are left to tasks that give way; nothing where none is.
  [[nodiscard]] std::optional<std::vector<std::string>> open_zones(const Demand& demand);
  void drop_overdue();
  void make_room(const Demand& demand, int missing);
  // Whether there was anything to free, or on its way.
  [[nodiscard]] bool free_for(const Demand& demand, const PluginName& plugin,
                              const v1::Requirement& needs, int missing);
  [[nodiscard]] std::map<NodeId, Yield> yields(const Demand& demand, const PluginName& plugin,
                                               const v1::Requirement& needs);
  [[nodiscard]] bool would_take_if_empty(const Demand& demand, const PluginName& plugin,
                                         v1::Requirement needs, const NodeId& node);
  void interrupt(Yield& yield, const std::vector<std::size_t>& victims);

  Rooms rooms_;
  std::map<std::string, Promise> promises_;  // by what was asked for
};

}  // namespace berth::control
