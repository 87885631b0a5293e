// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/secrets/resolver.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "sdk/runtime/secrets/directory.hpp"

namespace berth::runtime::secrets {
namespace {

const std::string kRetrieval =
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
    "retrieval failed: ";

const char* service_words(ValueFrom::Store store) {
  return store == ValueFrom::Store::Parameters ? "unable to retrieve secrets from ssm: "
                                               : "unable to retrieve secret from asm: ";
}

sdk::Error failed(const std::string& words, const sdk::Error& error) {
  return sdk::fail(error.status, kRetrieval + words + error.message, error.field);
}

const v1::ecs::ContainerDefinition& definition_of(const v1::StartTaskRequest& task,
                                                  std::size_t container) {
  return task.definition().container_definitions(static_cast<int>(container));
}

// Names under which the directory may have it: Secrets Manager puts a dash and six characters after
// the name that the operator gave.
std::vector<std::string> file_names(const ValueFrom& from) {
  std::vector<std::string> names{from.name};
  const auto dash = from.name.rfind('-');
  const bool suffixed = from.store == ValueFrom::Store::SecretsManager &&
                        dash != std::string::npos && dash > 0 && from.name.size() - dash == 7;
  if (suffixed) names.push_back(from.name.substr(0, dash));
  return names;
}

// A directory has one version of everything, the current one.
sdk::Result<void> check_version(const ValueFrom& from) {
  const bool current =
      from.version_id.empty() && (from.version_stage.empty() || from.version_stage == "AWSCURRENT");
  if (current) return {};
  return sdk::fail(BERTH_INVALID,
                   "the directory of secrets holds only the current version of " + from.id);
}

std::string missing_words(const std::vector<std::string>& names) {
  std::string words;
  for (const auto& name : names) words += (words.empty() ? "" : ",") + name;
  return words;
}

}  // namespace

std::string Resolver::region_of(const v1::StartTaskRequest& task) const {
  if (!settings_.region.empty()) return settings_.region;
  // arn:aws:ecs:REGION:...
  std::string_view rest = task.task_arn();
  for (int i = 0; i < 3; ++i) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return {};
    rest.remove_prefix(colon + 1);
  }
  return std::string(rest.substr(0, rest.find(':')));
}

sdk::Result<void> Resolver::look_in_directory(std::vector<Wanted>& wanted) const {
  if (settings_.directory.empty()) return {};
  const Directory directory(settings_.directory, Directory::Holds::Secrets);
  for (Wanted& one : wanted) {
    for (const std::string& name : file_names(one.from)) {
      auto text = directory.read(name);
      if (!text && text.error().status == BERTH_NOT_FOUND) continue;
      const auto fine = check_version(one.from);
      if (text && !fine) text = fine.error();
      if (text) text = member_of(*text, one.from.json_key);
      if (!text) return failed(service_words(one.from.store), text.error());
      one.value = std::move(*text);
      one.found = true;
      break;
    }
  }
  return {};
}

sdk::Result<void> Resolver::look_in_parameters(std::vector<Wanted>& wanted,
                                               AwsStores::Session session) {
  // A call is for one region.
  const std::string own = session.region;
  std::map<std::string, std::vector<std::string>> by_region;
  for (const Wanted& one : wanted) {
    if (one.found || one.from.store != ValueFrom::Store::Parameters) continue;
    auto& ids = by_region[one.from.region.empty() ? own : one.from.region];
    if (std::find(ids.begin(), ids.end(), one.from.id) == ids.end()) ids.push_back(one.from.id);
  }
  for (const auto& [region, ids] : by_region) {
    session.region = region;
    const auto values = aws_.parameters(ids, session);
    if (!values) return failed(service_words(ValueFrom::Store::Parameters), values.error());
    for (Wanted& one : wanted) {
      const auto at = values->find(one.from.id);
      if (one.found || one.from.store != ValueFrom::Store::Parameters || at == values->end())
        continue;
      one.value = at->second;
      one.found = true;
    }
  }
  return {};
}

sdk::Result<void> Resolver::look_in_secrets_manager(std::vector<Wanted>& wanted,
                                                    AwsStores::Session session) {
  const std::string own = session.region;
  for (Wanted& one : wanted) {
    if (one.found) continue;
    session.region = one.from.region.empty() ? own : one.from.region;
    auto value = aws_.secret(one.from, session);
    if (!value) {
      return failed(std::string(service_words(one.from.store)) + "failed to fetch secret " +
                        one.from.id + " from secrets manager: ",
                    value.error());
    }
    one.value = std::move(*value);
    one.found = true;
  }
  return {};
}

sdk::Result<Variables> Resolver::secrets(const v1::StartTaskRequest& task,
                                         const std::vector<v1::ecs::Secret>& list,
                                         const Credentials& credentials, std::stop_token stop) {
  std::vector<Wanted> wanted;
  for (const auto& secret : list) {
    auto from = parse_value_from(secret.value_from());
    if (!from) return failed("", from.error());
    wanted.push_back({secret.name(), std::move(*from), {}, false});
  }
  if (auto looked = look_in_directory(wanted); !looked) return looked.error();
  const auto missing =
      std::find_if(wanted.begin(), wanted.end(), [](const Wanted& one) { return !one.found; });
  if (missing != wanted.end()) {
    if (!settings_.ask_aws) {
      return failed(service_words(missing->from.store),
                    sdk::fail(BERTH_NOT_FOUND,
                              "invalid parameters: " + missing_words(file_names(missing->from)) +
                                  " (no such file in the directory of secrets)"));
    }
    auto role = credentials();
    if (!role) {
      return failed(service_words(missing->from.store),
                    sdk::fail(role.error().status,
                              "the credentials of the execution role cannot be had for " +
                                  missing->from.id + ": " + role.error().message));
    }
    const AwsStores::Session session{std::move(*role), region_of(task), std::move(stop)};
    if (auto looked = look_in_parameters(wanted, session); !looked) return looked.error();
    if (auto looked = look_in_secrets_manager(wanted, session); !looked) return looked.error();
  }
  Variables out;
  for (Wanted& one : wanted) {
    if (one.value.find('\0') != std::string::npos) {
      return failed(service_words(one.from.store),
                    sdk::fail(BERTH_INVALID, one.from.id + " holds a zero byte"));
    }
    out.emplace_back(one.name, std::move(one.value));
  }
  return out;
}

sdk::Result<S3Object> parse_s3_arn(const std::string& arn) {
  constexpr std::string_view kMark = ":s3:::";
  const auto mark = arn.find(kMark);
  const std::string rest =
      mark == std::string::npos ? std::string{} : arn.substr(mark + kMark.size());
  const auto slash = rest.find('/');
  if (!arn.starts_with("arn:") || slash == std::string::npos || slash == 0 ||
      slash + 1 == rest.size()) {
    return sdk::fail(BERTH_INVALID,
                     "'" + arn.substr(0, 300) + "' is not the ARN of an object in S3",
                     "environmentFiles");
  }
  return S3Object{rest.substr(0, slash), rest.substr(slash + 1)};
}

sdk::Result<std::string> Resolver::object(const std::string& arn,
                                          const v1::StartTaskRequest& task,
                                          const Credentials& credentials,
                                          const std::stop_token& stop) {
  const auto object = parse_s3_arn(arn);
  if (!object) return object.error();
  if (!settings_.environment_files.empty()) {
    auto text = Directory(settings_.environment_files, Directory::Holds::Files)
                    .read(object->bucket + "/" + object->key);
    if (text || text.error().status != BERTH_NOT_FOUND || !settings_.ask_aws) return text;
  } else if (!settings_.ask_aws) {
    return sdk::fail(BERTH_NOT_FOUND, "no directory of environment files is set");
  }
  auto role = credentials();
  if (!role) {
    return sdk::fail(role.error().status, "the credentials of the execution role cannot be had: " +
                                              role.error().message);
  }
  return aws_.object(object->bucket, object->key, {std::move(*role), region_of(task), stop});
}

sdk::Result<Variables> Resolver::environment_files(const v1::StartTaskRequest& task,
                                                   std::size_t container,
                                                   const Credentials& credentials,
                                                   std::stop_token stop) {
  const auto& definition = definition_of(task, container);
  const auto* list = &definition.environment_files();
  for (const auto& changes : task.overrides().container_overrides()) {
    if (changes.name() == definition.name() && changes.environment_files_size() > 0)
      list = &changes.environment_files();
  }
  std::vector<Variables> files;
  for (const auto& file : *list) {
    const auto text = object(file.value(), task, credentials, stop);
    if (!text) {
      return sdk::fail(text.error().status,
                       "ResourceInitializationError: failed to download env files: " +
                           file.value() + ": " + text.error().message);
    }
    files.push_back(parse_env_file(*text));
  }
  return merge_env_files(files);
}

}  // namespace berth::runtime::secrets
