// SPDX-License-Identifier: Apache-2.0
// What vendors have built against must stay: the golden files of this folder say what that is.
//
// `abi_test --update` writes them anew; look at the difference before you commit it: lines may be
// added, never changed or taken away.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "berth/plugin_abi.h"
#include "berth/v1/credentials.pb.h"
#include "berth/v1/ecs/common.pb.h"
#include "berth/v1/ecs/task.pb.h"
#include "berth/v1/ecs/task_definition.pb.h"
#include "berth/v1/host.pb.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"
#include "berth/v1/registry.pb.h"
#include "berth/v1/resources.pb.h"
#include "berth/v1/stream.pb.h"
#include "sdk/check/elf.hpp"

namespace berth {
namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf;

const fs::path kGolden = fs::path(BERTH_SOURCE_DIR) / "tests/abi/golden";
bool update = false;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The header without comments and with single blanks: what a compiler sees.
std::string essence(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "/*") == 0) {
      i = text.find("*/", i + 2) + 2;
      out += ' ';
    } else {
      out += text[i] == '\n' || text[i] == '\t' ? ' ' : text[i];
      ++i;
    }
  }
  out.erase(
      std::unique(out.begin(), out.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
      out.end());
  return out;
}

std::string sha256(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  std::ostringstream out;
  for (unsigned int i = 0; i < size; ++i) {
    out << std::hex << std::setw(2) << std::setfill('0') << static_cast<int>(digest[i]);
  }
  return out.str();
}

void add_enum(const pb::EnumDescriptor& type, std::vector<std::string>& out) {
  for (int i = 0; i < type.value_count(); ++i) {
    out.push_back(type.full_name() + "." + type.value(i)->name() + " = " +
                  std::to_string(type.value(i)->number()));
  }
}

void add_message(const pb::Descriptor& type, std::vector<std::string>& out) {
  out.push_back(type.full_name());  // also where it has no fields
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    std::string kind = field.type_name();
    if (field.message_type() != nullptr) kind = field.message_type()->full_name();
    if (field.enum_type() != nullptr) kind = field.enum_type()->full_name();
    out.push_back(field.full_name() + " = " + std::to_string(field.number()) + " " +
                  (field.is_repeated()            ? "repeated "
                   : field.has_optional_keyword() ? "optional "
                                                  : "") +
                  kind + " json " + field.json_name());
  }
  for (int i = 0; i < type.nested_type_count(); ++i) add_message(*type.nested_type(i), out);
  for (int i = 0; i < type.enum_type_count(); ++i) add_enum(*type.enum_type(i), out);
}

std::vector<std::string> messages() {
  std::vector<std::string> out;
  for (const pb::Descriptor* any :
       {v1::ecs::Timestamp::descriptor(), v1::ecs::Task::descriptor(),
        v1::ecs::TaskDefinition::descriptor(), v1::Manifest::descriptor(), v1::Node::descriptor(),
        v1::Device::descriptor(), v1::OciEdits::descriptor(), v1::Endpoint::descriptor(),
        v1::StreamChunk::descriptor(), v1::RoleCredentials::descriptor()}) {
    const pb::FileDescriptor& file = *any->file();
    for (int i = 0; i < file.message_type_count(); ++i) add_message(*file.message_type(i), out);
    for (int i = 0; i < file.enum_type_count(); ++i) add_enum(*file.enum_type(i), out);
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Abi, KeepsEveryFieldNumberTypeAndNameOfTheMessages) {
  const std::vector<std::string> now = messages();
  if (update) {
    std::ofstream out(kGolden / "messages.txt");
    for (const std::string& line : now) out << line << '\n';
  }
  const std::set<std::string> have(now.begin(), now.end());
  const std::vector<std::string> golden = lines_of(read(kGolden / "messages.txt"));
  ASSERT_GT(golden.size(), 300U);
  for (const std::string& line : golden) {
    EXPECT_TRUE(have.contains(line)) << "changed or taken away: " << line
                                     << "\nVendors have built against it; add a field instead.";
  }
  const std::set<std::string> known(golden.begin(), golden.end());
  for (const std::string& line : now) {
    EXPECT_TRUE(known.contains(line))
        << "new: " << line << "\nRun abi_test --update and commit it.";
  }
}

TEST(Abi, LeavesTheVendorsNumbersFree) {
  for (const std::string& line : messages()) {
    const auto equals = line.find(" = ");
    if (equals == std::string::npos || line.find(" json ") == std::string::npos) continue;
    const int number = std::stoi(line.substr(equals + 3));
    EXPECT_TRUE(number < 1000 || number > 1999) << line;
  }
}

TEST(Abi, BumpsTheMinorWhenTheHeaderChanges) {
  const std::string header = read(fs::path(BERTH_SOURCE_DIR) / "sdk/include/berth/plugin_abi.h");
  ASSERT_FALSE(header.empty());
  const std::string version =
      std::to_string(BERTH_ABI_MAJOR) + "." + std::to_string(BERTH_ABI_MINOR);
  const std::string line = version + " " + sha256(essence(header));
  std::vector<std::string> golden = lines_of(read(kGolden / "header.txt"));
  if (update && std::none_of(golden.begin(), golden.end(), [&](const std::string& each) {
        return each.starts_with(version + " ");
      })) {
    golden.push_back(line);
    std::ofstream(kGolden / "header.txt", std::ios::app) << line << '\n';
  }
  ASSERT_FALSE(golden.empty());
  EXPECT_EQ(golden.back(), line) << "plugin_abi.h differs from what ABI " << version
                                 << " was: add one to BERTH_ABI_MINOR, then abi_test --update";
}

TEST(Abi, ReadsAHeaderThroughItsComments) {
  EXPECT_EQ(essence("a /* x */\n\tb"), essence("a b"));
  EXPECT_NE(essence("a b"), essence("a c"));
}

TEST(Abi, ShowsOneSymbolOfEachPlugin) {
  int plugins = 0;
  for (const char* directory : {BERTH_PLUGINS_DIR, BERTH_TEST_PLUGINS_DIR}) {
    if (!fs::exists(directory)) continue;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() != ".so") continue;
      ++plugins;
      const auto symbols = check::exported_symbols(entry.path());
      ASSERT_TRUE(symbols) << symbols.error().message;
      EXPECT_THAT(*symbols, testing::ElementsAre(BERTH_PLUGIN_SYMBOL)) << entry.path();
    }
  }
  EXPECT_GE(plugins, 3);
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  berth::update = argc > 1 && std::string(argv[1]) == "--update";
  return RUN_ALL_TESTS();
}
