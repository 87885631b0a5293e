// SPDX-License-Identifier: Apache-2.0
// It stops tasks that it never started.
#define BERTH_BROKEN_STOP
#include "launch.hpp"
