// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "core/placement/kernels.hpp"

namespace berth::placement {
namespace {

bool passes(std::span<const Floor> floors, std::size_t node) {
  for (const Floor& floor : floors) {
    if (!floor.passes(node)) return false;
  }
  return true;
}

template <typename Visit>
void each(std::uint64_t word, std::size_t base, const Visit& visit) {
  for (; word != 0; word &= word - 1)
    visit(base + static_cast<std::size_t>(std::countr_zero(word)));
}

void filter(std::span<const std::uint64_t> in, std::span<const Floor> floors, std::uint64_t* out) {
  for (std::size_t w = 0; w < in.size(); ++w) {
    std::uint64_t kept = 0;
    each(in[w], w * 64, [&](std::size_t node) {
      kept |= static_cast<std::uint64_t>(passes(floors, node)) << (node % 64);
    });
    out[w] |= kept;
  }
}

std::size_t first(std::span<const std::uint64_t> in, std::span<const Floor> floors) {
  for (std::size_t w = 0; w < in.size(); ++w) {
    for (std::uint64_t word = in[w]; word != 0; word &= word - 1) {
      const std::size_t node = w * 64 + static_cast<std::size_t>(std::countr_zero(word));
      if (passes(floors, node)) return node;
    }
  }
  return Best::kNone;
}

Best first_least(std::span<const std::uint64_t> in, std::span<const Floor> floors, Key key) {
  Best best;
  for (std::size_t w = 0; w < in.size(); ++w) {
    each(in[w], w * 64, [&](std::size_t node) {
      const std::int32_t value = key.of(node);
      if (value < best.key && passes(floors, node)) best = Best{value, node};
    });
  }
  return best;
}

void keep_least(std::span<std::uint64_t> nodes, Key key) {
  const Best best = first_least(nodes, {}, key);
  for (std::size_t w = 0; w < nodes.size(); ++w) {
    std::uint64_t kept = 0;
    each(nodes[w], w * 64, [&](std::size_t node) {
      kept |= static_cast<std::uint64_t>(key.of(node) == best.key) << (node % 64);
    });
    nodes[w] = kept;
  }
}

}  // namespace

const Kernels& scalar_kernels() {
  static constexpr Kernels kKernels{filter, first, first_least, keep_least};
  return kKernels;
}

}  // namespace berth::placement
