/* SPDX-License-Identifier: Apache-2.0 */
/* destroy drops what is open. */
#define DEFECT_FORGETS_OPEN_CALLS
#include "minimal.h"
