/* SPDX-License-Identifier: Apache-2.0 */
/* It declares a method that it does not have. */
#define DEFECT_DECLARES_TOO_MUCH
#include "minimal.h"
