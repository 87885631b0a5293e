// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/router_config.hpp"

#include <map>
#include <string_view>

namespace berth::runtime::options {
namespace {

using Definition = v1::ecs::ContainerDefinition;
using Options = std::map<std::string, std::string>;
using Lines = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kInclude = "include-pattern";
constexpr const char* kExclude = "exclude-pattern";
constexpr const char* kHealthTag = "firelens-healthcheck";

// The address at which other containers reach it; empty: none do.
const char* listen_address(const v1::ecs::TaskDefinition& task) {
  const std::string& mode = task.network_mode();
  if (mode == "awsvpc") return "127.0.0.1";
  return mode.empty() || mode == "bridge" ? "0.0.0.0" : "";
}

class Fluentbit {
 public:
  static std::string reference(const std::string& variable) { return "${" + variable + "}"; }

  void sources(const std::string& listen) {
    section("INPUT", {{"Name", "forward"}, {"unix_path", kRouterSocket}});
    if (listen.empty()) return;
    section("INPUT",
            {{"Name", "forward"}, {"Listen", listen}, {"Port", std::to_string(kRouterPort)}});
    // Health checks of definitions written for ECS send a line there.
    section("INPUT",
            {{"Name", "tcp"}, {"Tag", kHealthTag}, {"Listen", "127.0.0.1"}, {"Port", "8877"}});
    health_ = true;
  }
  void fields(const RecordFields& fields) {
    Lines lines = {{"Name", "record_modifier"}, {"Match", "*"}};
    for (const auto& [name, value] : fields) lines.emplace_back("Record", name + " " + value);
    section("FILTER", lines);
  }
  void keep_only(const std::string& match, const std::string& pattern) {
    section("FILTER", {{"Name", "grep"}, {"Match", match + "*"}, {"Regex", "log " + pattern}});
  }
  void leave_out(const std::string& match, const std::string& pattern) {
    section("FILTER", {{"Name", "grep"}, {"Match", match + "*"}, {"Exclude", "log " + pattern}});
  }
  void include(const std::string& path) { text_ += "@INCLUDE " + path + "\n\n"; }
  void before_outputs() {
    if (health_) section("OUTPUT", {{"Name", "null"}, {"Match", kHealthTag}});
  }
  void output(const std::string& match, Options options) {
    const auto name = options.find("Name");
    if (name == options.end()) return;  // the user's own configuration has it
    Lines lines = {{"Name", name->second}, {"Match", match + "*"}};
    options.erase(name);
    lines.insert(lines.end(), options.begin(), options.end());
    section("OUTPUT", lines);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void section(const char* name, const Lines& lines) {
    text_ += "[" + std::string(name) + "]\n";
    for (const auto& [key, value] : lines) text_ += "    " + key + " " + value + "\n";
    text_ += "\n";
  }
  std::string text_;
  bool health_ = false;
};

class Fluentd {
 public:
  static std::string reference(const std::string& variable) {
    return "\"#{ENV['" + variable + "']}\"";
  }

  void sources(const std::string& listen) {
    block("source", {{"@type", "unix"}, {"path", kRouterSocket}});
    if (listen.empty()) return;
    block("source",
          {{"@type", "forward"}, {"bind", listen}, {"port", std::to_string(kRouterPort)}});
  }
  void fields(const RecordFields& fields) {
    text_ += "<filter **>\n  @type record_transformer\n  <record>\n";
    for (const auto& [name, value] : fields) text_ += "    " + name + " " + value + "\n";
    text_ += "  </record>\n</filter>\n\n";
  }
  void keep_only(const std::string& match, const std::string& pattern) {
    grep(match, "regexp", pattern);
  }
  void leave_out(const std::string& match, const std::string& pattern) {
    grep(match, "exclude", pattern);
  }
  void include(const std::string& path) { text_ += "@include " + path + "\n\n"; }
  void before_outputs() {}
  void output(const std::string& match, Options options) {
    const auto type = options.find("@type");
    if (type == options.end()) return;
    Lines lines = {{"@type", type->second}};
    options.erase(type);
    lines.insert(lines.end(), options.begin(), options.end());
    block("match", lines, " " + match + "**");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void block(const std::string& name, const Lines& lines, const std::string& of = {}) {
    text_ += "<" + name + of + ">\n";
    for (const auto& [key, value] : lines) text_ += "  " + key + " " + value + "\n";
    text_ += "</" + name + ">\n\n";
  }
  void grep(const std::string& match, const std::string& verb, const std::string& pattern) {
    text_ += "<filter " + match + "**>\n  @type grep\n  <" + verb + ">\n    key log\n    pattern " +
             pattern + "\n  </" + verb + ">\n</filter>\n\n";
  }
  std::string text_;
};

// Options of the output itself, in order; secrets as what stands for them.
template <typename Config>
Options output_of(const Definition& container, int index) {
  const auto& log = container.log_configuration();
  Options out;
  for (const auto& [name, value] : log.options()) {
    if (name != kInclude && name != kExclude && !is_driver_option(name, value)) out[name] = value;
  }
  for (const auto& secret : log.secret_options()) {
    out[secret.name()] = Config::reference(router_variable(secret.name(), index));
  }
  return out;
}

template <typename Config>
std::string write(const v1::ecs::TaskDefinition& task, const LogRouter& router,
                  const RecordFields& fields) {
  Config config;
  config.sources(listen_address(task));
  const auto match_of = [](const Definition& container) { return container.name() + "-firelens"; };
  for (const auto& container : task.container_definitions()) {
    if (!is_routed(container)) continue;
    const auto& options = container.log_configuration().options();
    if (const auto at = options.find(kInclude); at != options.end()) {
      config.keep_only(match_of(container), at->second);
    }
    if (const auto at = options.find(kExclude); at != options.end()) {
      config.leave_out(match_of(container), at->second);
    }
  }
  if (router.with_metadata) config.fields(fields);
  if (!router.own_file.empty()) config.include(router.own_file);
  if (!router.own_object.empty()) config.include(router_object_path(router.type));
  config.before_outputs();
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    const auto& container = task.container_definitions(i);
    if (is_routed(container)) config.output(match_of(container), output_of<Config>(container, i));
  }
  return config.take();
}

}  // namespace

std::string router_config(const v1::ecs::TaskDefinition& task, const LogRouter& router,
                          const RecordFields& fields) {
  return router.type == LogRouter::Type::Fluentbit ? write<Fluentbit>(task, router, fields)
                                                   : write<Fluentd>(task, router, fields);
}

}  // namespace berth::runtime::options
