/* SPDX-License-Identifier: Apache-2.0 */
/* It can be started a few times only. */
#define DEFECT_SECOND_CREATE_FAILS
#include "minimal.h"
