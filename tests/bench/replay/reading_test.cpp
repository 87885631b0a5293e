// SPDX-License-Identifier: Apache-2.0
// What is read from files, and what each malformed one is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zlib.h>

#include <fstream>
#include <iterator>
#include <string>

#include "bench/replay/csv_table.hpp"
#include "bench/replay/trace.hpp"
#include "tests/bench/replay/scratch.hpp"

namespace berth::replay {
namespace {

using ::testing::ElementsAre;

constexpr const char* kNodes =
    "sn,cpu_milli,memory_mib,gpu,model\na,8000,1024,2,X\nb,4000,512,0,\n";
constexpr const char* kTasks = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,1000,10,1,500\n";

// The fault without the directory of the file.
std::string fault(const std::string& nodes, const std::string& tasks) {
  const Scratch scratch;
  const auto trace = read_openb(scratch.write("nodes", nodes), scratch.write("tasks", tasks));
  return trace ? "none" : trace.error().substr(scratch.path("").size());
}

void write_gzip(const std::string& path, const std::string& content) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

TEST(Openb, ReadsWhatTheColumnsSayInAnyOrder) {
  const Scratch scratch;
  const auto trace = read_openb(
      scratch.write("nodes",
                    "model,gpu,sn,memory_mib,cpu_milli,else\nX,2,a,10,8000,?\n,0,b,5,1,\n"
                    "Y,1,c,5,1,\n"),
      scratch.write(
          "tasks",
          "name,gpu_spec,cpu_milli,memory_mib,num_gpu,gpu_milli\r\n"
          "part,Y,1000,10,1,500\r\n\r\nwhole,Y|X,1,2,2,1000\nnone,,3,4,0,0\nnowhere,Z,1,1,1,1"));
  ASSERT_TRUE(trace.has_value()) << trace.error();
  EXPECT_THAT(trace->models, ElementsAre("X", "Y"));
  ASSERT_EQ(trace->nodes.size(), 3U);
  EXPECT_EQ(trace->nodes[0].name, "a");
  EXPECT_EQ(trace->nodes[0].cpu_milli, 8000);
  EXPECT_EQ(trace->nodes[0].memory_mib, 10);
  EXPECT_EQ(trace->nodes[0].devices, 2);
  EXPECT_EQ(trace->nodes[2].model, 1U);
  EXPECT_EQ(trace->gpu_milli(), 3000);
  ASSERT_EQ(trace->tasks.size(), 4U);
  EXPECT_EQ(trace->tasks[0].ask,
            (placement::DeviceAsk{.cpu = 1000, .devices = 1, .share_milli = 500, .models = 0b10}));
  EXPECT_EQ(trace->tasks[0].memory_mib, 10);
  EXPECT_EQ(trace->tasks[1].ask.models, 0b11U);
  EXPECT_EQ(trace->tasks[1].gpu_milli(), 2000);
  EXPECT_EQ(trace->tasks[2].ask, (placement::DeviceAsk{.cpu = 3}));
  EXPECT_EQ(trace->tasks[3].ask.models, 0U);
}

TEST(Openb, NamesFileLineAndColumnOfWhatIsWrong) {
  const std::string head = "sn,cpu_milli,memory_mib,gpu,model\n";
  EXPECT_EQ(fault(kNodes, kTasks), "none");
  EXPECT_EQ(fault("", kTasks), "nodes:1: has no header");
  EXPECT_EQ(fault("sn,cpu_milli,gpu,model\n", kTasks), "nodes:1: has no column memory_mib");
  EXPECT_EQ(fault("sn,sn\n", kTasks), "nodes:1: has the column sn twice");
  EXPECT_EQ(fault(head + "a,1,2,0,\na,1,2\n", kTasks), "nodes:3: has 3 fields, the header has 5");
  EXPECT_EQ(fault(head + "a,1,2,0,\n\nb,x,2,1,X\n", kTasks),
            "nodes:4: column cpu_milli is not an integer: 'x'");
  EXPECT_EQ(fault(head + "a,1,-2,1,X\n", kTasks),
            "nodes:2: column memory_mib is not from 0 to 1073741824: '-2'");
  EXPECT_EQ(fault(head + "a,1,99999999999999999999,1,X\n", kTasks),
            "nodes:2: column memory_mib is not an integer: '99999999999999999999'");
  EXPECT_EQ(fault(head + "a,1,2,1025,X\n", kTasks),
            "nodes:2: column gpu is not from 0 to 1024: '1025'");
  EXPECT_EQ(fault(head + "a,1,2,1,\n", kTasks),
            "nodes:2: column model is empty, but there are devices: ''");
  EXPECT_EQ(fault(head + ",1,2,1,X\n", kTasks), "nodes:2: column sn is empty: ''");
  EXPECT_EQ(fault(head + "\"a\",1,2,1,X\n", kTasks), "nodes:2: quoted fields are not supported");
  EXPECT_EQ(fault(head + "a,1,2,0,\n", kTasks), "nodes: no node has devices");
  std::string many = head;
  for (int i = 0; i < 65; ++i) many += "a,1,1,1,M" + std::to_string(i) + "\n";
  EXPECT_EQ(fault(many, kTasks), "nodes:66: column model is the 65th model: 'M64'");
}

TEST(Openb, NamesWhatIsWrongWithATask) {
  const std::string head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n";
  EXPECT_EQ(fault(kNodes, head), "tasks: has no tasks");
  EXPECT_EQ(fault(kNodes, "name,cpu_milli\n"), "tasks:1: has no column memory_mib");
  EXPECT_EQ(fault(kNodes, head + "t,1,1,1,0\n"),
            "tasks:2: column gpu_milli is not from 1 to 1000: '0'");
  EXPECT_EQ(fault(kNodes, head + "t,1,1,1,1001\n"),
            "tasks:2: column gpu_milli is not from 1 to 1000: '1001'");
  EXPECT_EQ(fault(kNodes, head + "t,1,1,2,500\n"),
            "tasks:2: column gpu_milli is not from 1000 to 1000: '500'");
  EXPECT_EQ(fault(kNodes, head + ",1,1,1,1\n"), "tasks:2: column name is empty: ''");
  EXPECT_EQ(fault(kNodes, head + "t,1.5,1,1,1\n"),
            "tasks:2: column cpu_milli is not an integer: '1.5'");
}

TEST(ReadText, TakesPlainAndGzipFiles) {
  const Scratch scratch;
  const std::string content = "first\n" + std::string(1'000'000, 'x') + "\nlast";
  EXPECT_EQ(read_text(scratch.write("plain", content)), content);
  write_gzip(scratch.path("packed.gz"), content);
  EXPECT_EQ(read_text(scratch.path("packed.gz")), content);
  EXPECT_EQ(read_text(scratch.write("empty", "")), "");
}

TEST(ReadText, RefusesDamagedAndMissingAndHugeFiles) {
  const Scratch scratch;
  EXPECT_EQ(read_text(scratch.path("none")).error(),
            scratch.path("none") + ": No such file or directory");
  EXPECT_FALSE(read_text(scratch.path("")).has_value());  // a directory
  std::string content;
  for (int i = 0; i < 50'000; ++i) content += std::to_string(i * 7919);
  write_gzip(scratch.path("a.gz"), content);
  std::ifstream file(scratch.path("a.gz"), std::ios::binary);
  std::string packed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(
      read_text(scratch.write("short.gz", packed.substr(0, packed.size() / 2))).has_value());
  EXPECT_FALSE(
      read_text(scratch.write("tail.gz", packed.substr(0, packed.size() - 3))).has_value());
  packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x55);
  EXPECT_FALSE(read_text(scratch.write("bits.gz", packed)).has_value());
  write_gzip(scratch.path("bomb.gz"), std::string((std::size_t{2} << 20) + 1, 'a'));
  EXPECT_EQ(read_text(scratch.path("bomb.gz"), 2).error(),
            scratch.path("bomb.gz") + ": has over 2 MiB of text");
  EXPECT_TRUE(read_text(scratch.path("bomb.gz"), 3).has_value());
}

// Any text is either a table whose every field can be asked for, or a refusal.
RC_GTEST_PROP(CsvTable, SurvivesAnyText, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('a', 'b', '1', '-', ',', ',', '\n', '\n', '\r', '"', '\0'));
  const auto table = CsvTable::parse("t", text);
  if (!table) {
    RC_ASSERT(table.error().starts_with("t:"));
    return;
  }
  for (std::size_t row = 0; row < table->rows(); ++row) {
    for (const char* name : {"a", "b", ""}) {
      const auto column = table->find(name);
      if (!column) continue;
      RC_ASSERT(table->text(row, *column).find(',') == std::string_view::npos);
      static_cast<void>(table->integer(row, *column, {-5, 5}));
    }
  }
}

}  // namespace
}  // namespace berth::replay
