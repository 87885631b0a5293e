// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/authority.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "plugins/registry-ecr/token_fetch.hpp"

namespace berth::registry_ecr {
namespace {

using runtime::http::parse_url;

constexpr std::size_t kMaxLearned = 4096;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// As the distribution specification has it; it becomes part of a scope.
bool is_repository(const std::string& name) {
  return !name.empty() && name.size() <= 255 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' ||
           c == '-';
  });
}

sdk::Error denied(std::string why) {
  return sdk::fail(BERTH_DENIED, std::move(why));
}

v1::AuthorizeResponse response_of(const Token& token) {
  v1::AuthorizeResponse out;
  out.set_header(token.header);
  out.set_expires_at_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(token.expires.time_since_epoch())
          .count());
  return out;
}

// Bearer where both are offered: it is what the registry's operator set up besides.
std::optional<Challenge> best_of(const std::vector<Challenge>& challenges) {
  for (const char* scheme : {"bearer", "basic"}) {
    const auto it = std::ranges::find(challenges, scheme, &Challenge::scheme);
    if (it != challenges.end()) return *it;
  }
  return {};
}

}  // namespace

Authority::Authority(Config config, std::string region, AssumeRole assume_role)
    : config_(std::move(config)),
      region_(std::move(region)),
      assume_role_(std::move(assume_role)),
      secrets_({.secretsmanager_endpoint = config_.secretsmanager_endpoint,
                .ca_file = config_.ca_file}) {}

sdk::Result<v1::MirrorsResponse> Authority::mirrors(const v1::MirrorsRequest& request) const {
  const auto places = places_of(config_, request.registry());
  if (!places) return places.error();
  v1::MirrorsResponse out;
  for (const Place& place : *places) {
    auto trust = trust_of(config_, place.host);
    if (!trust) return trust.error();
    v1::Endpoint& endpoint = *out.add_endpoints();
    endpoint.set_url(place.url);
    endpoint.set_ca_pem(std::move(*trust));
    endpoint.set_insecure_tls(config_.of(place.host).insecure_tls);
    endpoint.set_resolve_tags(place.resolve_tags);
  }
  return out;
}

sdk::Result<Place> Authority::place_of(const v1::AuthorizeRequest& request) const {
  if (!is_repository(request.repository())) {
    return sdk::fail(BERTH_INVALID, "not a repository's name", "repository");
  }
  const auto places = places_of(config_, request.registry());
  if (!places) return places.error();
  for (const Place& place : *places) {
    if (place.url == request.endpoint_url()) return place;
  }
  return denied("'" + request.endpoint_url().substr(0, 200) + "' is no endpoint of " +
                request.registry());
}

// The container's own credentials, where it names some, else the operator's for that host. A mirror
// is told its own only.
sdk::Result<Login> Authority::login_of(const v1::AuthorizeRequest& request,
                                       const Place& place) const {
  if (request.credentials().empty() || place.is_mirror) return config_.of(place.host).login;
  const auto it = config_.credentials.find(request.credentials());
  if (it != config_.credentials.end()) return it->second;
  const std::string name = request.credentials().substr(0, 200);
  return denied("the credentials " + name +
                " are not known; set plugins.registry-ecr.credentials.\"" + name +
                "\".username and password_file");
}

void Authority::authorize(const v1::AuthorizeRequest& request, const Answer& answer) {
  const auto place = place_of(request);
  if (!place) return answer(place.error());
  const bool in_secret = request.credentials().find(":secretsmanager:") != std::string::npos &&
                         !config_.credentials.contains(request.credentials()) && !place->is_mirror;
  if (in_secret) return authorize_by_secret(request, *place, answer);
  const auto login = login_of(request, *place);
  if (!login) return answer(login.error());
  authorize_with(request, *place, *login, answer);
}

// A secret of Secrets Manager, {"username", "password"}, fetched with the execution role's
// credentials. It is kept as long as a token that is good for five minutes.
void Authority::authorize_by_secret(const v1::AuthorizeRequest& request, const Place& place,
                                    const Answer& answer) {
  const auto from = runtime::secrets::parse_value_from(request.credentials());
  if (!from) return answer(from.error());
  const auto fetch =
      [this, from = *from, registry = request.registry(),
       role = request.execution_role_arn()](const std::stop_token& stop) -> sdk::Result<Token> {
    if (!assume_role_ || role.empty())
      return denied("a task with credentials in Secrets Manager needs an executionRoleArn");
    auto credentials = role_credentials(role, stop);
    if (!credentials) return credentials.error();
    const auto text = secrets_.secret(from, {std::move(*credentials), from.region, stop});
    if (!text) return text.error();
    const auto username = runtime::secrets::member_of(*text, "username");
    const auto password = runtime::secrets::member_of(*text, "password");
    if (!username || !password || username->empty() || username->find(':') != std::string::npos) {
      return denied("the secret " + from.id + " does not hold username and password");
    }
    return Token{*username + ":" + *password,
                 std::chrono::system_clock::now() + std::chrono::minutes{5}};
  };
  tokens_.get("secret\n" + request.credentials() + "\n" + request.execution_role_arn(), {}, fetch,
              [this, request, place, answer](const sdk::Result<Token>& token) {
                if (!token) return answer(token.error());
                const auto colon = token->header.find(':');
                Login login;
                login.username = token->header.substr(0, colon);
                login.password = token->header.substr(colon + 1);
                authorize_with(request, place, login, answer);
              });
}

void Authority::authorize_with(const v1::AuthorizeRequest& request, const Place& place,
                               const Login& login, const Answer& answer) {
  const bool ecr = config_.of(place.host).ecr || (is_ecr_host(place.host) && !login.is_set());
  if (ecr && request.credentials().empty()) return authorize_ecr(request, answer);

  std::optional<Challenge> challenge;
  const std::string learned_key = place.url;
  if (!request.challenge().empty()) {
    challenge = best_of(parse_challenges(request.challenge()));
    if (!challenge) {
      return answer(denied(place.url + " asks for a kind of credentials that Berth does not have"));
    }
    const std::lock_guard lock{mutex_};
    if (learned_.size() >= kMaxLearned) learned_.clear();
    learned_[learned_key] = *challenge;
  } else {
    const std::lock_guard lock{mutex_};
    const auto it = learned_.find(learned_key);
    if (it != learned_.end()) challenge = it->second;
  }
  if (!challenge ||
      (challenge->scheme == "basic" && request.challenge().empty() && !login.is_set())) {
    return answer(v1::AuthorizeResponse{});  // go without, until it asks
  }
  if (challenge->scheme == "basic") return authorize_basic(request, place, login, answer);
  authorize_bearer(request, place, login, *challenge, answer);
}

void Authority::authorize_basic(const v1::AuthorizeRequest& request, const Place& place,
                                const Login& login, const Answer& answer) const {
  if (!login.is_set()) {
    return answer(denied(
        place.url + " asks for a user name and password; set plugins.registry-ecr.registries.\"" +
        place.host + "\".username and password_file"));
  }
  auto header = login.basic();
  if (!header) return answer(header.error());
  if (*header == request.rejected_header()) {
    return answer(denied(place.url + " refused the user name and password set for " + place.host));
  }
  v1::AuthorizeResponse out;
  out.set_header(std::move(*header));
  answer(out);
}

void Authority::authorize_bearer(const v1::AuthorizeRequest& request, const Place& place,
                                 const Login& login, const Challenge& challenge,
                                 const Answer& answer) {
  const RegistrySettings& settings = config_.of(place.host);
  const auto endpoint = parse_url(place.url);
  const auto realm = parse_url(challenge.realm);
  if (!endpoint || !realm || (endpoint->scheme == "https" && realm->scheme != "https")) {
    return answer(denied(place.url + " names a token service that is no https URL"));
  }
  BearerRequest fetch{.realm = challenge.realm,
                      .service = challenge.service,
                      .repository = request.repository(),
                      .basic = {},
                      .ca_pem = {},
                      .insecure_tls = settings.insecure_tls && realm->host == endpoint->host};
  if (login.is_set()) {
    if (!may_hear_password(*endpoint, *realm, settings)) {
      return answer(denied(place.url + " sends us to " + realm->for_people() +
                           " for a token, which is not of its domain; if that is right, set "
                           "plugins.registry-ecr.registries.\"" +
                           place.host + "\".token_realm"));
    }
    auto basic = login.basic();
    if (!basic) return answer(basic.error());
    fetch.basic = std::move(*basic);
  }
  auto trust = trust_of(config_, place.host);
  if (!trust) return answer(trust.error());
  fetch.ca_pem = std::move(*trust);
  // Whoever has another password, or is sent elsewhere, has another token.
  const std::string key = "bearer\n" + place.url + "\n" + fetch.realm + "\n" + fetch.service +
                          "\n" + fetch.repository + "\n" + fetch.basic;
  tokens_.get(
      key, request.rejected_header(),
      [this, fetch = std::move(fetch)](const std::stop_token& stop) {
        return fetch_bearer(client_, fetch, stop);
      },
      [answer](const sdk::Result<Token>& token) {
        if (!token) return answer(token.error());
        answer(response_of(*token));
      });
}

sdk::Result<runtime::http::AwsSigning> Authority::operators_keys() const {
  runtime::http::AwsSigning out{.access_key_id = config_.ecr.access_key_id,
                                .secret_access_key = config_.ecr.secret_access_key,
                                .session_token = config_.ecr.session_token,
                                .region = {},
                                .service = "ecr"};
  if (!config_.ecr.secret_access_key_file.empty()) {
    auto secret = read_secret(config_.ecr.secret_access_key_file);
    if (!secret) return secret.error();
    out.secret_access_key = std::move(*secret);
  }
  if (out.access_key_id.empty()) {
    out.access_key_id = environment("AWS_ACCESS_KEY_ID");
    out.secret_access_key = environment("AWS_SECRET_ACCESS_KEY");
    out.session_token = environment("AWS_SESSION_TOKEN");
  }
  if (out.access_key_id.empty() || out.secret_access_key.empty()) {
    return denied(
        "there are no credentials for ECR; set plugins.registry-ecr.ecr.access_key_id and "
        "secret_access_key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for berthd");
  }
  return out;
}

std::string Authority::region_for(const std::string& registry) const {
  for (const std::string& region : {config_.ecr.region, ecr_region(registry),
                                    environment("AWS_REGION"), environment("AWS_DEFAULT_REGION")}) {
    if (!region.empty()) return region;
  }
  return region_;
}

// The variables are those of AWS's SDKs.
std::string Authority::ecr_endpoint(const std::string& region) const {
  for (const std::string& url : {config_.ecr.endpoint, environment("AWS_ENDPOINT_URL_ECR"),
                                 environment("AWS_ENDPOINT_URL")}) {
    if (!url.empty()) return url;
  }
  return "https://api.ecr." + region + ".amazonaws.com";
}

sdk::Result<v1::RoleCredentials> Authority::role_credentials(const std::string& role,
                                                             const std::stop_token& stop) const {
  v1::AssumeRoleRequest request;
  request.set_role_arn(role);
  request.set_session_name("berth-ecr");
  // The answer may come when nobody waits for it any more.
  struct Waiting {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::optional<sdk::Result<v1::RoleCredentials>> answer;
  };
  const auto waiting = std::make_shared<Waiting>();
  assume_role_(request, [waiting](sdk::Result<v1::RoleCredentials> got) {
    const std::lock_guard lock{waiting->mutex};
    waiting->answer.emplace(std::move(got));
    waiting->changed.notify_all();
  });
  std::unique_lock lock{waiting->mutex};
  if (!waiting->changed.wait(lock, stop, [&] { return waiting->answer.has_value(); })) {
    return sdk::fail(BERTH_CANCELLED, "the plugin ends");
  }
  return *waiting->answer;
}

// The execution role's where there is one and it is known, else the operator's.
sdk::Result<runtime::http::AwsSigning> Authority::signing_for(const std::string& registry,
                                                              const std::string& role,
                                                              const std::stop_token& stop) const {
  sdk::Result<runtime::http::AwsSigning> out = sdk::fail(BERTH_NOT_FOUND, "no role");
  if (assume_role_ && !role.empty()) {
    const auto got = role_credentials(role, stop);
    if (got) {
      out = runtime::http::AwsSigning{.access_key_id = got->access_key_id(),
                                      .secret_access_key = got->secret_access_key(),
                                      .session_token = got->session_token(),
                                      .region = {},
                                      .service = "ecr"};
    } else {
      out = got.error();
    }
  }
  if (!out && out.error().status == BERTH_NOT_FOUND) out = operators_keys();
  if (out) out->region = region_for(registry);
  return out;
}

void Authority::authorize_ecr(const v1::AuthorizeRequest& request, const Answer& answer) {
  const std::string region = region_for(request.registry());
  EcrRequest fetch{.endpoint = ecr_endpoint(region), .signing = {}, .ca_pem = {}};
  if (!parse_url(fetch.endpoint)) {
    return answer(
        sdk::fail(BERTH_PRECONDITION,
                  "the endpoint of ECR, '" + fetch.endpoint.substr(0, 200) + "', is no URL"));
  }
  auto trust = read_certificates({config_.ca_file, config_.ecr.ca_file});
  if (!trust) return answer(trust.error());
  fetch.ca_pem = std::move(*trust);
  // A role's token is for tasks of that role alone.
  const std::string key =
      "ecr\n" + fetch.endpoint + "\n" + region + "\n" + request.execution_role_arn();
  tokens_.get(
      key, request.rejected_header(),
      [this, fetch = std::move(fetch), registry = request.registry(),
       role = request.execution_role_arn()](const std::stop_token& stop) -> sdk::Result<Token> {
        auto signing = signing_for(registry, role, stop);
        if (!signing) return signing.error();
        EcrRequest now = fetch;
        now.signing = std::move(*signing);
        return fetch_ecr(client_, now, stop);
      },
      [answer](const sdk::Result<Token>& token) {
        if (!token) return answer(token.error());
        answer(response_of(*token));
      });
}

}  // namespace berth::registry_ecr
