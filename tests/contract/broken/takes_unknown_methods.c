/* SPDX-License-Identifier: Apache-2.0 */
/* It says OK to whatever it is asked. */
#define DEFECT_TAKES_UNKNOWN_METHODS
#include "minimal.h"
