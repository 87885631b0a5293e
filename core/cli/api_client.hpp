// SPDX-License-Identifier: Apache-2.0
// A signed client of one control plane's API.
//
// Threads: one at a time for each object; objects are independent.
// Errors: Unavailable where the API cannot be reached (the message says what to try); else the service's exception
// in `what` and its text in `message`.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "core/model/error.hpp"

namespace berth::cli {

struct ApiOptions {
  std::string url = "http://127.0.0.1:5080";
  std::string region = "us-east-1";
  std::string ca_file{};  // additional trust for https
  // It is the server's own certificate, which may bear another name than the one it is called by.
  bool own_certificate = false;
  // Empty: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a signature that only a keyless API accepts.
  std::string access_key{};
  std::string secret_key{};
};

class ApiClient {
 public:
  explicit ApiClient(ApiOptions options);

  // POSTs an operation of ECS ("RunTask") or of Berth ("Berth.WatchTask").
  [[nodiscard]] Result<boost::json::object> call(std::string_view operation,
                                                 const boost::json::object& input);

  // GETs a path with its query and gives each line of the answer, without its end, until it ends or `line` returns false.
  [[nodiscard]] Result<void> stream(const std::string& path,
                                    const std::function<bool(std::string_view)>& line);

  // Whether GET /healthz answers 200 within a second.
  [[nodiscard]] bool healthy();

  [[nodiscard]] const std::string& url() const { return options_.url; }
  // With the keys that are in use.
  [[nodiscard]] const ApiOptions& options() const { return options_; }

 private:
  ApiOptions options_;
};

// What an answer other than 200 says.
[[nodiscard]] tl::unexpected<Error> refusal(long status, const std::string& body);

}  // namespace berth::cli
