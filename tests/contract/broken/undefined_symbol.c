/* SPDX-License-Identifier: Apache-2.0 */
/* It needs a function that no library has. */
#include "minimal.h"

int nobody_has_this(void);
int minimal_helper(void);
int minimal_helper(void) { return nobody_has_this(); }
