/* SPDX-License-Identifier: Apache-2.0 */
/* A payload has a size and no data. */
#define DEFECT_SENDS_NULL
#include "minimal.h"
