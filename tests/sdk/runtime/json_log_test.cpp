// SPDX-License-Identifier: Apache-2.0
// The log as the monitor writes it and as the agent reads it.
#include "sdk/runtime/log/json_log.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sdk/runtime/log/log_line.hpp"
#include "sdk/runtime/monitor/log_writer.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using monitor::LogWriter;
using Stream = LogWriter::Stream;

constexpr std::int64_t kSecond = 1'000'000'000;

class JsonLog : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "berth-log-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    path_ = dir_ / "log";
  }
  void TearDown() override { fs::remove_all(dir_); }

  LogWriter writer(std::uint64_t max_bytes = 0, std::uint32_t max_files = 1) {
    return LogWriter({path_, max_bytes, max_files});
  }

  static std::vector<std::string> all(JsonLogReader& reader) {
    std::vector<std::string> lines;
    for (;;) {
      auto records = reader.read(3);
      EXPECT_TRUE(records);
      if (!records || records->empty()) return lines;
      for (const auto& record : *records) lines.push_back(record.data);
    }
  }
  std::vector<std::string> read(LogQuery query = {}) {
    auto reader = JsonLogReader::open(path_, query);
    EXPECT_TRUE(reader);
    return all(*reader);
  }
  static bool readable(int fd) {
    pollfd polled{fd, POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
  }

  fs::path dir_;
  std::string path_;
};

using Lines = std::vector<std::string>;

TEST_F(JsonLog, GivesBackWhatWasWritten) {
  {
    auto log = writer();
    log.write(Stream::Stdout, "one\ntw", 1 * kSecond);
    log.write(Stream::Stderr, "bad \"\\\n", 2 * kSecond + 5);
    log.write(Stream::Stdout, "o\n\nend", 3 * kSecond);
    log.finish(4 * kSecond);
  }
  auto reader = JsonLogReader::open(path_);
  ASSERT_TRUE(reader);
  auto records = reader->read(100);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 5u);
  EXPECT_EQ((*records)[0].data, "one");
  EXPECT_EQ((*records)[1].data, "bad \"\\");
  EXPECT_EQ((*records)[1].stream, LogStream::Stderr);
  EXPECT_EQ((*records)[1].time_ns, 2 * kSecond + 5);
  EXPECT_EQ((*records)[2].data, "two");
  EXPECT_EQ((*records)[3].data, "");
  EXPECT_FALSE((*records)[3].partial);
  EXPECT_EQ((*records)[4].data, "end");
  EXPECT_TRUE((*records)[4].partial);
}

TEST_F(JsonLog, SplitsLongLinesAtCharactersAndMarksTheParts) {
  std::string line = std::string(16'383, 'a') + "\xE2\x82\xAC" + std::string(20'000, 'b');
  {
    auto log = writer();
    // Whatever the pieces the output comes in.
    for (std::size_t at = 0; at < line.size(); at += 777)
      log.write(Stream::Stdout, line.substr(at, 777), kSecond);
    log.write(Stream::Stdout, "\n", kSecond);
  }
  auto reader = JsonLogReader::open(path_);
  auto records = reader->read(100);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[0].data, std::string(16'383, 'a'));
  EXPECT_TRUE((*records)[0].partial);
  EXPECT_TRUE((*records)[1].partial);
  EXPECT_FALSE((*records)[2].partial);
  EXPECT_EQ((*records)[0].data + (*records)[1].data + (*records)[2].data, line);
}

TEST_F(JsonLog, ReplacesBytesThatAreNotUtf8) {
  {
    auto log = writer();
    log.write(Stream::Stdout, std::string("a\xFF\xC0\xAF\xED\xA0\x80z\x01\0\n", 11), kSecond);
  }
  EXPECT_EQ(read(),
            Lines{"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\x01" +
                  std::string(1, '\0')});
}

TEST_F(JsonLog, KeepsSoManyFilesOfSoManyBytes) {
  {
    auto log = writer(1000, 3);
    for (int i = 0; i < 100; ++i)
      log.write(Stream::Stdout, "line " + std::to_string(i) + "\n", kSecond);
  }
  for (const char* suffix : {"", ".1", ".2"}) EXPECT_LE(fs::file_size(path_ + suffix), 1000u);
  EXPECT_FALSE(fs::exists(path_ + ".3"));
  const auto lines = read();
  ASSERT_GT(lines.size(), 20u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i], "line " + std::to_string(100 - lines.size() + i))
        << "in order over all files";
  }
}

TEST_F(JsonLog, GivesTheLastLines) {
  {
    auto log = writer(1000, 5);
    for (int i = 0; i < 30; ++i)
      log.write(Stream::Stdout, "line " + std::to_string(i) + "\n", kSecond);
    log.write(Stream::Stdout, std::string(LogWriter::kMaxLine + 10, 'x') + "\nlast", kSecond);
    log.finish(kSecond);
  }
  EXPECT_EQ(read({.tail_lines = 0}), Lines{});
  EXPECT_EQ(read({.tail_lines = 1}), Lines{"last"});
  EXPECT_EQ(read({.tail_lines = 2}),
            (Lines{std::string(LogWriter::kMaxLine, 'x'), std::string(10, 'x'), "last"}));
  const auto twelve = read({.tail_lines = 12});
  ASSERT_EQ(twelve.size(), 13u) << "one line of twelve is two records";
  EXPECT_EQ(twelve.front(), "line 20");
  EXPECT_EQ(read({.tail_lines = 1000}).size(), read().size());
}

TEST_F(JsonLog, GivesWhatCameSinceATime) {
  {
    auto log = writer();
    for (int i = 0; i < 10; ++i) log.write(Stream::Stdout, std::to_string(i) + "\n", i * kSecond);
  }
  EXPECT_EQ(read({.since_ns = 8 * kSecond}), (Lines{"8", "9"}));
  EXPECT_EQ(read({.since_ns = 7 * kSecond, .tail_lines = 2}), (Lines{"8", "9"}));
  EXPECT_EQ(read({.since_ns = 9 * kSecond + 1}), Lines{});
}

TEST_F(JsonLog, FollowsOverRotations) {
  auto reader = JsonLogReader::open(path_);
  ASSERT_TRUE(reader) << "also before there is a log";
  const int fd = reader->fd();
  EXPECT_TRUE(readable(fd)) << "what came before the first look is not missed";
  EXPECT_EQ(all(*reader), Lines{});
  EXPECT_FALSE(readable(fd));
  auto log = writer(300, 4);
  Lines written;
  Lines seen;
  for (int i = 0; i < 60; ++i) {
    written.push_back("line " + std::to_string(i));
    log.write(Stream::Stdout, written.back() + "\n", kSecond);
    if (i % 7 != 0) continue;
    EXPECT_TRUE(readable(reader->fd())) << i;
    for (auto& line : all(*reader)) seen.push_back(std::move(line));
    EXPECT_FALSE(readable(reader->fd())) << i;
  }
  for (auto& line : all(*reader)) seen.push_back(std::move(line));
  EXPECT_EQ(seen, written);
}

TEST_F(JsonLog, GoesOnInTheNextLifeOfTheContainer) {
  auto reader = JsonLogReader::open(path_);
  ASSERT_TRUE(reader);
  Lines seen;
  Lines written;
  for (int life = 0; life < 3; ++life) {
    auto log = writer(400, 3);  // another monitor over the same files
    for (int i = 0; i < 3; ++i) {
      written.push_back("life " + std::to_string(life) + " line " + std::to_string(i));
      log.write(Stream::Stdout, written.back() + "\n", (life * 10 + i) * kSecond);
    }
    log.finish((life * 10 + 5) * kSecond);
    for (auto& line : all(*reader)) seen.push_back(std::move(line));
  }
  EXPECT_EQ(seen, written);
  EXPECT_EQ(read({.tail_lines = 4}), (Lines{written.end() - 4, written.end()}));
  EXPECT_EQ(read({.since_ns = 12 * kSecond}), (Lines{written.end() - 4, written.end()}));
}

TEST_F(JsonLog, GoesOnWhereAFileWasLost) {
  auto log = writer(200, 1);
  log.write(Stream::Stdout, "first\n", kSecond);
  auto reader = JsonLogReader::open(path_);
  EXPECT_EQ(all(*reader), Lines{"first"});
  for (int i = 0; i < 20; ++i)
    log.write(Stream::Stdout, "line " + std::to_string(i) + "\n", kSecond);
  const auto rest = all(*reader);
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back(), "line 19");
}

TEST_F(JsonLog, SkipsDamageAndWaitsForTheEndOfALine) {
  std::ofstream out(path_);
  out << "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}\nrubbish\n{"
         "\"log\":1}\n"
      << "{\"log\":\"b\\n\",\"stream\":\"stdout\",";
  out.flush();
  auto reader = JsonLogReader::open(path_);
  EXPECT_EQ(all(*reader), Lines{"a"});
  out << "\"time\":\"2026-01-01T00:00:00Z\"}\n";
  out.flush();
  EXPECT_EQ(all(*reader), Lines{"b"});
}

TEST(LogLine, ReadsTimesAsOthersWriteThem) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01.5Z"), kSecond + kSecond / 2);
  EXPECT_EQ(parse_rfc3339("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(parse_rfc3339("1970-01-01 00:00:00Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00"), std::nullopt);
  EXPECT_EQ(monitor::rfc3339_nano(*parse_rfc3339("2026-11-23T13:24:20.180047001Z")),
            "2026-11-23T13:24:20.180047001Z");
}

TEST(LogLine, KnowsTheEndOfALineFromABackslashAndAnN) {
  EXPECT_TRUE(ends_output_line(R"({"log":"a\n","stream":"stdout")"));
  EXPECT_TRUE(ends_output_line(R"({"log":"a\\\n","stream":"stdout")"));
  EXPECT_FALSE(ends_output_line(R"({"log":"a\\n","stream":"stdout")"));
  EXPECT_FALSE(ends_output_line(R"({"log":"n","stream":"stdout")"));
}

}  // namespace
}  // namespace berth::runtime
