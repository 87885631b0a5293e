/* SPDX-License-Identifier: Apache-2.0 */
/* It never returns. */
#define DEFECT_HANGS_IN_CREATE
#include "minimal.h"
