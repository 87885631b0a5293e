/* SPDX-License-Identifier: Apache-2.0 */
/* The header and its layout as C11 sees them. */
#include "layout.h"
