// SPDX-License-Identifier: Apache-2.0
// The table of sdk/runtime/README.md has each member of the API model once, and names tests that
// exist.
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
  std::vector<std::string> tests;
};

std::vector<Row> rows() {
  std::vector<Row> out;
  std::ifstream file(BERTH_RUNTIME_README);
  bool inside = false;
  const std::regex name("`(\\w+\\.\\w+)`");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## definitions:");
    if (!inside || !line.starts_with("| `")) continue;
    Row row{.member = line.substr(3, line.find('`', 3) - 3), .tests = {}};
    const std::string shown = line.substr(line.rfind('|', line.size() - 2));
    for (std::sregex_iterator at(shown.begin(), shown.end(), name), end; at != end; ++at)
      row.tests.push_back((*at)[1]);
    out.push_back(std::move(row));
  }
  return out;
}

// "a.b[].c" of everything below a message; a map is one member.
void collect(const google::protobuf::Descriptor* type, const std::string& above,
             std::vector<std::string>& out) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const std::string path = above + field->json_name();
    if (field->type() == FieldDescriptor::TYPE_MESSAGE && !field->is_map()) {
      collect(field->message_type(), path + (field->is_repeated() ? "[]." : "."), out);
    } else {
      out.push_back(path);
    }
  }
}

bool covers(std::string row, const std::string& member) {
  if (row == member) return true;
  if (row.ends_with("[]")) row.resize(row.size() - 2);
  return member.starts_with(row + ".") || member.starts_with(row + "[");
}

std::set<std::string> all_tests() {
  std::set<std::string> out;
  const std::regex test("TEST(?:_F|_P)?\\((\\w+),\\s*(\\w+)\\)");
  for (const auto& entry : fs::recursive_directory_iterator(BERTH_TESTS)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = slurp(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), test), end; at != end; ++at) {
      out.insert((*at)[1].str() + "." + (*at)[2].str());
    }
  }
  return out;
}

TEST(MembersTable, HasEachMemberOfTheApiModelOnce) {
  std::vector<std::string> members;
  collect(model::RegisterTaskDefinitionRequest::descriptor(), "", members);
  ASSERT_GT(members.size(), 100U);
  const auto table = rows();
  for (const auto& member : members) {
    int found = 0;
    for (const auto& row : table) found += covers(row.member, member);
    EXPECT_EQ(found, 1) << member;
  }
  for (const auto& row : table) {
    bool known = false;
    for (const auto& member : members) known = known || covers(row.member, member);
    EXPECT_TRUE(known) << row.member << " is no member";
  }
}

TEST(MembersTable, NamesTestsThatExist) {
  const auto tests = all_tests();
  for (const auto& row : rows()) {
    EXPECT_FALSE(row.tests.empty()) << row.member << " is shown by no test";
    for (const auto& test : row.tests)
      EXPECT_TRUE(tests.contains(test)) << row.member << ": there is no " << test;
  }
}

}  // namespace
}  // namespace berth::runtime
