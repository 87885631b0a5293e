/* SPDX-License-Identifier: Apache-2.0 */
/* cancel completes the call, and so does its worker. */
#define DEFECT_CANCEL_COMPLETES_TOO
#include "minimal.h"
