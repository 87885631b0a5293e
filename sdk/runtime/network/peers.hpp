// SPDX-License-Identifier: Apache-2.0
// The interfaces of other hosts: which address is behind which host, and in which security groups
// it is.
//
// Pure. Threads: one at a time.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace berth::runtime {

struct PeerInterface {
  std::string address;
  std::vector<std::string> groups;
};

// News of the other hosts of the fleet.
struct PeerNews {
  struct Host {
    std::string node;
    std::string address;  // where it is reached; empty: nowhere
    bool whole = false;   // `added` is all that it has
    std::vector<PeerInterface> added;
    std::vector<std::string> removed;  // addresses
  };
  bool snapshot = false;  // hosts that are not named are gone
  std::vector<Host> hosts;
  // With a snapshot: hosts that have not spoken since the control plane began. What was known of
  // them stays.
  std::set<std::string> silent;
};

class Peers {
 public:
  struct Behind {
    std::string node;
    std::vector<std::string> groups;
  };

  void take(const PeerNews& news);

  // What is known, for a file; and back. Lines that cannot be read are left out: the next snapshot
  // says all again.
  [[nodiscard]] std::string print() const;
  [[nodiscard]] static Peers read(const std::string& text);

  // By address.
  [[nodiscard]] const std::map<std::string, Behind>& interfaces() const { return interfaces_; }
  // Address of a host; empty where it is reached nowhere.
  [[nodiscard]] std::string host_of(const std::string& node) const;
  // Whether some host has not been heard of: then routes that are not known may be its.
  [[nodiscard]] bool complete() const { return heard_ && silent_.empty(); }

 private:
  void drop_node(const std::string& node);

  std::map<std::string, Behind> interfaces_;
  std::map<std::string, std::string> hosts_;
  std::set<std::string> silent_;
  bool heard_ = false;
};

}  // namespace berth::runtime
