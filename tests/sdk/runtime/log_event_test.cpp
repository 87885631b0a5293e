// SPDX-License-Identifier: Apache-2.0
// From records to events, and the files in between: what waits to be sent, and what gets lost.
#include "sdk/runtime/logship/log_event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "sdk/runtime/monitor/log_writer.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using monitor::LogWriter;

constexpr auto kOut = LogStream::Stdout;
constexpr auto kErr = LogStream::Stderr;

class Assembled {
 public:
  explicit Assembled(EventAssembler assembler) : assembler_(std::move(assembler)) {}
  void take(LogStream stream, const std::string& data, bool partial = false) {
    const LogPosition before{{1, 0}, count_++};
    assembler_.take({static_cast<std::int64_t>(count_), stream, data, partial}, before, {{1, 0}, count_}, events);
  }
  void flush() { assembler_.flush(events); }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (const auto& event : events) out.push_back(event.text);
    return out;
  }
  std::vector<LogEvent> events;

 private:
  EventAssembler assembler_;
  std::uint64_t count_ = 0;
};

TEST(LogEvents, AreLinesOrWhatBelongsToOne) {
  Assembled one{EventAssembler(1000)};
  one.take(kOut, "a");
  one.take(kOut, "long ", true);
  one.take(kErr, "between");
  one.take(kOut, "line");
  EXPECT_THAT(one.texts(), ElementsAre("a", "between", "long line"));
  EXPECT_EQ(one.events[0].safe.offset, 1U);
  EXPECT_EQ(one.events[1].safe.offset, 1U) << "the open line begins there";
  EXPECT_EQ(one.events[2].safe.offset, 4U);
  EXPECT_EQ(one.events[2].time_ns, 2) << "of its beginning";
}

TEST(LogEvents, JoinLinesUntilOneThatBeginsAnEvent) {
  Assembled one{EventAssembler(1000, [](std::string_view line) { return line.starts_with("["); })};
  one.take(kOut, "[1] a");
  one.take(kOut, "  at b");
  one.take(kOut, "[2]");
  EXPECT_THAT(one.texts(), ElementsAre("[1] a\n  at b"));
  EXPECT_EQ(one.events[0].safe.offset, 2U);
  one.flush();
  EXPECT_THAT(one.texts(), ElementsAre("[1] a\n  at b", "[2]"));
  EXPECT_EQ(one.events[1].safe.offset, 3U);
}

TEST(LogEvents, EndWhereTheyWouldGetTooLong) {
  Assembled one{EventAssembler(8, [](std::string_view) { return false; })};
  for (int i = 0; i < 3; ++i) one.take(kOut, "four");
  one.flush();
  EXPECT_THAT(one.texts(), ElementsAre("four", "four", "four"));
}

// A reader that starts again at any event's safe position loses nothing of what came after that event.
TEST(LogEventsProperties, ASafePositionLosesNothing) {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    std::vector<LogRecord> records;
    for (int i = 0; i < 40; ++i) {
      const LogStream stream = random() % 2 == 0 ? kOut : kErr;
      records.push_back({i, stream, (random() % 3 == 0 ? "[" : "x") + std::to_string(i), random() % 4 == 0});
    }
    const bool multi = random() % 2 == 0;
    const auto run = [&](std::size_t from) {
      EventAssembler assembler(1 << 20, multi ? EventAssembler::Begins([](std::string_view l) { return l.starts_with("["); })
                                              : EventAssembler::Begins());
      std::vector<LogEvent> events;
      for (std::size_t i = from; i < records.size(); ++i) {
        assembler.take(records[i], {{1, 0}, i}, {{1, 0}, i + 1}, events);
      }
      assembler.flush(events);
      return events;
    };
    const auto all = run(0);
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
      std::string rest;
      for (const auto& event : run(all[cut].safe.offset)) rest += event.text + "|";
      for (std::size_t later = cut + 1; later < all.size(); ++later) {
        const std::string last = all[later].text.substr(all[later].text.find_last_of("[x"));
        ASSERT_NE(rest.find(last), std::string::npos) << "seed " << seed << " cut " << cut;
      }
    }
  }
}

class LogSpool : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "berth-spool-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }
  [[nodiscard]] std::string log() const { return directory_ / "json.log"; }
  [[nodiscard]] std::string cursor() const { return directory_ / "cursor"; }
  LogWriter writer(bool waits) { return LogWriter({log(), 4096, 3, cursor(), waits}); }
  // As many lines as a file holds, and a little more.
  static void fill(LogWriter& writer, const std::string& mark) {
    for (int i = 0; i < 12; ++i) {
      writer.write(LogWriter::Stream::Stdout, mark + std::string(300, '.') + "\n", 1'000'000'000 + i);
    }
  }
  // A reader that takes all that is there and says so.
  std::size_t take_all() {
    auto reader = JsonLogReader::open(log(), {.from = state::read_position(cursor())});
    std::size_t count = 0;
    for (;;) {
      auto records = reader->read();
      if (records->empty()) break;
      count += records->size();
    }
    state::write_position(cursor(), *reader->position());
    return count;
  }
  fs::path directory_;
};

TEST_F(LogSpool, IsFullUntilItsReaderHasTakenTheOldestFile) {
  LogWriter log = writer(true);
  std::size_t written = 0;
  for (; !log.full(); written += 12) {
    ASSERT_LT(written, 120U) << "it never gets full";
    fill(log, "a");
  }
  EXPECT_GE(written, 24U);
  EXPECT_EQ(take_all(), written) << "nothing was rotated away";
  EXPECT_FALSE(log.full());
  fill(log, "b");
  EXPECT_EQ(take_all(), 12U);
  EXPECT_FALSE(fs::exists(this->log() + ".dropped"));
}

TEST_F(LogSpool, CountsWhatIsRotatedAwayUnsent) {
  LogWriter log = writer(false);
  std::size_t written = 0;
  for (; written < 120; written += 12) fill(log, "a");
  EXPECT_FALSE(log.full());
  const std::size_t left = take_all();
  EXPECT_LT(left, written);
  EXPECT_EQ(static_cast<std::size_t>(state::read_lines(this->log() + ".dropped")->number("records")), written - left);
}

TEST_F(LogSpool, LosesNothingWhereTheReaderKeepsUp) {
  LogWriter log = writer(false);
  std::size_t taken = 0;
  for (int i = 0; i < 20; ++i) {
    fill(log, "a");
    taken += take_all();
  }
  EXPECT_EQ(taken, 240U);
  EXPECT_FALSE(fs::exists(this->log() + ".dropped"));
}

TEST_F(LogSpool, KeepsNothingWithoutAPath) {
  LogWriter log({});
  fill(log, "a");
  log.finish(1);
  EXPECT_TRUE(fs::is_empty(directory_));
}

}  // namespace
}  // namespace berth::runtime
