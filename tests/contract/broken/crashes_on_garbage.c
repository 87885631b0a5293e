/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are no message end the process. */
#define DEFECT_CRASHES_ON_GARBAGE
#include "minimal.h"
