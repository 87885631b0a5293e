// SPDX-License-Identifier: Apache-2.0
// What it plans depends on fields that it does not know.
#define BERTH_BROKEN_FUTURE
#include "launch.hpp"
