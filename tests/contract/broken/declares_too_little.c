/* SPDX-License-Identifier: Apache-2.0 */
/* It lacks a method that its interface demands. */
#define DEFECT_DECLARES_TOO_LITTLE
#include "minimal.h"
