/* SPDX-License-Identifier: Apache-2.0 */
/* Its version is longer than 64 characters. */
#define VERSION "1.0.0-0123456789012345678901234567890123456789012345678901234567890123456789"
#include "minimal.h"
