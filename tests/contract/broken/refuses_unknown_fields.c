/* SPDX-License-Identifier: Apache-2.0 */
/* A newer host is refused. */
#define DEFECT_REFUSES_UNKNOWN_FIELDS
#include "minimal.h"
