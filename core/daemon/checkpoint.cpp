// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/checkpoint.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace berth::daemon {
namespace {

struct Armed {
  std::string name;
  const char* gate = std::getenv("BERTH_FAILPOINT_GATE");
  std::atomic<int> left{1};
};

Armed* armed() {
  static Armed* const kArmed = []() -> Armed* {
    const char* text = std::getenv("BERTH_FAILPOINT");
    if (!text || !*text) return nullptr;
    auto* point = new Armed;  // lives as long as the process
    point->name = text;
    if (const auto colon = point->name.rfind(':'); colon != std::string::npos) {
      point->left = std::atoi(point->name.c_str() + colon + 1);
      point->name.erase(colon);
    }
    return point;
  }();
  return kArmed;
}

}  // namespace

void pass_checkpoint(std::string_view name) {
  Armed* const point = armed();
  if (!point || point->name != name) return;
  if (point->gate && ::access(point->gate, F_OK) != 0) return;
  if (point->left.fetch_sub(1) == 1) ::kill(::getpid(), SIGKILL);
}

}  // namespace berth::daemon
