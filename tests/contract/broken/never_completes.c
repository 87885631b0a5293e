/* SPDX-License-Identifier: Apache-2.0 */
/* A call never ends. */
#define DEFECT_NEVER_COMPLETES
#include "minimal.h"
