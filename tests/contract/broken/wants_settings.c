/* SPDX-License-Identifier: Apache-2.0 */
/* It cannot be listed without a configuration. */
#define DEFECT_WANTS_SETTINGS
#include "minimal.h"
