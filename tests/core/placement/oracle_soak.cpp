// SPDX-License-Identifier: Apache-2.0
// oracle_soak: the engine against the oracle over as many random operations as are wanted.
//
// Exit: 0 they agreed; 1 a difference, with how to see it again; 2 usage; 3 they agreed, but not
// every way to decide was taken.
#include <charconv>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>

#include "tests/core/placement/twins.hpp"
#include "tests/core/placement/worlds.hpp"

namespace berth::placement::testing {
namespace {

constexpr const char* kUsage =
    "usage: oracle_soak [--operations N] [--seed S] [--first-history H] [--nodes M]\n"
    "  --operations N     random operations in all (default 100000)\n"
    "  --seed S           of everything that is drawn (default 1)\n"
    "  --first-history H  begin with this history, as a difference names it (default 0)\n"
    "  --nodes M          nodes that each history starts with, at most 100000; else most have up "
    "to\n"
    "                     40, every 10th beyond 256 and every 200th beyond 4096\n";

// Fewer may not come upon every way to decide.
constexpr std::uint64_t kEnoughForEveryWay = 10'000;

struct Order {
  std::uint64_t operations = 100'000;
  std::uint64_t seed = 1;
  std::uint64_t first_history = 0;
  std::uint64_t nodes = 0;
  bool nodes_given = false;
};

std::optional<Order> parse(int argc, char** argv) {
  Order out;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    std::uint64_t* target = name == "--operations"      ? &out.operations
                            : name == "--seed"          ? &out.seed
                            : name == "--first-history" ? &out.first_history
                            : name == "--nodes"         ? &out.nodes
                                                        : nullptr;
    if (target == nullptr || i + 1 == argc) return std::nullopt;
    const char* end = argv[i + 1] + std::strlen(argv[i + 1]);
    const auto [stop, error] = std::from_chars(argv[i + 1], end, *target);
    if (error != std::errc() || stop != end) return std::nullopt;
    out.nodes_given = out.nodes_given || target == &out.nodes;
  }
  if (out.nodes > 100'000) return std::nullopt;
  return out;
}

struct History {
  Twins::Shape shape{};
  std::int64_t nodes = 0;
  std::int64_t adoptions = 0;
  std::uint64_t steps = 0;
};

History draw_history(const Order& order, std::uint64_t number, Draw& draw) {
  using Simd = EngineOptions::Simd;
  History out;
  out.shape.options.simd = static_cast<Simd>(draw.below(4));
  // As nearly all histories are of few nodes.
  if (!draw.one_in(4)) out.shape.options.scan_up_to_nodes = 0;
  if (draw.one_in(3))
    out.shape.options.cache_bytes = static_cast<std::size_t>(draw.one_in(2) ? 0 : draw.below(4000));
  if (draw.one_in(3))
    out.shape.options.score_cache_bytes =
        static_cast<std::size_t>(draw.one_in(2) ? 0 : draw.below(8000));
  if (draw.one_in(2)) out.shape.shelves = 1 + draw.below(60);
  out.shape.plain = draw.one_in(3);
  draw.many_amounts = draw.one_in(3);
  out.steps = 500;
  out.nodes = draw.below(41);
  if (order.nodes_given) {
    out.nodes = static_cast<std::int64_t>(order.nodes);
  } else if (number % 200 == 2) {
    out.nodes = 4097 + draw.below(700);
    out.steps = 60;
  } else if (number % 10 == 1) {
    out.nodes = 257 + draw.below(400);
    out.steps = 300;
  }
  // So that sets run on most nodes.
  if (out.nodes > 40 && !draw.one_in(4)) out.adoptions = draw.below(2 * out.nodes);
  return out;
}

int soak(const Order& order) {
  Twins::Ways ways;
  std::uint64_t done = 0;
  std::uint64_t number = order.first_history;
  std::uint64_t next_report = order.operations / 20;
  for (; done < order.operations; ++number) {
    Draw draw(order.seed * 0x9E3779B97F4A7C15 + number);
    const History history = draw_history(order, number, draw);
    std::uint64_t step = 0;
    try {
      Twins twins(history.shape);
      for (std::int64_t i = 0; i < history.nodes; ++i) twins.add_node(draw);
      for (std::int64_t i = 0; i < history.adoptions; ++i) twins.adopt(draw);
      for (int i = 0; i < 5; ++i) twins.compile(draw);
      for (; step < history.steps && done < order.operations; ++step, ++done)
        twins.step(draw.next());
      twins.compare_books();
      ways.indexed += twins.ways().indexed;
      ways.one_pass += twins.ways().one_pass;
      ways.gave_up += twins.ways().gave_up;
      ways.unindexed += twins.ways().unindexed;
      ways.scored += twins.ways().scored;
    } catch (const std::exception& difference) {
      std::printf("difference: %s\nseed %" PRIu64 ", history %" PRIu64 ", step %" PRIu64
                  " of %" PRId64 " nodes; again: oracle_soak --seed %" PRIu64
                  " --first-history %" PRIu64 "%s --operations %" PRIu64 "\n",
                  difference.what(), order.seed, number, step, history.nodes, order.seed, number,
                  order.nodes_given ? " (and the same --nodes)" : "", step + 1);
      return 1;
    }
    if (done >= next_report) {
      std::printf("%" PRIu64 " operations, %" PRIu64 " histories\n", done,
                  number + 1 - order.first_history);
      std::fflush(stdout);
      next_report += order.operations / 20;
    }
  }
  std::printf(
      "no difference in %" PRIu64 " operations (seed %" PRIu64 "); decided by indexes %" PRIu64
      ", in one pass %" PRIu64 ", by a scan after the indexes gave up %" PRIu64
      ", by a scan at once %" PRIu64 ", by scores %" PRIu64 "\n",
      done, order.seed, ways.indexed, ways.one_pass, ways.gave_up, ways.unindexed, ways.scored);
  const bool every_way = ways.indexed > 0 && ways.one_pass > 0 && ways.gave_up > 0 &&
                         ways.unindexed > 0 && ways.scored > 0;
  return every_way || done < kEnoughForEveryWay || order.nodes_given ? 0 : 3;
}

}  // namespace
}  // namespace berth::placement::testing

int main(int argc, char** argv) {
  const auto order = berth::placement::testing::parse(argc, argv);
  if (!order) {
    std::fputs(berth::placement::testing::kUsage, stderr);
    return 2;
  }
  return berth::placement::testing::soak(*order);
}
