// SPDX-License-Identifier: Apache-2.0
// Our own nftables table: published ports to containers, and the subnet's way out. Nobody else's
// table is touched, but for two accepting rules where iptables' FORWARD chain drops what it does
// not know.
//
// Threads: one at a time. Errors: INTERNAL with nft's words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/runtime/network/doors.hpp"
#include "sdk/runtime/network/task_network.hpp"

struct nft_ctx;

namespace berth::runtime {

struct Publication {
  std::string address;
  PublishedPort port;
};

class NatTable {
 public:
  NatTable(std::string bridge, std::string subnet);
  ~NatTable();
  NatTable(const NatTable&) = delete;
  NatTable& operator=(const NatTable&) = delete;

  // Replaces the whole table, at once, by one with these.
  [[nodiscard]] sdk::Result<void> install(const std::vector<Publication>& publications);
  [[nodiscard]] sdk::Result<void> add(const std::vector<Publication>& publications);
  // What is not there is fine.
  [[nodiscard]] sdk::Result<void> remove(const std::vector<Publication>& publications);
  // No container reaches these. Replaces those before, also in tables to come.
  [[nodiscard]] sdk::Result<void> close(const Doors& doors);
  [[nodiscard]] bool exists();
  // Lets forwarded traffic of the bridge through a FORWARD chain with policy drop.
  [[nodiscard]] sdk::Result<void> open_forward();
  // Removes the table and the accepting rules.
  [[nodiscard]] sdk::Result<void> remove_all();

 private:
  [[nodiscard]] sdk::Result<std::string> run(const std::string& commands,
                                             bool with_handles = false);

  [[nodiscard]] std::string closed() const;

  std::string bridge_;
  std::string subnet_;
  Doors doors_;
  std::string table_;
  nft_ctx* nft_;
};

}  // namespace berth::runtime
