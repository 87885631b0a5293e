// SPDX-License-Identifier: Apache-2.0
// The nftables table of tasks' own interfaces: what may pass at each, who is in which security
// group, and the way out.
//
// Invariants: 1. An interface whose chains are not there passes nothing. 2. Each change is one
// transaction: there is no moment with half of it. Threads: one at a time. Errors: INTERNAL with
// nft's words.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/doors.hpp"
#include "sdk/runtime/network/task_interface.hpp"

struct nft_ctx;

namespace berth::runtime {

class InterfaceTable {
 public:
  // `link_prefix` begins the names of the links of all interfaces.
  InterfaceTable(const std::string& bridge, std::string link_prefix);
  ~InterfaceTable();
  InterfaceTable(const InterfaceTable&) = delete;
  InterfaceTable& operator=(const InterfaceTable&) = delete;

  struct Entry {
    TaskInterface interface;
    std::string link;  // its end on the host
  };
  // Group id to addresses, of all hosts.
  using Members = std::map<std::string, std::set<std::string>>;

  // Replaces the whole table by one with these.
  [[nodiscard]] sdk::Result<void> install(const std::vector<Entry>& entries,
                                          const Members& members);
  // Requires: install was called; the interface is not in the table.
  [[nodiscard]] sdk::Result<void> add(const Entry& entry, const Members& members);
  // Requires: it is in the table.
  [[nodiscard]] sdk::Result<void> remove(const Entry& entry);
  // Brings the sets that rules name to this.
  [[nodiscard]] sdk::Result<void> update(const Members& members);
  // No interface reaches these. Replaces those before.
  [[nodiscard]] sdk::Result<void> close(const Doors& doors);
  // Whether nftables takes the rules of plugins; changes nothing. Errors: INVALID.
  [[nodiscard]] static sdk::Result<void> check_rules(const TaskInterface& interface);
  [[nodiscard]] bool exists();
  // Removes the table and the accepting rules in iptables' FORWARD chain.
  [[nodiscard]] sdk::Result<void> remove_all();

 private:
  [[nodiscard]] sdk::Result<std::string> run(const std::string& commands,
                                             bool with_handles = false);
  [[nodiscard]] sdk::Result<void> apply(const std::string& commands);
  [[nodiscard]] sdk::Result<void> open_forward();
  [[nodiscard]] std::string base() const;
  // What `entry` needs and is not counted yet; counts it.
  [[nodiscard]] std::string chains_for(const Entry& entry, const Members& members);
  // `ranges`: those that this transaction adds already; nft 1.0.6 stumbles over the third time.
  [[nodiscard]] std::string elements_for(const Entry& entry, std::set<std::string>& ranges) const;
  void forget_all();

  std::string comment_;
  std::string prefix_;
  std::string table_;
  std::string closed_;                 // elements, or empty
  std::map<std::string, int> chains_;  // chains of groups: how many interfaces use each
  std::map<std::string, int> named_;   // groups that rules name: how many groups on interfaces do
  std::map<std::string, std::set<std::string>> members_;  // what is in their sets
  nft_ctx* nft_;
};

}  // namespace berth::runtime
