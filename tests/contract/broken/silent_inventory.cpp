// SPDX-License-Identifier: Apache-2.0
// It never publishes its nodes.
#define BERTH_BROKEN_INVENTORY
#include "launch.hpp"
