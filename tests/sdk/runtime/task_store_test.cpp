// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>
#include <sstream>

#include "tests/sdk/runtime/task_support.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::request_of;

class TaskStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "berth-task-store-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }
  [[nodiscard]] fs::path file() const { return directory_ / "tasks.db"; }

  static std::string bytes_of(const fs::path& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  void run_sql(const char* sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(handle);
  }

  fs::path directory_;
};

TEST_F(TaskStoreTest, ReadsBackWhatWasCommitted) {
  const auto request = request_of({{.name = "web"}});
  TaskState state;
  state.set_stop_wanted(true);
  {
    auto store = TaskStore::open(file());
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->load());
    TaskStore::Batch batch;
    batch.added.push_back(&request);
    batch.updated.push_back({&request.task_id(), &state});
    ASSERT_TRUE((*store)->commit(batch));
  }
  auto store = TaskStore::open(file());
  ASSERT_TRUE(store);
  auto contents = (*store)->load();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->tasks.size(), 1U);
  EXPECT_EQ(contents->tasks[0].request.SerializeAsString(), request.SerializeAsString());
  EXPECT_TRUE(contents->tasks[0].state.stop_wanted());
  EXPECT_EQ(contents->epoch, 2U);
}

TEST_F(TaskStoreTest, RemembersForgottenTasksUntilTheyAreDropped) {
  const auto request = request_of({{.name = "web"}});
  const TaskState state;
  auto store = TaskStore::open(file());
  ASSERT_TRUE(store);
  TaskStore::Batch first;
  first.added.push_back(&request);
  first.updated.push_back({&request.task_id(), &state});
  ASSERT_TRUE((*store)->commit(first));
  TaskStore::Batch second;
  second.ended.push_back({request.task_id(), 5, 7});
  ASSERT_TRUE((*store)->commit(second));
  auto contents = (*store)->load();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->tasks.empty());
  ASSERT_EQ(contents->ended.size(), 1U);
  EXPECT_EQ(contents->ended[0].forgotten_ms, 7);
  TaskStore::Batch third;
  third.dropped.push_back(request.task_id());
  ASSERT_TRUE((*store)->commit(third));
  EXPECT_TRUE((*store)->load()->ended.empty());
}

TEST_F(TaskStoreTest, CommitsAllOfABatchOrNothing) {
  const auto request = request_of({{.name = "web"}});
  auto store = TaskStore::open(file());
  ASSERT_TRUE(store);
  TaskStore::Batch batch;
  batch.ended.push_back({"other", 1, 1});
  batch.added = {&request, &request};  // the second breaks the primary key
  EXPECT_FALSE((*store)->commit(batch));
  auto contents = (*store)->load();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->tasks.empty());
  EXPECT_TRUE(contents->ended.empty());
}

TEST_F(TaskStoreTest, RefusesASecondUserOfTheFile) {
  auto store = TaskStore::open(file());
  ASSERT_TRUE(store);
  auto second = TaskStore::open(file());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, BERTH_PRECONDITION);
}

TEST_F(TaskStoreTest, RefusesANewerFileAndLeavesItAlone) {
  ASSERT_TRUE(TaskStore::open(file()));
  run_sql("PRAGMA user_version=99; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
  const std::string before = bytes_of(file());
  auto store = TaskStore::open(file());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().status, BERTH_PRECONDITION);
  EXPECT_THAT(store.error().message, HasSubstr("version 99"));
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(TaskStoreTest, RefusesAFileOfAnotherProgram) {
  run_sql("CREATE TABLE theirs(x)");
  const std::string before = bytes_of(file());
  EXPECT_FALSE(TaskStore::open(file()));
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(TaskStoreTest, RefusesGarbage) {
  std::ofstream(file()) << std::string(5000, 'x');
  const std::string before = bytes_of(file());
  EXPECT_FALSE(TaskStore::open(file()));
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(TaskStoreTest, RefusesARecordThatIsDamaged) {
  ASSERT_TRUE(TaskStore::open(file()));
  run_sql("INSERT INTO tasks VALUES('t',x'ffff',x'')");
  auto store = TaskStore::open(file());
  ASSERT_TRUE(store);
  auto contents = (*store)->load();
  ASSERT_FALSE(contents);
  EXPECT_THAT(contents.error().message, HasSubstr("damaged"));
}

}  // namespace
}  // namespace berth::runtime
