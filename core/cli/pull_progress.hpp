// SPDX-License-Identifier: Apache-2.0
// One line on a terminal that tells how far the pulls of a task are.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <iosfwd>

namespace berth::cli {

class PullProgress {
 public:
  // `columns` of the terminal behind `out`; 0 where there is none: nothing is printed.
  PullProgress(std::ostream& out, std::size_t columns) : out_(out), columns_(columns) {}

  // `pulls` as WatchTask gives them; draws over the line of the last call, cut to the terminal's width.
  void show(const boost::json::array& pulls);
  // Leaves the terminal's line empty.
  void end();

 private:
  std::ostream& out_;
  std::size_t columns_;
  bool drawn_ = false;
};

}  // namespace berth::cli
