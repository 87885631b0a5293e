// SPDX-License-Identifier: Apache-2.0
#include "core/api/sigv4/verifier.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

namespace berth::api::sigv4 {

bool payload_matches(const http::Request& request);  // canonical.cpp

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kWindow{15};
constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kIncomplete = "IncompleteSignatureException";
constexpr std::string_view kInvalid = "InvalidSignatureException";

tl::unexpected<Refusal> refuse(std::string_view type, std::string message) {
  return tl::unexpected(Refusal{std::string(type), std::move(message)});
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

const std::string* parameter(const http::Parameters& parameters, std::string_view name) {
  const auto it = std::ranges::find(parameters, name, [](const auto& p) { return p.first; });
  return it == parameters.end() ? nullptr : &it->second;
}

std::optional<Instant> parse_date(const std::string& text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t count) {
    int value = -1;
    const char* end = text.data() + at + count;
    const auto read = std::from_chars(text.data() + at, end, value);
    return read.ec == std::errc() && read.ptr == end ? value : -1;
  };
  const int hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
  const std::chrono::year_month_day day{std::chrono::year(number(0, 4)),
                                        std::chrono::month(unsigned(number(4, 2))),
                                        std::chrono::day(unsigned(number(6, 2)))};
  if (number(0, 4) < 0 || !day.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(day) + std::chrono::hours(hour) + minutes(minute) + seconds(second);
}

std::string format_date(Instant at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::duration_cast<seconds>(at - day).count();
  char text[48];
  std::snprintf(text, sizeof text, "%04d%02u%02uT%02d%02d%02dZ", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), int(second / 3600),
                int(second / 60 % 60), int(second % 60));
  return text;
}

tl::expected<Claim, Refusal> claim_of_header(const http::Request& request,
                                             const std::string& authorization) {
  const std::size_t space = authorization.find(' ');
  const std::string algorithm = authorization.substr(0, space);
  if (!algorithm.starts_with("AWS4-")) {
    return refuse("MissingAuthenticationTokenException", "Request is missing Authentication Token");
  }
  if (algorithm != kAlgorithm) {
    return refuse(kIncomplete, "Unsupported AWS 'algorithm': '" + algorithm + "', only " +
                                   std::string(kAlgorithm) + " is supported.");
  }
  Claim claim;
  if (space != std::string::npos) {
    for (std::string part : split(std::string_view(authorization).substr(space + 1), ',')) {
      part.erase(0, part.find_first_not_of(' '));
      const std::size_t equals = part.find('=');
      if (equals == std::string::npos) continue;
      const std::string name = part.substr(0, equals);
      std::string value = part.substr(equals + 1);
      if (name == "Credential") claim.credential = std::move(value);
      if (name == "SignedHeaders") claim.signed_headers = std::move(value);
      if (name == "Signature") claim.signature = std::move(value);
    }
  }
  const std::string* date = request.header("x-amz-date");
  if (date == nullptr) date = request.header("date");
  if (date != nullptr) claim.date = *date;
  std::string missing;
  const auto need = [&](const std::string& value, const char* name) {
    if (value.empty()) {
      missing += "Authorization header requires '" + std::string(name) + "' parameter. ";
    }
  };
  need(claim.credential, "Credential");
  need(claim.signature, "Signature");
  need(claim.signed_headers, "SignedHeaders");
  if (claim.date.empty()) {
    missing +=
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  }
  if (!missing.empty()) return refuse(kIncomplete, missing + "Authorization=" + authorization);
  return claim;
}

tl::expected<Claim, Refusal> claim_of_query(const http::Parameters& parameters) {
  Claim claim;
  claim.in_query = true;
  std::string missing;
  const auto need = [&](std::string& into, const char* name) {
    const std::string* value = parameter(parameters, name);
    if (value != nullptr && !value->empty()) {
      into = *value;
    } else {
      missing += "AWS query-string parameters must include '" + std::string(name) + "'. ";
    }
  };
  std::string algorithm;
  need(algorithm, "X-Amz-Algorithm");
  need(claim.credential, "X-Amz-Credential");
  need(claim.signature, "X-Amz-Signature");
  need(claim.signed_headers, "X-Amz-SignedHeaders");
  need(claim.date, "X-Amz-Date");
  need(claim.expires, "X-Amz-Expires");
  if (!missing.empty()) {
    return refuse(kIncomplete, missing + "Re-examine the query-string parameters.");
  }
  if (algorithm != kAlgorithm) {
    return refuse(kIncomplete, "Unsupported AWS 'algorithm': '" + algorithm + "', only " +
                                   std::string(kAlgorithm) + " is supported.");
  }
  return claim;
}

tl::expected<Claim, Refusal> claim_of(const http::Request& request) {
  const auto parameters = http::parse_query(request.query());
  const std::string* authorization = request.header("authorization");
  const bool in_query = parameter(parameters, "X-Amz-Algorithm") != nullptr;
  if (in_query && authorization != nullptr) {
    return refuse(kInvalid,
                  "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as "
                  "HTTP header.");
  }
  if (in_query) return claim_of_query(parameters);
  if (authorization == nullptr) {
    return refuse("MissingAuthenticationTokenException", "Request is missing Authentication Token");
  }
  return claim_of_header(request, *authorization);
}

std::optional<Refusal> bad_date(const Claim& claim) {
  if (parse_date(claim.date)) return std::nullopt;
  return Refusal{std::string(kIncomplete), "Date must be in ISO-8601 'basic format'. Got '" +
                                               claim.date +
                                               "'. See http://en.wikipedia.org/wiki/ISO_8601"};
}

std::optional<Refusal> malformed(const Claim& claim) {
  const auto headers = split(claim.signed_headers, ';');
  if (std::ranges::find(headers, "host") == headers.end()) {
    return Refusal{std::string(kInvalid),
                   "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."};
  }
  if (split(claim.credential, '/').size() != 5) {
    return Refusal{std::string(kIncomplete),
                   "Credential must have exactly 5 slash-delimited elements, e.g. "
                   "keyid/date/region/service/term, got '" +
                       claim.credential + "'"};
  }
  const bool hex = claim.signature.size() == 64 &&
                   claim.signature.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hex) {
    return Refusal{std::string(kInvalid), "The signature must be 64 lower-case hex digits."};
  }
  return std::nullopt;
}

// The window in which a signature holds: round the clock for headers, from its date on for query
// strings.
std::optional<Refusal> out_of_time(const Claim& claim, Instant now) {
  const Instant date = *parse_date(claim.date);
  if (date > now + kWindow) {
    return Refusal{std::string(kInvalid), "Signature not yet current: " + claim.date +
                                              " is still later than " + format_date(now + kWindow) +
                                              " (" + format_date(now) + " + 15 min.)"};
  }
  milliseconds life = kWindow;
  std::string why = " - 15 min.)";
  if (claim.in_query) {
    std::int64_t given = 0;
    const char* end = claim.expires.data() + claim.expires.size();
    const auto read = std::from_chars(claim.expires.data(), end, given);
    constexpr std::int64_t kWeek = 7 * 24 * 3600;
    if (read.ec != std::errc() || read.ptr != end || given < 1 || given > kWeek) {
      return Refusal{std::string(kIncomplete), "X-Amz-Expires must be a number from 1 to 604800."};
    }
    life = seconds(given);
    why = " - " + claim.expires + " sec.)";
  }
  if (date + life < now) {
    return Refusal{std::string(kInvalid), "Signature expired: " + claim.date +
                                              " is now earlier than " + format_date(now - life) +
                                              " (" + format_date(now) + why};
  }
  return std::nullopt;
}

std::optional<Refusal> wrong_scope(const Claim& claim, std::string_view service) {
  const auto parts = split(claim.credential, '/');
  std::string text;
  if (parts[3] != service) {
    text += "Credential should be scoped to correct service: '" + std::string(service) + "'. ";
  }
  if (parts[4] != "aws4_request") {
    text += "Credential should be scoped with a valid terminator: 'aws4_request', not '" +
            parts[4] + "'. ";
  }
  const std::string day = claim.date.substr(0, 8);
  if (parts[1] != day) {
    text +=
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
        "HTTP: '" +
        parts[1] + "' != '" + day + "', from '" + claim.date + "'. ";
  }
  if (text.empty()) return std::nullopt;
  text.pop_back();
  return Refusal{std::string(kInvalid), text};
}

}  // namespace

Verifier::Verifier(std::vector<Key> keys, std::function<Instant()> now)
    : keys_(std::move(keys)), now_(std::move(now)) {}

tl::expected<Identity, Refusal> Verifier::verify(const http::Request& request,
                                                 std::string_view service) const {
  const auto claim = claim_of(request);
  if (!claim) return tl::unexpected(claim.error());
  // In AWS's order: of several faults clients are told the same one.
  if (auto refusal = bad_date(*claim)) return tl::unexpected(*refusal);
  if (!keys_.empty()) {
    if (auto refusal = out_of_time(*claim, now_())) return tl::unexpected(*refusal);
  }
  if (auto refusal = malformed(*claim)) return tl::unexpected(*refusal);
  const std::string id = claim->credential.substr(0, claim->credential.find('/'));
  if (keys_.empty()) return Identity{id, ""};
  if (auto refusal = wrong_scope(*claim, service)) return tl::unexpected(*refusal);
  const auto key = std::ranges::find(keys_, id, &Key::id);
  if (key == keys_.end()) {
    return refuse("UnrecognizedClientException",
                  "The security token included in the request is invalid.");
  }
  const std::string canonical = canonical_request(request, *claim);
  const std::string text = string_to_sign(canonical, *claim);
  const std::string expected = sign(text, key->secret, *claim);
  // A body other than the one whose hash was signed is no less a forgery than a wrong signature.
  const bool same = CRYPTO_memcmp(expected.data(), claim->signature.data(), expected.size()) == 0;
  if (!same || !payload_matches(request)) {
    return refuse(kInvalid,
                  "The request signature we calculated does not match the signature you provided. "
                  "Check your AWS Secret Access Key and signing method. Consult the service "
                  "documentation for details.\n\nThe Canonical String for this request should have "
                  "been\n'" +
                      canonical + "'\n\nThe String-to-Sign should have been\n'" + text + "'\n");
  }
  return Identity{id, key->principal};
}

}  // namespace berth::api::sigv4
