// SPDX-License-Identifier: Apache-2.0
// A fixture of tasks on this host, by each OCI runtime: for the tests that show what a member of a
// definition does.
//
// Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime::testing {

// Of a fixture with a virtual config(). The parameter is the runtime's program.
template <typename Fixture>
class ByRuntime : public Fixture, public ::testing::WithParamInterface<const char*> {
 protected:
  TasksConfig config() override {
    TasksConfig config = Fixture::config();
    config.runtime = GetParam();
    return config;
  }
  // A kernel of its own for each container: some of what it shows is not the host's.
  static bool sandboxed() { return std::string_view(GetParam()) == "runsc"; }
};

}  // namespace berth::runtime::testing
