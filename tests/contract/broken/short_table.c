/* SPDX-License-Identifier: Apache-2.0 */
/* Its table is cut off. */
#define DEFECT_SHORT_TABLE
#include "minimal.h"
