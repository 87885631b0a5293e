/* SPDX-License-Identifier: Apache-2.0 */
/* A second activate succeeds. */
#define DEFECT_ACTIVATES_AGAIN
#include "minimal.h"
