/* SPDX-License-Identifier: Apache-2.0 */
/* It shows more of itself than the table. */
#include "minimal.h"

__attribute__((visibility("default"))) int minimal_helper(void);
int minimal_helper(void) { return 1; }
