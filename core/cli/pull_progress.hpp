// SPDX-License-Identifier: Apache-2.0
// One line on a terminal that tells how far the pulls of a task are.
#pragma once

#include <boost/json.hpp>
#include <iosfwd>

namespace berth::cli {

class PullProgress {
 public:
  // Without a terminal nothing is printed.
  PullProgress(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}

  // `pulls` as WatchTask gives them; draws over the line of the last call.
  void show(const boost::json::array& pulls);
  // Leaves the terminal's line empty.
  void end();

 private:
  std::ostream& out_;
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace berth::cli
