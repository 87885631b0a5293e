// SPDX-License-Identifier: Apache-2.0
#include "core/cli/api_client.hpp"

#include <curl/curl.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <memory>

namespace berth::cli {
namespace {

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr std::string_view kBerthPrefix = "Berth.";

std::size_t append(char* data, std::size_t, std::size_t size, void* out) {
  static_cast<std::string*>(out)->append(data, size);
  return size;
}

std::string from_environment(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : std::move(fallback);
}

// Signing, trust and limits that all requests share.
Curl prepare(const ApiOptions& options, const std::string& url) {
  Curl curl(curl_easy_init(), &curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, 5000L);
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // a control plane is not reached through a web proxy
  const std::string scope = "aws:amz:" + options.region + ":ecs";
  curl_easy_setopt(curl.get(), CURLOPT_AWS_SIGV4, scope.c_str());
  const std::string user = options.access_key + ":" + options.secret_key;
  curl_easy_setopt(curl.get(), CURLOPT_USERPWD, user.c_str());
  if (!options.ca_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, options.ca_file.c_str());
    if (options.own_certificate) curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return curl;
}

tl::unexpected<Error> unreachable(const std::string& url, CURLcode code) {
  std::string message = "cannot reach the API at " + url + ": " + curl_easy_strerror(code) + ".";
  if (code == CURLE_COULDNT_CONNECT) {
    message += " Is a control plane running there? Start one with `berth up`, or name another by --api or BERTH_API.";
  } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
    message += " Name the certificate authority that signed it by --ca.";
  }
  return fail(Errc::Unavailable, message);
}

struct Lines {
  const std::function<bool(std::string_view)>& take;
  std::string rest;
  std::string error_body;
  CURL* curl;
  bool ended = false;
};

std::size_t split_lines(char* data, std::size_t, std::size_t size, void* context) {
  auto& lines = *static_cast<Lines*>(context);
  long status = 0;
  curl_easy_getinfo(lines.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    if (lines.error_body.size() < 64 * 1024) lines.error_body.append(data, size);
    return size;
  }
  lines.rest.append(data, size);
  std::size_t begin = 0;
  for (std::size_t end; (end = lines.rest.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (!lines.take(std::string_view(lines.rest).substr(begin, end - begin))) {
      lines.ended = true;
      return CURL_WRITEFUNC_ERROR;
    }
  }
  lines.rest.erase(0, begin);
  return size;
}

}  // namespace

tl::unexpected<Error> refusal(long status, const std::string& body) {
  boost::system::error_code ec;
  const auto value = boost::json::parse(body, ec);
  if (!ec && value.is_object()) {
    const auto& object = value.as_object();
    const auto text = [&](const char* key) -> std::string {
      const auto* member = object.if_contains(key);
      return member && member->is_string() ? std::string(member->as_string()) : std::string();
    };
    std::string type = text("__type");
    if (const auto hash = type.rfind('#'); hash != std::string::npos) type.erase(0, hash + 1);
    std::string message = text("message");
    if (message.empty()) message = text("Message");
    if (type == "UnrecognizedClientException" || type == "InvalidSignatureException") {
      message = message.substr(0, message.find('\n')) +  // the rest is for writers of clients
                " Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that the control plane knows.";
      return fail(Errc::Denied, message, Subject::Request, type);
    }
    if (!type.empty()) {
      const Errc code = type.ends_with("NotFoundException") ? Errc::NotFound : Errc::Invalid;
      return fail(code, message.empty() ? type : message, Subject::Request, type);
    }
  }
  return fail(Errc::Internal, "the API answered HTTP " + std::to_string(status) +
                                  (body.empty() ? "" : ": " + body.substr(0, 300)));
}

ApiClient::ApiClient(ApiOptions options) : options_(std::move(options)) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  BERTH_ASSERT(initialised == CURLE_OK);
  if (options_.access_key.empty()) {
    options_.access_key = from_environment("AWS_ACCESS_KEY_ID", "berth");
    options_.secret_key = from_environment("AWS_SECRET_ACCESS_KEY", "berth");
  }
  while (options_.url.ends_with('/')) options_.url.pop_back();
}

Result<boost::json::object> ApiClient::call(std::string_view operation,
                                            const boost::json::object& input) {
  Curl curl = prepare(options_, options_.url + "/");
  std::string target = "X-Amz-Target: ";
  if (operation.starts_with(kBerthPrefix)) {
    target += "Berth_20261122." + std::string(operation.substr(kBerthPrefix.size()));
  } else {
    target += "AmazonEC2ContainerServiceV20141113." + std::string(operation);
  }
  Headers headers(curl_slist_append(nullptr, "Content-Type: application/x-amz-json-1.1"),
                  &curl_slist_free_all);
  headers.reset(curl_slist_append(headers.release(), target.c_str()));
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  const std::string body = boost::json::serialize(input);
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 90000L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return unreachable(options_.url, code);
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return refusal(status, answer);
  boost::system::error_code ec;
  auto value = boost::json::parse(answer, ec);
  if (ec || !value.is_object()) {
    return fail(Errc::Internal, "the answer of " + options_.url + " is not the API's");
  }
  return std::move(value.as_object());
}

Result<void> ApiClient::stream(const std::string& path,
                               const std::function<bool(std::string_view)>& line) {
  Curl curl = prepare(options_, options_.url + path);
  Lines lines{line, {}, {}, curl.get()};
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &split_lines);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &lines);
  const CURLcode code = curl_easy_perform(curl.get());
  if (lines.ended) return {};
  if (code != CURLE_OK) return unreachable(options_.url, code);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return refusal(status, lines.error_body);
  return {};
}

bool ApiClient::healthy() {
  Curl curl = prepare(options_, options_.url + "/healthz");
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 1000L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  long status = 0;
  return curl_easy_perform(curl.get()) == CURLE_OK &&
         curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
}

}  // namespace berth::cli
