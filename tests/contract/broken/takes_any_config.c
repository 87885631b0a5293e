/* SPDX-License-Identifier: Apache-2.0 */
/* It does not look at its configuration. */
#define DEFECT_TAKES_ANY_CONFIG
#include "minimal.h"
