// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/timed_store.hpp"

#include <prometheus/histogram.h>

#include <chrono>
#include <utility>

namespace berth::daemon {
namespace {

std::int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class TimedStore final : public store::Store {
 public:
  TimedStore(std::unique_ptr<store::Store> store, prometheus::Registry& registry,
             std::function<std::int64_t()> nanoseconds)
      : nanoseconds_(std::move(nanoseconds)),
        seconds_(prometheus::BuildHistogram()
                     .Name("berth_store_commit_seconds")
                     .Help("How long a batch of records takes from its append until it is durable.")
                     .Register(registry)
                     .Add({}, prometheus::Histogram::BucketBoundaries{1e-4, 2e-4, 5e-4, 1e-3, 2e-3,
                                                                      5e-3, 1e-2, 2e-2, 5e-2, 1e-1,
                                                                      5e-1, 1, 5})),
        store_(std::move(store)) {}

  Result<store::Loaded> load() override { return store_->load(); }

  void append(store::Epoch epoch, store::Batch batch,
              std::function<void(Result<store::Sequence>)> done) override {
    store_->append(
        epoch, std::move(batch),
        [this, begun = nanoseconds_(), done = std::move(done)](Result<store::Sequence> result) {
          seconds_.Observe(static_cast<double>(nanoseconds_() - begun) * 1e-9);
          done(std::move(result));
        });
  }

 private:
  std::function<std::int64_t()> nanoseconds_;
  prometheus::Histogram& seconds_;
  std::unique_ptr<store::Store> store_;  // last: its end waits for what is under way
};

}  // namespace

std::unique_ptr<store::Store> timed_store(std::unique_ptr<store::Store> store,
                                          prometheus::Registry& registry,
                                          std::function<std::int64_t()> nanoseconds) {
  if (!nanoseconds) nanoseconds = &steady_nanoseconds;
  return std::make_unique<TimedStore>(std::move(store), registry, std::move(nanoseconds));
}

}  // namespace berth::daemon
