// SPDX-License-Identifier: Apache-2.0
// Files that the store must not touch: damaged, foreign, newer; and old ones that it brings up to
// date.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/store/schema.hpp"
#include "tests/core/store/store_file.hpp"

namespace berth::store {
namespace {

// A file with a few hundred records over several pages, closed cleanly. Returns its content.
std::string fill(const StoreFile& file) {
  auto store = file.store();
  const Epoch epoch = store->load()->epoch;
  Batch batch;
  for (int i = 0; i < 120; ++i) {
    batch.push_back(
        put(static_cast<Kind>(1 + i % 6), "key-" + std::to_string(i),
            std::string(static_cast<std::size_t>(i * 3), static_cast<char>('a' + i % 26))));
  }
  batch.push_back(put(Kind::Task, "large", std::string(9000, 'L')));
  EXPECT_TRUE(append_now(*store, epoch, batch));
  store.reset();
  auto loaded = file.store()->load();
  return text_of(*loaded);
}

void expect_refused(const StoreFile& file, Errc code, const std::string& says) {
  const std::string before = file.bytes();
  const auto loaded = file.store()->load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, code) << loaded.error().message;
  EXPECT_EQ(loaded.error().subject, Subject::Store);
  EXPECT_NE(loaded.error().message.find(says), std::string::npos) << loaded.error().message;
  EXPECT_NE(loaded.error().message.find(file.path().string()), std::string::npos);
  EXPECT_TRUE(file.bytes() == before) << "the file was changed";
}

std::string with_number(std::string bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<char>(value >> (24 - 8 * i));
  return bytes;
}

TEST(StoreRefusal, LeavesATruncatedFileAlone) {
  StoreFile file;
  fill(file);
  const std::string whole = file.bytes();
  for (const std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{4096},
                                 whole.size() / 2, whole.size() - 1, whole.size() - 4096}) {
    file.overwrite(whole.substr(0, size));
    expect_refused(file, Errc::Internal, "is damaged");
  }
}

TEST(StoreRefusal, MakesWholeWhatACheckpointLeftCutOff) {
  StoreFile file;
  fill(file);
  const std::filesystem::path log = file.path().string() + "-wal";
  std::string written;
  {
    auto store = file.store();
    const Epoch epoch = store->load()->epoch;
    Batch batch;
    for (int i = 0; i < 50; ++i) {
      batch.push_back(put(Kind::Task, "later-" + std::to_string(i), std::string(3000, 'n')));
    }
    ASSERT_TRUE(append_now(*store, epoch, batch));
    std::ifstream in(log, std::ios::binary);
    written.assign(std::istreambuf_iterator<char>(in), {});
  }
  ASSERT_FALSE(written.empty());
  const std::string whole = file.bytes();
  const std::string all = text_of(*file.store()->load());
  // The header names the new length already, and the last pages are not there yet.
  file.overwrite(whole.substr(0, whole.size() - 2 * 4096));
  std::ofstream(log, std::ios::binary) << written;
  const auto loaded = file.store()->load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(text_of(*loaded), all);
}

TEST(StoreRefusal, LeavesGarbageAlone) {
  StoreFile file;
  file.overwrite(std::string(10000, 'g'));
  expect_refused(file, Errc::Internal, "no SQLite file");
  file.overwrite("SQLite format 3");
  expect_refused(file, Errc::Internal, "shorter than");
}

TEST(StoreRefusal, LeavesANewerFileAlone) {
  StoreFile file;
  fill(file);
  file.overwrite(with_number(file.bytes(), 60, 2));
  expect_refused(file, Errc::Precondition,
                 "newer version of Berth (schema 2, this one reads up to 1)");
}

TEST(StoreRefusal, LeavesAnotherProgramsFileAlone) {
  StoreFile file;
  fill(file);
  file.overwrite(with_number(file.bytes(), 68, 0x12345678));
  expect_refused(file, Errc::Precondition, "not a store of Berth");
}

TEST(StoreRefusal, NeverTakesADamagedRecordForAGoodOne) {
  StoreFile file;
  const std::string content = fill(file);
  const std::string whole = file.bytes();
  int refused = 0;
  int harmless = 0;
  for (std::size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 131) {
    for (const char mask : {'\x01', '\x80'}) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ mask);
      file.overwrite(flipped);
      const auto loaded = file.store()->load();
      if (loaded) {
        ++harmless;  // a byte that means nothing: unused space, change counters
        ASSERT_EQ(text_of(*loaded), content) << "byte " << at;
      } else {
        ++refused;
        ASSERT_EQ(loaded.error().subject, Subject::Store);
        ASSERT_TRUE(file.bytes() == flipped) << "byte " << at << ": the file was changed";
      }
      std::filesystem::remove(file.path().string() + "-wal");
    }
  }
  EXPECT_GT(refused, harmless) << "records fill most of this file";
}

TEST(StoreRefusal, NamesTheRecordWhoseValueChanged) {
  StoreFile file;
  fill(file);
  std::string bytes = file.bytes();
  const std::size_t at = bytes.find("LLLL");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1] = 'l';
  file.overwrite(bytes);
  expect_refused(file, Errc::Internal, "the record \"large\" does not match its checksum");
}

TEST(StoreRefusal, NoticesAMissingFileWhoseLogIsThere) {
  StoreFile file;
  std::ofstream(file.path().string() + "-wal") << "left over";
  const auto loaded = file.store()->load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::Internal);
  EXPECT_FALSE(std::filesystem::exists(file.path()));
}

TEST(StoreRefusal, SaysThatTheDirectoryIsMissing) {
  StoreFile file;
  const auto loaded = make_sqlite_store({file.directory() / "no" / "berth.db"})->load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::NotFound);
  EXPECT_NE(loaded.error().message.find("/no does not exist"), std::string::npos);
}

TEST(StoreRefusal, SaysThatTheDirectoryIsNotWritable) {
  StoreFile file;
  fill(file);
  std::filesystem::remove(file.path().string() + ".lock");
  chmod(file.directory().c_str(), 0555);
  const bool root = geteuid() == 0;
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const auto loaded = file.store()->load();
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  chmod(file.directory().c_str(), 0700);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::Denied) << loaded.error().message;
}

class OldFile {
 public:
  explicit OldFile(const StoreFile& file) {
    sqlite3* raw = nullptr;
    sqlite3_open(file.path().c_str(), &raw);
    db_.reset(raw);
    // Schema 0, written out: what the migration reads must not follow the code.
    for (const char* sql :
         {"PRAGMA journal_mode=WAL", "PRAGMA application_id=1114797160", "PRAGMA user_version=0",
          "CREATE TABLE records(kind INTEGER NOT NULL,key BLOB NOT NULL,value BLOB NOT NULL,"
          "PRIMARY KEY(kind,key)) WITHOUT ROWID",
          "CREATE TABLE meta(id INTEGER PRIMARY KEY,epoch INTEGER NOT NULL,sequence INTEGER NOT "
          "NULL)",
          "INSERT INTO meta VALUES(1,4,17)",
          "INSERT INTO records VALUES(1,x'61',x'0102'),(4,x'62',x''),(4,x'63',x'33')"}) {
      EXPECT_TRUE(store::run(db_.get(), sql));
    }
  }
  void execute(const char* sql) { EXPECT_TRUE(store::run(db_.get(), sql)); }

 private:
  Db db_;
};

TEST(StoreMigration, BringsAFileOfSchemaZeroUpToDate) {
  StoreFile file;
  { OldFile old(file); }
  for (const Epoch epoch : {5u, 6u}) {  // migrated, then read as it is now
    const auto loaded = file.store()->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->epoch, epoch);
    EXPECT_EQ(loaded->sequence, 17u);
    EXPECT_EQ(text_of(*loaded), "1 a=\x01\x02\n4 b=\n4 c=3\n");
  }
}

TEST(StoreMigration, RefusesAnOldFileWhoseTablesAreNotThoseOfItsVersion) {
  StoreFile file;
  {
    OldFile old(file);
    old.execute("ALTER TABLE records ADD COLUMN surprise");
  }
  expect_refused(file, Errc::Internal, "its tables are not those of its schema version");
}

}  // namespace
}  // namespace berth::store
