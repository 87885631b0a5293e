// SPDX-License-Identifier: Apache-2.0
// nextToken: where the next page of a list begins.
//
// A token holds the key after which to go on, so that lists which change between two pages neither
// lose nor repeat what stays. It belongs to one operation with one set of filters. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "core/model/error.hpp"

namespace google::protobuf {
class Message;
}

namespace berth::api {

// What binds a token: the request's type and filters, without its token and page size.
[[nodiscard]] std::string page_binding(const google::protobuf::Message& request);

[[nodiscard]] std::string make_token(std::string_view binding, std::string_view last_key);
// Errors: Invalid, Subject::Request, for what make_token has not made for this binding.
[[nodiscard]] Result<std::string> read_token(std::string_view binding, std::string_view token);

}  // namespace berth::api
