/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are no message are a request to it. */
#define DEFECT_TAKES_GARBAGE
#include "minimal.h"
