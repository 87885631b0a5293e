// SPDX-License-Identifier: Apache-2.0
// The metrics of the records, counted on the loop at a bounded share of its time.
//
// Who asks while they are counted has that answer too, and who asks soon after has the last one:
// counting costs the loop at most a twentieth of its time, however often it is asked for. Threads:
// any.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/api/state_metrics.hpp"
#include "core/control/frontend.hpp"

namespace berth::api {

class RecordCounts {
 public:
  using Told = std::function<void(std::shared_ptr<const Families>)>;
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  // `control` outlives this object; this object outlives its answers. `now` is asked by any thread.
  explicit RecordCounts(control::Frontend& control, Now now = Clock::now)
      : control_(control), now_(std::move(now)) {}

  // `told` is called once: at once, or by the thread that runs the control's effects.
  void ask(Told told);

 private:
  void count();
  void tell(std::shared_ptr<const Families> counted);

  control::Frontend& control_;
  Now now_;
  std::mutex mutex_;
  std::vector<Told> waiting_;  // not empty: it is being counted
  std::shared_ptr<const Families> last_;
  Clock::time_point good_until_{};
};

}  // namespace berth::api
