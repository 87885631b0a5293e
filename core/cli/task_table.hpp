// SPDX-License-Identifier: Apache-2.0
// Tasks as lines for people: `berth ps`.
//
// Threads: any.
#pragma once

#include <boost/json/fwd.hpp>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace berth::cli {

// Names of hosts by the id of their container instance.
using HostNames = std::map<std::string, std::string>;

// The newest first.
void sort_by_age(std::vector<boost::json::object>& tasks);

// One line a task; with `reasons` also why each has stopped. `now`: seconds since the epoch.
void print_tasks(std::ostream& out, const std::vector<boost::json::object>& tasks,
                 const HostNames& hosts, double now, bool reasons);

}  // namespace berth::cli
