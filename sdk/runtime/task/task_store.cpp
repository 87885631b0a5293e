// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <string_view>
#include <utility>

namespace berth::runtime {
namespace {

constexpr int kVersion = 1;
constexpr int kApplicationId = 0x42545453;  // "BTTS"

constexpr const char* kSchema = R"(
CREATE TABLE tasks(task_id TEXT PRIMARY KEY, request BLOB NOT NULL, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ended(task_id TEXT PRIMARY KEY, stopped_ms INTEGER NOT NULL, forgotten_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch(value INTEGER NOT NULL);
INSERT INTO epoch VALUES(0);
)";

// Ends a statement's run on every way out, so that it can be used again.
class Run {
 public:
  explicit Run(sqlite3_stmt* statement) : statement_(statement) {}
  ~Run() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void bind_text(int at, std::string_view text) {
    sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  void bind_blob(int at, std::string_view bytes) {
    sqlite3_bind_blob(statement_, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  }
  void bind_int(int at, std::int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  int step() { return sqlite3_step(statement_); }

 private:
  sqlite3_stmt* statement_;
};

}  // namespace

class TaskStore::Database {
 public:
  explicit Database(std::filesystem::path file) : file_(std::move(file)) {}
  ~Database() {
    for (sqlite3_stmt* statement : {add_, update_, remove_, end_, drop_}) sqlite3_finalize(statement);
    sqlite3_close(handle_);
    if (lock_ >= 0) ::close(lock_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  sdk::Result<void> open();
  sdk::Result<Contents> load();
  sdk::Result<void> write(const Batch& batch);
  sdk::Result<void> run(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fault();
    return {};
  }

 private:
  [[nodiscard]] sdk::Error fault() const {
    if (sqlite3_errcode(handle_) == SQLITE_FULL) {
      return sdk::fail(BERTH_NO_CAPACITY, "no space is left on this host's disk (" + file_.string() + ")");
    }
    return sdk::fail(BERTH_INTERNAL, file_.string() + ": " + sqlite3_errmsg(handle_));
  }
  void set_room_aside();
  sdk::Result<std::int64_t> number(const char* sql);
  sdk::Result<void> check_version();
  sdk::Result<void> prepare(const char* sql, sqlite3_stmt** statement) {
    if (sqlite3_prepare_v2(handle_, sql, -1, statement, nullptr) != SQLITE_OK) return fault();
    return {};
  }
  sdk::Result<void> lock();

  std::filesystem::path file_;
  int lock_ = -1;
  sqlite3* handle_ = nullptr;
  sqlite3_stmt* add_ = nullptr;
  sqlite3_stmt* update_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
  sqlite3_stmt* end_ = nullptr;
  sqlite3_stmt* drop_ = nullptr;
};

sdk::Result<void> TaskStore::Database::lock() {
  const std::string name = file_.string() + ".lock";
  lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return sdk::fail(BERTH_INTERNAL, name + " cannot be made");
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return sdk::fail(BERTH_PRECONDITION, "Another agent uses " + file_.parent_path().string());
  }
  return {};
}

sdk::Result<std::int64_t> TaskStore::Database::number(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (auto made = prepare(sql, &statement); !made) return made.error();
  const int code = sqlite3_step(statement);
  const std::int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (code != SQLITE_ROW) return fault();
  return value;
}

sdk::Result<void> TaskStore::Database::check_version() {
  const auto version = number("PRAGMA user_version");
  if (!version) return version.error();
  const auto application = number("PRAGMA application_id");
  if (!application) return application.error();
  const auto tables = number("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (*version == 0 && *application == 0 && *tables == 0) {
    const std::string make = std::string("BEGIN IMMEDIATE;") + kSchema +
                             "PRAGMA application_id=" + std::to_string(kApplicationId) +
                             ";PRAGMA user_version=" + std::to_string(kVersion) + ";COMMIT;";
    return run(make.c_str());
  }
  if (*application != kApplicationId) {
    return sdk::fail(BERTH_PRECONDITION, file_.string() + " is not an agent's task file");
  }
  if (*version != kVersion) {
    return sdk::fail(BERTH_PRECONDITION, file_.string() + " has version " + std::to_string(*version) +
                                             "; this agent knows up to " + std::to_string(kVersion));
  }
  return {};
}

sdk::Result<void> TaskStore::Database::open() {
  if (auto locked = lock(); !locked) return locked;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file_.c_str(), &handle_, kFlags, nullptr) != SQLITE_OK) return fault();
  sqlite3_extended_result_codes(handle_, 1);
  // First, so that a file that is not ours is not even switched to another journal.
  if (auto fine = check_version(); !fine) return fine;
  // WAL and FULL: a commit is one append and one fsync.
  for (const char* setting : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"}) {
    if (auto set = run(setting); !set) return set;
  }
  const std::pair<const char*, sqlite3_stmt**> statements[] = {
      {"INSERT INTO tasks VALUES(?,?,x'')", &add_},
      {"UPDATE tasks SET state=? WHERE task_id=?", &update_},
      {"DELETE FROM tasks WHERE task_id=?", &remove_},
      {"INSERT OR REPLACE INTO ended VALUES(?,?,?)", &end_},
      {"DELETE FROM ended WHERE task_id=?", &drop_},
  };
  for (const auto& [sql, statement] : statements) {
    if (auto prepared = prepare(sql, statement); !prepared) return prepared;
  }
  set_room_aside();  // as far as there is any
  return {};
}

// Stops and ends are to be written also when containers have filled the disk. What is written and taken out again
// leaves free pages in the file and a journal of that length, both of which are written over from now on.
void TaskStore::Database::set_room_aside() {
  (void)run("PRAGMA wal_autocheckpoint=256;"  // of 4 KiB: the journal never grows beyond its room
            "BEGIN IMMEDIATE;"
            "CREATE TABLE room(bytes BLOB NOT NULL) STRICT;"
            "INSERT INTO room VALUES(zeroblob(2097152));"
            "DROP TABLE room;"
            "COMMIT;");
  if (sqlite3_get_autocommit(handle_) == 0) (void)run("ROLLBACK");
  sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
}

sdk::Result<TaskStore::Contents> TaskStore::Database::load() {
  Contents out;
  if (auto begun = run("UPDATE epoch SET value=value+1"); !begun) return begun.error();
  const auto epoch = number("SELECT value FROM epoch");
  if (!epoch) return epoch.error();
  out.epoch = static_cast<std::uint32_t>(*epoch);

  sqlite3_stmt* read = nullptr;
  if (auto made = prepare("SELECT task_id,request,state FROM tasks ORDER BY task_id", &read); !made) {
    return made.error();
  }
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(read)) == SQLITE_ROW) {
    Task task;
    const int request_size = sqlite3_column_bytes(read, 1);
    const int state_size = sqlite3_column_bytes(read, 2);
    if (!task.request.ParseFromArray(sqlite3_column_blob(read, 1), request_size) ||
        !task.state.ParseFromArray(sqlite3_column_blob(read, 2), state_size)) {
      const std::string id = reinterpret_cast<const char*>(sqlite3_column_text(read, 0));
      sqlite3_finalize(read);
      return sdk::fail(BERTH_INTERNAL, file_.string() + ": the record of task " + id + " is damaged");
    }
    out.tasks.push_back(std::move(task));
  }
  sqlite3_finalize(read);
  if (code != SQLITE_DONE) return fault();

  if (auto made = prepare("SELECT task_id,stopped_ms,forgotten_ms FROM ended ORDER BY task_id", &read); !made) {
    return made.error();
  }
  while ((code = sqlite3_step(read)) == SQLITE_ROW) {
    out.ended.push_back({reinterpret_cast<const char*>(sqlite3_column_text(read, 0)),
                         sqlite3_column_int64(read, 1), sqlite3_column_int64(read, 2)});
  }
  sqlite3_finalize(read);
  if (code != SQLITE_DONE) return fault();
  return out;
}

sdk::Result<void> TaskStore::Database::write(const Batch& batch) {
  for (const v1::StartTaskRequest* request : batch.added) {
    Run add(add_);
    add.bind_text(1, request->task_id());
    add.bind_blob(2, request->SerializeAsString());
    if (add.step() != SQLITE_DONE) return fault();
  }
  for (const auto& [task_id, state] : batch.updated) {
    Run update(update_);
    update.bind_blob(1, state->SerializeAsString());
    update.bind_text(2, *task_id);
    if (update.step() != SQLITE_DONE) return fault();
  }
  for (const Ended& ended : batch.ended) {
    Run remove(remove_);
    remove.bind_text(1, ended.task_id);
    if (remove.step() != SQLITE_DONE) return fault();
    Run end(end_);
    end.bind_text(1, ended.task_id);
    end.bind_int(2, ended.stopped_ms);
    end.bind_int(3, ended.forgotten_ms);
    if (end.step() != SQLITE_DONE) return fault();
  }
  for (const std::string& task_id : batch.dropped) {
    Run drop(drop_);
    drop.bind_text(1, task_id);
    if (drop.step() != SQLITE_DONE) return fault();
  }
  return {};
}

TaskStore::TaskStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
TaskStore::~TaskStore() = default;

sdk::Result<std::unique_ptr<TaskStore>> TaskStore::open(const std::filesystem::path& file) {
  auto database = std::make_unique<Database>(file);
  if (auto opened = database->open(); !opened) return opened.error();
  return std::unique_ptr<TaskStore>(new TaskStore(std::move(database)));
}

sdk::Result<TaskStore::Contents> TaskStore::load() { return database_->load(); }

sdk::Result<void> TaskStore::commit(const Batch& batch) {
  if (auto begun = database_->run("BEGIN IMMEDIATE"); !begun) return begun;
  auto written = database_->write(batch);
  if (written) written = database_->run("COMMIT");
  if (!written) (void)database_->run("ROLLBACK");
  return written;
}

}  // namespace berth::runtime
