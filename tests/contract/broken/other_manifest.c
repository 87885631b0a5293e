/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest says another name than the table. */
#define MANIFEST_NAME "other"
#include "minimal.h"
