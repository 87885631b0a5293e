// SPDX-License-Identifier: Apache-2.0
// A log router as small as can be: takes the forward protocol on a Unix socket and tells each entry
// as one line of JSON, {"tag":...,"record":{...}}, on standard output.
#pragma once

#include <string>

// Takes the place of what is at `path`, and returns once it listens; a child of its own goes on
// until it is killed. Ends the program with 9 where it cannot.
void take_forward(const std::string& path);
