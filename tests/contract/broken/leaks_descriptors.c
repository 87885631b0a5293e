/* SPDX-License-Identifier: Apache-2.0 */
/* Each instance leaves a descriptor open. */
#define DEFECT_LEAKS_DESCRIPTORS
#include "minimal.h"
