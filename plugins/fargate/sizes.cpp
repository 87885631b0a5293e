// SPDX-License-Identifier: Apache-2.0
#include "plugins/fargate/sizes.hpp"

#include <algorithm>
#include <iterator>

namespace berth::fargate {
namespace {

// Memory from least to most in steps; all in MiB.
struct Row {
  std::int64_t cpu;
  std::int64_t least;
  std::int64_t most;
  std::int64_t step;
};
// 256 CPU units have 512 MiB besides.
constexpr Row kTable[] = {
    {256, 1024, 2048, 1024},      {512, 1024, 4096, 1024},   {1024, 2048, 8192, 1024},
    {2048, 4096, 16384, 1024},    {4096, 8192, 30720, 1024}, {8192, 16384, 61440, 4096},
    {16384, 32768, 122880, 8192},
};

}  // namespace

bool is_size(std::int64_t cpu, std::int64_t memory_mib) {
  if (cpu == 256 && memory_mib == 512) return true;
  return std::any_of(std::begin(kTable), std::end(kTable), [&](const Row& row) {
    return row.cpu == cpu && memory_mib >= row.least && memory_mib <= row.most &&
           (memory_mib - row.least) % row.step == 0;
  });
}

bool is_storage(const v1::ecs::TaskDefinition& definition, const v1::ecs::TaskOverride& overrides) {
  const auto& storage = overrides.has_ephemeral_storage() ? overrides.ephemeral_storage()
                                                          : definition.ephemeral_storage();
  if (!overrides.has_ephemeral_storage() && !definition.has_ephemeral_storage()) return true;
  return storage.size_in_gi_b() >= 21 && storage.size_in_gi_b() <= 200;
}

}  // namespace berth::fargate
