// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/placement_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

namespace berth::daemon {
namespace {

// Labels do not grow with what a vendor calls a resource.
constexpr std::array<std::string_view, 11> kReasons = {
    "INACTIVE",     "AGENT",           "LOCATION",        "ATTRIBUTE",
    "RESOURCE:CPU", "RESOURCE:MEMORY", "RESOURCE:PORTS",  "RESOURCE:ENI",
    "RESOURCE:GPU", "MemberOf",        "DistinctInstance"};

std::string label_of(const std::string& reason) {
  // "MemberOf placement constraint unsatisfied."
  const std::string_view word = std::string_view(reason).substr(0, reason.find(' '));
  return std::find(kReasons.begin(), kReasons.end(), word) == kReasons.end() ? "OTHER"
                                                                             : std::string(word);
}

std::int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// From a microsecond, which a decision in an index takes, to what a scan of a million nodes does.
prometheus::Histogram::BucketBoundaries seconds() {
  return {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1};
}

}  // namespace

struct PlacementMetrics::Series {
  explicit Series(prometheus::Registry& registry)
      : decisions(prometheus::BuildCounter()
                      .Name("berth_placement_decisions_total")
                      .Help("Decisions about one task, by what came out.")
                      .Register(registry)),
        placed(decisions.Add({{"outcome", "placed"}})),
        unplaced(decisions.Add({{"outcome", "unplaced"}})),
        refusals(prometheus::BuildCounter()
                     .Name("berth_placement_refusals_total")
                     .Help("Instances that refused a task that found no place, by reason.")
                     .Register(registry)),
        latency(prometheus::BuildHistogram()
                    .Name("berth_placement_decision_seconds")
                    .Help("How long a decision about one task takes.")
                    .Register(registry)
                    .Add({}, seconds())),
        nodes(gauge(registry, "berth_placement_nodes", "Nodes that placement knows.")),
        reservations(gauge(registry, "berth_placement_reservations",
                           "Tasks that hold resources of a node.")),
        compiled(gauge(registry, "berth_placement_compiled_requests",
                       "Requests that are kept compiled.")),
        compilations(prometheus::BuildCounter()
                         .Name("berth_placement_compilations_total")
                         .Help("Requests that were compiled.")
                         .Register(registry)
                         .Add({})) {}

  static prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name,
                                  const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }

  prometheus::Family<prometheus::Counter>& decisions;
  prometheus::Counter& placed;
  prometheus::Counter& unplaced;
  prometheus::Family<prometheus::Counter>& refusals;
  prometheus::Histogram& latency;
  prometheus::Gauge& nodes;
  prometheus::Gauge& reservations;
  prometheus::Gauge& compiled;
  prometheus::Counter& compilations;
};

PlacementMetrics::PlacementMetrics(prometheus::Registry& registry,
                                   std::function<std::int64_t()> nanoseconds)
    : series_(std::make_unique<Series>(registry)),
      nanoseconds_(nanoseconds ? std::move(nanoseconds) : steady_nanoseconds) {}
PlacementMetrics::~PlacementMetrics() = default;

void PlacementMetrics::begin() {
  begun_ = nanoseconds_();
}

void PlacementMetrics::end(bool placed) {
  series_->latency.Observe(static_cast<double>(nanoseconds_() - begun_) * 1e-9);
  (placed ? series_->placed : series_->unplaced).Increment();
}

void PlacementMetrics::refused(const std::string& reason, int instances) {
  series_->refusals.Add({{"reason", label_of(reason)}}).Increment(instances);
}

void PlacementMetrics::show(const control::PlacementStats& stats) {
  series_->nodes.Set(static_cast<double>(stats.nodes));
  series_->reservations.Set(static_cast<double>(stats.reservations));
  series_->compiled.Set(static_cast<double>(stats.compiled_requests));
  const double more = static_cast<double>(stats.compilations) - series_->compilations.Value();
  if (more > 0) series_->compilations.Increment(more);
}

}  // namespace berth::daemon
