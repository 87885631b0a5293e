/* SPDX-License-Identifier: Apache-2.0 */
/* A thread outlives its instance. */
#define DEFECT_LEAVES_A_THREAD
#include "minimal.h"
