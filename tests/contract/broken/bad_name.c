/* SPDX-License-Identifier: Apache-2.0 */
/* Its name cannot be a key of berth.toml. */
#define NAME "Bad Name"
#include "minimal.h"
