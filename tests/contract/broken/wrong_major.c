/* SPDX-License-Identifier: Apache-2.0 */
/* It is built for another ABI. */
#define DEFECT_WRONG_MAJOR
#include "minimal.h"
