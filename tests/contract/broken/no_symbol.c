/* SPDX-License-Identifier: Apache-2.0 */
/* It has no table. */
#define DEFECT_NO_SYMBOL
#include "minimal.h"
