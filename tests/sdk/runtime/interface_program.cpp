// SPDX-License-Identifier: Apache-2.0
// Makes or removes the interface of a task, in a process that tests kill in the middle of it.
//
//   interface_program BRIDGE NETNS_DIR attach|detach TASK ADDRESS
#include <cstdio>
#include <string_view>

#include "sdk/runtime/network/interface_network.hpp"
#include "tests/sdk/runtime/interfaces.hpp"

int main(int argc, char** argv) {
  using namespace berth::runtime;
  if (argc != 6) return 2;
  auto network = InterfaceNetwork::open({.bridge = argv[1], .netns_dir = argv[2]});
  if (!network) return 1;
  const TaskInterface interface = test::interface_at(argv[4], argv[5]);
  const bool detaches = std::string_view(argv[3]) == "detach";
  if (auto swept =
          (*network)->sweep(detaches ? std::vector{interface} : std::vector<TaskInterface>{});
      !swept) {
    std::fprintf(stderr, "%s\n", swept.error().message.c_str());
    return 1;
  }
  if (detaches) {
    auto detached = (*network)->detach(argv[4]);
    if (!detached) std::fprintf(stderr, "%s\n", detached.error().message.c_str());
    return detached ? 0 : 1;
  }
  auto attached = (*network)->attach(interface);
  if (!attached) std::fprintf(stderr, "%s\n", attached.error().message.c_str());
  return attached ? 0 : 1;
}
