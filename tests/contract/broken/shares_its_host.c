/* SPDX-License-Identifier: Apache-2.0 */
/* A second instance answers the host of the first. */
#define DEFECT_SHARES_ITS_HOST
#include "minimal.h"
