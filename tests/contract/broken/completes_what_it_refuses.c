/* SPDX-License-Identifier: Apache-2.0 */
/* A refused call is completed too. */
#define DEFECT_COMPLETES_WHAT_IT_REFUSES
#include "minimal.h"
