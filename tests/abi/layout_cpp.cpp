// SPDX-License-Identifier: Apache-2.0
// The header and its layout as C++20 sees them.
#include "layout.h"
