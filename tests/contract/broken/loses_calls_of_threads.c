/* SPDX-License-Identifier: Apache-2.0 */
/* Every call of a thread that did not make the instance is taken and never ends. */
#define DEFECT_LOSES_CALLS_OF_THREADS
#include "minimal.h"
