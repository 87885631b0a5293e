// SPDX-License-Identifier: Apache-2.0
// How expected failures travel: Result<T>, a value or an Error.
//
// Exceptions are for bugs and stay inside one folder. A function that returns a Result is
// [[nodiscard]]. Threads: any.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace berth {

// What went wrong, as far as code may branch on it. The values are those of berth_status
// (plugin_abi.h).
enum class Errc {
  NotFound = 1,
  AlreadyExists = 2,
  Invalid = 3,       // can never succeed as it is
  Precondition = 4,  // the state of what is named does not allow it
  NoCapacity = 5,
  Unavailable = 6,
  Deadline = 7,
  Cancelled = 8,
  Denied = 9,
  Unimplemented = 10,
  Internal = 11,
};

[[nodiscard]] std::string_view to_string(Errc code);
// True where the same request may succeed later without any change.
[[nodiscard]] bool is_retryable(Errc code);
// The Errc of a berth_status that is not BERTH_OK; unknown values are Internal.
[[nodiscard]] Errc errc_of_status(int status);

// What kind of thing an error concerns; together with Errc it decides the ECS exception
// (core/api/ecs maps the pair, in one file).
enum class Subject {
  None,
  Cluster,
  TaskDefinition,
  Task,
  ContainerInstance,
  Service,
  Request,          // a member of the request: InvalidParameterException
  Definition,       // a member of a task definition: ClientException
  ClientToken,      // ConflictException, `ids` holds the resources made with it
  ClusterContents,  // Precondition: `what` is "tasks", "services" or "container instances"
  Feature,          // Unimplemented: UnsupportedFeatureException
  Platform,
  Target,          // NotFound: TargetNotFoundException
  AttributeLimit,  // AttributeLimitExceededException
  TagLimit,        // LimitExceededException
  InUse,           // ResourceInUseException
  Store,
  Plugin,
  ServiceDeployment,
};

struct Error {
  Errc code = Errc::Internal;
  std::string message;  // for people, a sentence
  Subject subject = Subject::None;
  std::string what{};  // the field, path or id it concerns
  std::vector<std::string> ids{};
  // Where is_retryable(code): not before this has passed. 0: nobody said.
  std::chrono::milliseconds retry_after{};
};

template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string message,
                                                Subject subject = Subject::None,
                                                std::string what = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), subject, std::move(what), {}, {}});
}

// Ends the process with a message: an invariant of ours is broken. On in release builds. Never for
// external data.
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);

}  // namespace berth

#define BERTH_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::berth::assert_failed(#condition, __FILE__, __LINE__))
