/* SPDX-License-Identifier: Apache-2.0 */
/* It reports before activate. */
#define DEFECT_EMITS_EARLY
#include "minimal.h"
