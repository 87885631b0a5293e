// SPDX-License-Identifier: Apache-2.0
#include "core/model/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace berth {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::NotFound: return "not found";
    case Errc::AlreadyExists: return "already exists";
    case Errc::Invalid: return "invalid";
    case Errc::Precondition: return "precondition failed";
    case Errc::NoCapacity: return "no capacity";
    case Errc::Unavailable: return "unavailable";
    case Errc::Deadline: return "deadline exceeded";
    case Errc::Cancelled: return "cancelled";
    case Errc::Denied: return "denied";
    case Errc::Unimplemented: return "unimplemented";
    case Errc::Internal: return "internal";
  }
  return "internal";
}

bool is_retryable(Errc code) {
  return code == Errc::NoCapacity || code == Errc::Unavailable || code == Errc::Deadline;
}

Errc errc_of_status(int status) {
  if (status < static_cast<int>(Errc::NotFound) || status > static_cast<int>(Errc::Internal)) {
    return Errc::Internal;
  }
  return static_cast<Errc>(status);
}

void assert_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "berth: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace berth
