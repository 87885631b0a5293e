/* SPDX-License-Identifier: Apache-2.0 */
/* It has no cancel. */
#define DEFECT_NULL_SLOT
#include "minimal.h"
