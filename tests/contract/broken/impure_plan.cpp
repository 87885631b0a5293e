// SPDX-License-Identifier: Apache-2.0
// Its plan depends on how often it was asked.
#define BERTH_BROKEN_PLAN
#include "launch.hpp"
