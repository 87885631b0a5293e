// SPDX-License-Identifier: Apache-2.0
#include "core/cli/hints.hpp"

#include <array>

namespace berth::cli {
namespace {

struct Hint {
  std::string_view words;  // of the message
  std::string_view next;
};

constexpr std::array kHints{
    Hint{"No Container Instances were found in your cluster",
         "`berth agent list` shows the hosts that have joined, `berth doctor` what this one lacks, "
         "and "
         "--cluster names another cluster."},
    Hint{"No Container Instances were found in your capacity provider",
         "`berth pool` shows the pools and their hosts."},
    Hint{"no container instance can run it",
         "`berth ps` shows what runs and may be stopped, `berth plan` what would fit."},
    Hint{"Cluster not found",
         "--cluster names another one; `aws ecs list-clusters` shows all, `aws ecs create-cluster` "
         "makes one."},
    Hint{"the port is in use",
         "`berth up --api HOST:0` takes a free port; where a Berth of another data directory has "
         "this "
         "one, `berth down --data-dir DIR` ends it (quickstart's: `./quickstart --down`)."},
    Hint{"CannotPull",
         "Look at the image's name and tag; registries, their certificates and credentials are set "
         "in "
         "[plugins.registry-ecr] of berth.toml."},
    Hint{"The security token included in the request is invalid",
         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be a pair of [access_keys] of the "
         "control "
         "plane's berth.toml."},
};

}  // namespace

std::string hint_for(std::string_view message) {
  for (const Hint& hint : kHints) {
    if (message.find(hint.words) != std::string_view::npos) return std::string(hint.next);
  }
  return {};
}

}  // namespace berth::cli
