// SPDX-License-Identifier: Apache-2.0
// The tables of sdk/runtime/README.md have each member of the pinned API model once, and name tests
// that exist and that each OCI runtime runs. model/*.txt are the members of the API model of
// 2014-11-13 as botocore 1.43.11 had it, a path a line.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "berth/model/ecs_operations.pb.h"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using google::protobuf::FieldDescriptor;

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Row {
  std::string member;
  std::string action;
  std::vector<std::string> tests;  // "Suite.Name", or "file.py:method" of tests/e2e
};

std::vector<Row> rows() {
  std::vector<Row> out;
  std::ifstream file(BERTH_RUNTIME_README);
  bool inside = false;
  const std::regex name("`(\\w+\\.\\w+(?::\\w+)?)`");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## definitions:");
    if (!inside || !line.starts_with("| `")) continue;
    Row row{.member = line.substr(3, line.find('`', 3) - 3), .action = {}, .tests = {}};
    const auto last = line.rfind('|', line.size() - 2);
    const auto action = line.find('|', 1) + 2;
    row.action = line.substr(action, last - action);
    const std::string shown = line.substr(last);
    for (std::sregex_iterator at(shown.begin(), shown.end(), name), end; at != end; ++at)
      row.tests.push_back((*at)[1]);
    out.push_back(std::move(row));
  }
  return out;
}

// "a.b[].c" of everything below a message; a map is one member.
void collect(const google::protobuf::Descriptor* type, const std::string& above,
             std::set<std::string>& out) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const std::string path = above + field->json_name();
    if (field->type() == FieldDescriptor::TYPE_MESSAGE && !field->is_map()) {
      collect(field->message_type(), path + (field->is_repeated() ? "[]." : "."), out);
    } else {
      out.insert(path);
    }
  }
}

std::set<std::string> pinned(const char* file, const std::string& above = "") {
  std::set<std::string> out;
  std::ifstream lines(fs::path(BERTH_PINNED_MODEL) / file);
  for (std::string line; std::getline(lines, line);) out.insert(above + line);
  return out;
}

std::set<std::string> members() {
  auto out = pinned("register_task_definition.txt");
  out.merge(pinned("task_override.txt", "overrides."));
  return out;
}

bool covers(std::string row, const std::string& member) {
  if (row == member) return true;
  if (row.ends_with("[]")) row.resize(row.size() - 2);
  return member.starts_with(row + ".") || member.starts_with(row + "[");
}

// What a pattern finds in the tests' sources: all its groups, joined by dots.
std::set<std::string> found(const char* pattern) {
  std::set<std::string> out;
  const std::regex expression(pattern);
  for (const auto& entry : fs::recursive_directory_iterator(BERTH_TESTS)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = slurp(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) {
      std::string words = (*at)[1].str();
      for (std::size_t i = 2; i < at->size(); ++i) words += "." + (*at)[i].str();
      out.insert(words);
    }
  }
  return out;
}

bool is_e2e(const std::string& test) {
  return test.find(".py:") != std::string::npos;
}

bool e2e_has(const std::string& test) {
  const auto colon = test.find(':');
  const std::string text = slurp(fs::path(BERTH_TESTS) / "e2e" / test.substr(0, colon));
  return text.find("    def " + test.substr(colon + 1) + "(self") != std::string::npos;
}

// What ECS has and the pinned model, which is older, has not.
bool is_newer(const std::string& member) {
  return member.find("resourceRequirements[].sharingStrategy.nvidiaMps.") != std::string::npos;
}

TEST(MembersTable, ComparesAModelThatHasEachMemberOfThePinnedOneAndOnlyNewerOnesBeside) {
  std::set<std::string> ours;
  collect(model::RegisterTaskDefinitionRequest::descriptor(), "", ours);
  const auto* run_task = model::RunTaskRequest::descriptor();
  collect(run_task->FindFieldByName("overrides")->message_type(), "overrides.", ours);
  EXPECT_EQ(std::erase_if(ours, is_newer), 4U);
  EXPECT_EQ(ours, members());
}

TEST(MembersTable, HasEachMemberOfThePinnedModelOnce) {
  const auto all = members();
  ASSERT_GT(all.size(), 140U);
  const auto table = rows();
  for (const auto& member : all) {
    int count = 0;
    for (const auto& row : table) count += covers(row.member, member);
    EXPECT_EQ(count, 1) << member;
  }
  for (const auto& row : table) {
    bool known = false;
    for (const auto& member : all) known = known || covers(row.member, member);
    EXPECT_TRUE(known) << row.member << " is no member";
  }
}

TEST(MembersTable, NamesTestsThatExist) {
  const auto tests = found("TEST(?:_F|_P)?\\((\\w+),\\s*(\\w+)\\)");
  for (const auto& row : rows()) {
    EXPECT_FALSE(row.tests.empty()) << row.member << " is shown by no test";
    for (const auto& test : row.tests) {
      EXPECT_TRUE(is_e2e(test) ? e2e_has(test) : tests.contains(test))
          << row.member << ": there is no " << test;
    }
  }
}

// Those that are run in real containers by each OCI runtime are instantiated with their names.
TEST(MembersTable, ShowsEachRowInContainersOfEachRuntimeUnlessItIsRefusedOrTheControlPlanes) {
  const auto suites = found(
      "INSTANTIATE_TEST_SUITE_P\\(\\w+,\\s*(\\w+),\\s*::testing::Values\\(\"crun\", \"runc\"");
  ASSERT_GT(suites.size(), 8U);
  for (const auto& row : rows()) {
    if (row.action.starts_with("refused") || row.action.starts_with("the control plane's"))
      continue;
    bool shown = false;
    for (const auto& test : row.tests) {
      shown = shown || is_e2e(test) || suites.contains(test.substr(0, test.find('.')));
    }
    EXPECT_TRUE(shown) << row.member << " is shown in no container by crun and by runc";
  }
}

}  // namespace
}  // namespace berth::runtime
