/* SPDX-License-Identifier: Apache-2.0 */
/* It ends the process. */
#define DEFECT_CRASHES_IN_CREATE
#include "minimal.h"
