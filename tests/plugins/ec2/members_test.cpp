// SPDX-License-Identifier: Apache-2.0
// Every member of a task definition and of its overrides is in README.md as acted on, or as not, and plan agrees.
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "tests/plugins/ec2/ec2_fixture.hpp"

namespace berth::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The first column of the table below a heading.
std::set<std::string> rows(const std::string& heading) {
  std::ifstream file(BERTH_EC2_README);
  std::set<std::string> found;
  std::string line;
  bool inside = false;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) inside = line == "## " + heading;
    if (!inside || !line.starts_with("| `")) continue;
    const auto end = line.find('`', 3);
    EXPECT_TRUE(found.insert(line.substr(3, end - 3)).second) << "twice: " << line;
  }
  EXPECT_FALSE(found.empty()) << heading;
  return found;
}
std::set<std::string> not_yet() { return rows("Members of a task definition that it does not act on yet"); }
std::set<std::string> acted_on() { return rows("Members that it acts on"); }

// "containerDefinitions[0].links" as the tables write it.
std::string without_numbers(const std::string& member) {
  std::string out;
  for (std::size_t i = 0; i < member.size(); ++i) {
    out += member[i];
    if (member[i] != '[') continue;
    while (i + 1 < member.size() && member[i + 1] != ']') ++i;
  }
  return out;
}

bool is_row_of(const std::string& row, const std::string& path) {
  return path == row || (path.starts_with(row) && (path[row.size()] == '.' || path[row.size()] == '['));
}

// Values that mean something where any other word would not.
const std::map<std::string, std::string> kRefusedValues = {
    {"runtimePlatform.operatingSystemFamily", "WINDOWS_SERVER_2022_CORE"},
    {"runtimePlatform.cpuArchitecture", "MIPS"},
    {"containerDefinitions[].logConfiguration.logDriver", "gelf"},
    {"containerDefinitions[].dockerSecurityOptions", "label:disable"},
    {"containerDefinitions[].resourceRequirements[].type", "InferenceAccelerator"},
    {"overrides.containerOverrides[].resourceRequirements[].type", "InferenceAccelerator"},
    {"volumes[].dockerVolumeConfiguration.driver", "rexray"},
};
const std::map<std::string, std::string> kPlainValues = {
    {"networkMode", "host"},
    {"containerDefinitions[].dependsOn[].condition", "START"},
    {"cpu", "256"},
    {"memory", "512"},
    {"overrides.cpu", "256"},
    {"overrides.memory", "512"},
    {"containerDefinitions[].name", "main"},
    {"containerDefinitions[].dependsOn[].containerName", "other"},
    {"containerDefinitions[].portMappings[].protocol", "udp"},
    {"overrides.containerOverrides[].name", "main"},
    {"containerDefinitions[].resourceRequirements[].value", "2"},
    {"overrides.containerOverrides[].resourceRequirements[].value", "0.5"},
    {"pidMode", "task"},
    {"ipcMode", "task"},
    {"volumes[].name", "data"},
    {"volumes[].host.sourcePath", "/srv/data"},
    {"volumes[].dockerVolumeConfiguration.scope", "shared"},
    {"containerDefinitions[].links", "other"},
    {"containerDefinitions[].portMappings[].containerPortRange", "8000-8010"},
    {"containerDefinitions[].mountPoints[].sourceVolume", "data"},
    {"containerDefinitions[].mountPoints[].containerPath", "/data"},
    {"containerDefinitions[].volumesFrom[].sourceContainer", "other"},
    {"containerDefinitions[].linuxParameters.capabilities.add", "SYS_PTRACE"},
    {"containerDefinitions[].linuxParameters.capabilities.drop", "ALL"},
    {"containerDefinitions[].linuxParameters.devices[].hostPath", "/dev/null"},
    {"containerDefinitions[].linuxParameters.devices[].containerPath", "/dev/nothing"},
    {"containerDefinitions[].linuxParameters.devices[].permissions", "read"},
    {"containerDefinitions[].linuxParameters.tmpfs[].containerPath", "/scratch"},
    {"containerDefinitions[].linuxParameters.tmpfs[].mountOptions", "noexec"},
    {"containerDefinitions[].dnsServers", "10.0.0.2"},
    {"containerDefinitions[].extraHosts[].ipAddress", "10.0.0.3"},
    {"containerDefinitions[].ulimits[].name", "nofile"},
    {"containerDefinitions[].systemControls[].namespace", "net.core.somaxconn"},
    {"containerDefinitions[].firelensConfiguration.type", "fluentd"},
};
// Of maps, where not every key means something.
const std::map<std::string, std::string> kKeys = {{"volumes[].dockerVolumeConfiguration.driverOpts", "o"}};
#if defined(__aarch64__)
constexpr const char* kOwnArchitecture = "ARM64";
#else
constexpr const char* kOwnArchitecture = "X86_64";
#endif
const std::map<std::string, std::string> kAllowedValues = {
    {"runtimePlatform.cpuArchitecture", kOwnArchitecture},
    {"networkMode", "bridge"},
    {"runtimePlatform.operatingSystemFamily", "LINUX"},
    {"containerDefinitions[].logConfiguration.logDriver", "json-file"},
    {"containerDefinitions[].dependsOn[].condition", "SUCCESS"},
    {"containerDefinitions[].dockerSecurityOptions", "no-new-privileges"},
    {"containerDefinitions[].resourceRequirements[].type", "GPU"},
    {"overrides.containerOverrides[].resourceRequirements[].type", "GPU"},
    {"volumes[].dockerVolumeConfiguration.driver", "local"},
};

constexpr int kNumber = 8;  // an amount of MiB that a container can live with, as well as a port

struct Member {
  std::string path;
  std::vector<const FieldDescriptor*> way;  // from the root message
};

// All leaves below a message type; a map is one leaf.
void collect(const google::protobuf::Descriptor* type, const Member& parent, std::vector<Member>& out) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    Member member = parent;
    member.way.push_back(field);
    member.path += (parent.path.empty() || parent.path.ends_with('.') ? "" : ".") + field->json_name();
    const bool nested = field->type() == FieldDescriptor::TYPE_MESSAGE && !field->is_map();
    if (nested && field->is_repeated()) member.path += "[]";
    if (nested && field->message_type()->name() != "Timestamp") {
      collect(field->message_type(), member, out);
    } else {
      out.push_back(std::move(member));
    }
  }
}

void set_leaf(Message& message, const Member& member, const std::string& word) {
  const FieldDescriptor* field = member.way.back();
  const Reflection* r = message.GetReflection();
  if (field->is_map()) {
    Message* entry = r->AddMessage(&message, field);
    const auto* type = entry->GetDescriptor();
    const auto key = kKeys.find(member.path);
    entry->GetReflection()->SetString(entry, type->map_key(), key == kKeys.end() ? "some-key" : key->second);
    entry->GetReflection()->SetString(entry, type->map_value(), word);
    return;
  }
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return many ? r->AddString(&message, field, word) : r->SetString(&message, field, word);
    case FieldDescriptor::CPPTYPE_INT32: return many ? r->AddInt32(&message, field, kNumber) : r->SetInt32(&message, field, kNumber);
    case FieldDescriptor::CPPTYPE_INT64: return many ? r->AddInt64(&message, field, kNumber) : r->SetInt64(&message, field, kNumber);
    case FieldDescriptor::CPPTYPE_BOOL: return many ? r->AddBool(&message, field, true) : r->SetBool(&message, field, true);
    case FieldDescriptor::CPPTYPE_MESSAGE: r->MutableMessage(&message, field); return;
    default: FAIL() << "no value for " << field->full_name();
  }
}

void set(Message& root, const Member& member, const std::string& word) {
  Message* at = &root;
  for (std::size_t i = 0; i + 1 < member.way.size(); ++i) {
    const FieldDescriptor* field = member.way[i];
    const Reflection* r = at->GetReflection();
    if (!field->is_repeated()) {
      at = r->MutableMessage(at, field);
    } else if (r->FieldSize(*at, field) > 0) {
      at = r->MutableRepeatedMessage(at, field, 0);
    } else {
      at = r->AddMessage(at, field);
    }
  }
  set_leaf(*at, member, word);
}

class Ec2Members : public Ec2Test {
 protected:
  void SetUp() override {
    plugin.activate(config());
    collect(v1::ecs::TaskDefinition::descriptor(), {}, definition_members_);
    collect(v1::ecs::TaskOverride::descriptor(), {"overrides.", {}}, override_members_);
  }
  using Below = std::function<bool(const char*)>;
  static void complete_options(const Below& below, const Member& member, v1::ecs::ContainerDefinition& container) {
    auto& parameters = *container.mutable_linux_parameters();
    if (below("containerDefinitions[].linuxParameters.devices[]")) parameters.add_devices()->set_host_path("/dev/null");
    if (below("containerDefinitions[].linuxParameters.tmpfs[]")) {
      parameters.add_tmpfs()->set_container_path("/scratch");
      parameters.mutable_tmpfs(0)->set_size(1);
    }
    if (member.path.ends_with("swappiness")) parameters.set_max_swap(1);
    if (below("containerDefinitions[].ulimits[]")) {
      container.add_ulimits()->set_name("nofile");
      container.mutable_ulimits(0)->set_hard_limit(16);
    }
    if (below("containerDefinitions[].systemControls[]")) {
      container.add_system_controls()->set_namespace_("net.core.somaxconn");
      container.mutable_system_controls(0)->set_value("128");
    }
    if (below("containerDefinitions[].extraHosts[]")) {
      container.add_extra_hosts()->set_hostname("db");
      container.mutable_extra_hosts(0)->set_ip_address("10.0.0.3");
    }
  }
  static void complete_resource(const Member& member, v1::ecs::ResourceRequirement& requirement) {
    requirement.set_type("GPU");
    if (member.path.find("sharingStrategy") == std::string::npos) requirement.set_value("1");
  }
  static void complete_volumes(const Below& below, const Member& member, v1::ecs::TaskDefinition& definition) {
    const bool mounts = below("containerDefinitions[].mountPoints[]");
    if (!mounts && !below("volumes[]")) return;
    auto& volume = *definition.add_volumes();
    volume.set_name("data");
    if (mounts) {
      auto& point = *definition.mutable_container_definitions(0)->add_mount_points();
      point.set_source_volume("data");
      point.set_container_path("/data");
    }
    if (member.path.ends_with("autoprovision")) volume.mutable_docker_volume_configuration()->set_scope("shared");
    if (member.path.ends_with("driverOpts")) {
      auto& options = *volume.mutable_docker_volume_configuration()->mutable_driver_opts();
      options["type"] = "tmpfs";
      options["device"] = "tmpfs";
    }
  }
  static v1::PlanRequest base(const Member& member) {
    v1::PlanRequest request;
    auto& container = *request.mutable_definition()->add_container_definitions();
    container.set_name("main");
    container.set_image("web");
    container.set_memory(128);
    // What other members of the same message need to mean anything.
    if (member.path.find("logConfiguration.") != std::string::npos && !member.path.ends_with("logDriver")) {
      container.mutable_log_configuration()->set_log_driver("json-file");
    }
    const auto below = [&member](const char* list) { return member.path.starts_with(list); };
    if (member.path.ends_with("containerPortRange")) {
      container.add_port_mappings();
    } else if (below("containerDefinitions[].portMappings[]")) {
      container.add_port_mappings()->set_container_port(kNumber);
    }
    complete_options(below, member, container);
    complete_volumes(below, member, *request.mutable_definition());
    if (below("containerDefinitions[].environment[]")) container.add_environment()->set_name("A");
    if (below("containerDefinitions[].firelensConfiguration")) {
      container.mutable_firelens_configuration()->set_type("fluentbit");
    }
    if (below("containerDefinitions[].logConfiguration.secretOptions[]")) {
      auto& log = *container.mutable_log_configuration();
      log.set_log_driver("awsfirelens");
      log.add_secret_options()->set_name("key");
      auto& router = *request.mutable_definition()->add_container_definitions();
      router.set_name("router");
      router.set_image("web");
      router.set_memory(128);
      router.mutable_firelens_configuration()->set_type("fluentbit");
    }
    if (below("containerDefinitions[].links") || below("containerDefinitions[].volumesFrom")) {
      auto& other = *request.mutable_definition()->add_container_definitions();
      other.set_name("other");
      other.set_image("web");
      other.set_memory(128);
    }
    if (below("containerDefinitions[].volumesFrom[]")) {
      request.mutable_definition()->mutable_container_definitions(0)->add_volumes_from()->set_source_container("other");
    }
    if (below("containerDefinitions[].dependsOn[]")) {
      auto& other = *request.mutable_definition()->add_container_definitions();
      other.set_name("other");
      other.set_image("web");
      other.set_memory(128);
      other.set_essential(false);
      auto& dependency = *request.mutable_definition()->mutable_container_definitions(0)->add_depends_on();
      dependency.set_container_name("other");
      dependency.set_condition("START");
    }
    if (below("containerDefinitions[].healthCheck")) {
      for (const char* word : {"CMD", "true"}) container.mutable_health_check()->add_command(word);
    }
    if (below("containerDefinitions[].resourceRequirements[]")) {
      complete_resource(member, *container.add_resource_requirements());
    }
    if (below("containerDefinitions[].restartPolicy")) container.mutable_restart_policy()->set_enabled(true);
    if (below("overrides.containerOverrides")) {
      auto& changes = *request.mutable_overrides()->add_container_overrides();
      changes.set_name("main");
      if (below("overrides.containerOverrides[].environment[]")) changes.add_environment()->set_name("A");
      if (below("overrides.containerOverrides[].resourceRequirements[]")) {
        complete_resource(member, *changes.add_resource_requirements());
      }
    }
    return request;
  }
  static v1::PlanRequest request_with(const Member& member, bool in_overrides, const std::string& word) {
    v1::PlanRequest request = base(member);
    set(in_overrides ? static_cast<Message&>(*request.mutable_overrides()) : *request.mutable_definition(), member, word);
    return request;
  }
  std::set<std::string> refused(const Member& member, bool in_overrides, const std::string& word) {
    std::set<std::string> found;
    const v1::PlanResponse response = plan(request_with(member, in_overrides, word));
    for (const auto& refusal : response.refusals()) {
      EXPECT_EQ(refusal.error(), v1::Refusal::ERROR_UNSUPPORTED_FEATURE) << member.path << ": " << refusal.message();
      EXPECT_NE(refusal.message().find(refusal.member()), std::string::npos) << "the message names the member";
      found.insert(without_numbers(refusal.member()));
    }
    return found;
  }
  void each(const std::function<void(const Member&, bool in_overrides)>& work) {
    for (const auto& member : definition_members_) work(member, false);
    for (const auto& member : override_members_) work(member, true);
  }
  static std::string word_for(const Member& member) {
    for (const auto* table : {&kRefusedValues, &kPlainValues}) {
      if (const auto at = table->find(member.path); at != table->end()) return at->second;
    }
    return "x";
  }

  std::vector<Member> definition_members_;
  std::vector<Member> override_members_;
};

TEST_F(Ec2Members, AreRefusedExactlyWhereTheReadmeSaysThatTheyAreNotActedOn) {
  const auto table = not_yet();
  std::set<std::string> seen;
  each([&](const Member& member, bool in_overrides) {
    const auto found = refused(member, in_overrides, word_for(member));
    for (const auto& row : found) {
      EXPECT_TRUE(is_row_of(row, member.path)) << "setting " << member.path << " is refused as " << row;
    }
    seen.insert(found.begin(), found.end());
  });
  EXPECT_EQ(seen, table);
}

TEST_F(Ec2Members, ThatAreNotRefusedAreInTheReadmeAsActedOn) {
  const auto table = acted_on();
  std::set<std::string> seen;
  each([&](const Member& member, bool in_overrides) {
    const auto allowed = kAllowedValues.find(member.path);
    const std::string word = allowed == kAllowedValues.end() ? word_for(member) : allowed->second;
    const bool options = member.path.ends_with("onfiguration.options");  // by key, see below
    if (!options && !refused(member, in_overrides, word).empty()) return;
    bool found = false;
    for (const auto& row : table) {
      if (!is_row_of(row, member.path)) continue;
      found = true;
      seen.insert(row);
    }
    EXPECT_TRUE(found) << member.path << " is neither refused nor in the table of what is acted on";
  });
  EXPECT_EQ(seen, table);
}

// "member: unsupported" or "member: wrong" of the first refusal; empty where there is none.
std::string first_refusal(Harness& plugin, const v1::PlanRequest& request) {
  auto response = plugin.call<v1::PlanResponse>(v1::METHOD_LAUNCH_PLAN, request);
  if (!response) return response.error().message;
  if (response->refusals_size() == 0) return "";
  const auto& refusal = response->refusals(0);
  const bool unsupported = refusal.error() == v1::Refusal::ERROR_UNSUPPORTED_FEATURE;
  std::string member = without_numbers(refusal.member());
  if (member.ends_with(".options[]")) member.resize(member.size() - 2);  // the agent says which option
  return member + (unsupported ? ": unsupported" : ": wrong");
}

TEST_F(Ec2Members, AreRefusedByTheAgentExactlyWherePlanRefusesThem) {
  Harness agent{BERTH_AGENT_CHECK};
  agent.activate();
  int refused = 0;
  each([&](const Member& member, bool in_overrides) {
    std::set<std::string> words = {word_for(member)};
    if (const auto at = kAllowedValues.find(member.path); at != kAllowedValues.end()) words.insert(at->second);
    for (const std::string& word : words) {
      const auto request = request_with(member, in_overrides, word);
      const std::string planned = first_refusal(plugin, request);
      EXPECT_EQ(first_refusal(agent, request), planned) << "(agent, plan) " << member.path << " = " << word;
      refused += !planned.empty();
    }
  });
  EXPECT_GE(refused, 36) << "what is refused by name became less: say so here when it is built";
  agent.end();
}

TEST_F(Ec2Members, RotationIsAnOptionOfJsonFileLogsAndOthersAreNot) {
  const auto refusals = [&](const std::string& name, const std::string& value) {
    v1::PlanRequest request = base({});
    auto& log = *request.mutable_definition()->mutable_container_definitions(0)->mutable_log_configuration();
    log.set_log_driver("json-file");
    (*log.mutable_options())[name] = value;
    return plan(request).refusals_size();
  };
  EXPECT_EQ(refusals("max-size", "10m"), 0);
  EXPECT_EQ(refusals("max-file", "3"), 1) << "it needs max-size, as the agent says too";
  EXPECT_EQ(refusals("mode", "blocking"), 0);
  EXPECT_EQ(refusals("mode", "non-blocking"), 0);
  EXPECT_EQ(refusals("mode", "maybe"), 1);
  EXPECT_EQ(refusals("labels", "a"), 1);
}

TEST_F(Ec2Members, LogsGoToALogRouterWhereTheTaskHasOneAndSecretOptionsToNothingElse) {
  v1::PlanRequest request = base({});
  auto& log = *request.mutable_definition()->mutable_container_definitions(0)->mutable_log_configuration();
  log.set_log_driver("awsfirelens");
  const auto alone = plan(request);
  ASSERT_EQ(alone.refusals_size(), 1);
  EXPECT_EQ(alone.refusals(0).member(), "containerDefinitions[0].logConfiguration.logDriver");
  EXPECT_EQ(alone.refusals(0).error(), v1::Refusal::ERROR_CLIENT);
  auto& router = *request.mutable_definition()->add_container_definitions();
  router.set_name("router");
  router.set_image("web");
  router.set_memory(128);
  router.mutable_firelens_configuration()->set_type("fluentbit");
  EXPECT_EQ(plan(request).refusals_size(), 0);
  auto& secret = *router.mutable_log_configuration()->add_secret_options();
  secret.set_name("key");
  const auto elsewhere = plan(request);
  ASSERT_EQ(elsewhere.refusals_size(), 1);
  EXPECT_EQ(elsewhere.refusals(0).member(), "containerDefinitions[1].logConfiguration.secretOptions");
  EXPECT_EQ(elsewhere.refusals(0).error(), v1::Refusal::ERROR_UNSUPPORTED_FEATURE);
}

TEST_F(Ec2Members, OptionsOfADriverThatAreNotActedOnAreNamed) {
  v1::PlanRequest request = base({});
  auto& log = *request.mutable_definition()->mutable_container_definitions(0)->mutable_log_configuration();
  log.set_log_driver("awslogs");
  (*log.mutable_options())["awslogs-group"] = "g";
  const auto missing = plan(request);
  ASSERT_EQ(missing.refusals_size(), 1);
  EXPECT_EQ(missing.refusals(0).error(), v1::Refusal::ERROR_CLIENT);
  EXPECT_NE(missing.refusals(0).message().find("awslogs-region"), std::string::npos);
  (*log.mutable_options())["awslogs-region"] = "r";
  EXPECT_EQ(plan(request).refusals_size(), 0);
  (*log.mutable_options())["awslogs-colour"] = "blue";
  const auto unknown = plan(request);
  ASSERT_EQ(unknown.refusals_size(), 1);
  EXPECT_EQ(unknown.refusals(0).error(), v1::Refusal::ERROR_UNSUPPORTED_FEATURE);
  EXPECT_NE(unknown.refusals(0).message().find("options[awslogs-colour]"), std::string::npos);
}

TEST_F(Ec2Members, SetToNothingAreNotRefused) {
  v1::PlanRequest request = base({});
  auto& container = *request.mutable_definition()->mutable_container_definitions(0);
  container.set_privileged(false);
  container.set_interactive(false);
  container.set_pseudo_terminal(false);
  container.set_disable_networking(false);
  container.mutable_restart_policy()->set_enabled(false);
  request.mutable_definition()->set_enable_fault_injection(false);
  EXPECT_EQ(plan(request).refusals_size(), 0);
}

}  // namespace
}  // namespace berth::test
