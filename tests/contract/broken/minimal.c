/* SPDX-License-Identifier: Apache-2.0 */
/* No defect: what the others are compared with. */
#include "minimal.h"
