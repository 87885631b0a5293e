// SPDX-License-Identifier: Apache-2.0
// fleet_server_for_tests DIR PORT: a fleet server that prints its port, then each report, and ends when stdin does.
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "sdk/fleet/server.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  berth::fleet::ServerConfig config;
  config.listen = {"127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[2]))};
  config.data_dir = argv[1];
  berth::fleet::ServerEvents events;
  events.report = [](const berth::v1::TaskReport& report) {
    std::printf("report %s %llu\n", report.task_id().c_str(), static_cast<unsigned long long>(report.sequence()));
    std::fflush(stdout);
  };
  auto server = berth::fleet::Server::open(config, events);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  (*server)->start();
  std::printf("port %d token %s\n", (*server)->port(), (*server)->join_token().c_str());
  std::fflush(stdout);
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  return 0;
}
