/* SPDX-License-Identifier: Apache-2.0 */
/* Each call ends twice. */
#define DEFECT_COMPLETES_TWICE
#include "minimal.h"
