// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/hints.hpp"

namespace berth::cli {

int complain(const Error& error) {
  std::cerr << "berth: " << error.message;
  if (!error.what.empty() && error.what.ends_with("Exception"))
    std::cerr << " (" << error.what << ")";
  std::cerr << '\n';
  if (const std::string hint = hint_for(error.message); !hint.empty())
    std::cerr << "  " << hint << '\n';
  return 1;
}

}  // namespace berth::cli
