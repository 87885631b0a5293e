// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "core/store/checksum.hpp"
#include "core/store/file_lock.hpp"
#include "core/store/schema.hpp"

namespace berth::store {
namespace {

namespace fs = std::filesystem;

fs::path beside(const fs::path& file, const char* suffix) {
  fs::path path = file;
  path += suffix;
  return path;
}

Result<Db> open_db(const fs::path& file, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Db db(raw);
  if (code != SQLITE_OK) return tl::unexpected(error_of(raw, "opening " + file.string()));
  sqlite3_extended_result_codes(raw, 1);
  // Until the file is accepted, closing it must not move the write-ahead log into it.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return db;
}

Result<void> sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return fail(Errc::Internal,
                "store: syncing " + directory.string() + ": " + std::strerror(error),
                Subject::Store);
  }
  ::close(fd);
  return {};
}

// The file appears under its name only when it is complete, so that an empty one is known to be
// damaged.
Result<void> make_file(const fs::path& file) {
  const fs::path fresh = beside(file, ".new");
  std::error_code ignored;
  for (const char* suffix : {"", "-journal", "-wal"}) fs::remove(beside(fresh, suffix), ignored);
  {
    auto db = open_db(fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (!db) return tl::unexpected(db.error());
    if (auto made = make_schema(db->get()); !made) return made;
    sqlite3_db_config(db->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  }
  std::error_code error;
  fs::rename(fresh, file, error);
  if (error) {
    return fail(Errc::Internal, "store: making " + file.string() + ": " + error.message(),
                Subject::Store);
  }
  return sync_directory(file.parent_path());
}

}  // namespace

Result<SqliteFile> SqliteFile::open(const fs::path& given) {
  const fs::path file = fs::absolute(given);
  auto lock = lock_beside(file);
  if (!lock) return tl::unexpected(lock.error());
  const int held = *lock;
  const auto refuse = [held](Error error) {
    ::close(held);
    return tl::unexpected(std::move(error));
  };

  std::error_code ignored;
  const bool had_log = fs::exists(beside(file, "-wal"), ignored);
  if (!fs::exists(file, ignored)) {
    if (had_log) {
      return refuse(damaged(file, "its write-ahead log is there, but the file itself is missing"));
    }
    if (auto made = make_file(file); !made) return refuse(made.error());
  }
  if (fs::exists(beside(file, "-journal"), ignored)) {
    return refuse(damaged(file, "a rollback journal lies beside it, which Berth never leaves"));
  }
  if (auto header = check_header(file); !header) return refuse(header.error());

  auto db = open_db(file, SQLITE_OPEN_READWRITE);
  if (!db) return refuse(db.error());
  SqliteFile opened(held, std::move(*db));
  if (auto ready = opened.prepare(file); !ready) {
    opened.db_.reset();
    const fs::path log = beside(file, "-wal");
    if (!had_log && fs::exists(log, ignored) && fs::file_size(log, ignored) == 0) {
      fs::remove(log, ignored);
    }
    return tl::unexpected(ready.error());
  }
  return opened;
}

SqliteFile::SqliteFile(SqliteFile&& other) noexcept
    : lock_(std::exchange(other.lock_, -1)),
      db_(std::move(other.db_)),
      meta_(other.meta_),
      statements_(std::move(other.statements_)) {
  other.statements_.reset();
}

SqliteFile::~SqliteFile() {
  statements_.reset();
  db_.reset();
  if (lock_ >= 0) ::close(lock_);
}

Result<void> SqliteFile::prepare(const fs::path& file) {
  // Exclusive before the first read: no shared-memory file, and no one else gets in behind the lock
  // file.
  for (const char* sql : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA cell_size_check=ON",
                          "PRAGMA synchronous=FULL", "PRAGMA journal_size_limit=67108864"}) {
    if (auto ok = run(db_.get(), sql); !ok) return refusal_of(file, ok.error());
  }
  if (auto ok = migrate(db_.get(), file); !ok) return ok;
  auto meta = check_records(db_.get(), file);
  if (!meta) return tl::unexpected(meta.error());
  meta_ = *meta;
  auto find = Statement::prepare(db_.get(), "SELECT checksum FROM records WHERE kind=? AND key=?");
  auto put = Statement::prepare(
      db_.get(), "INSERT OR REPLACE INTO records(kind,key,value,checksum) VALUES(?,?,?,?)");
  auto erase = Statement::prepare(db_.get(), "DELETE FROM records WHERE kind=? AND key=?");
  auto update = Statement::prepare(
      db_.get(), "UPDATE meta SET epoch=?,sequence=?,records=?,digest=?,checksum=? WHERE id=1");
  for (auto* statement : {&find, &put, &erase, &update}) {
    if (!*statement) return tl::unexpected(statement->error());
  }
  statements_.emplace(
      Statements{std::move(*find), std::move(*put), std::move(*erase), std::move(*update)});
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return {};
}

Result<Loaded> SqliteFile::load() {
  if (auto ok = begin(); !ok) return tl::unexpected(ok.error());
  meta_.epoch += 1;
  auto wrote = write_meta();
  if (wrote) wrote = run(db_.get(), "COMMIT");
  if (!wrote) {
    roll_back();
    return tl::unexpected(wrote.error());
  }
  Loaded loaded;
  loaded.epoch = meta_.epoch;
  loaded.sequence = meta_.sequence;
  loaded.snapshot.reserve(meta_.records);
  auto rows = Statement::prepare(db_.get(), "SELECT kind,key,value FROM records ORDER BY kind,key");
  if (!rows) return tl::unexpected(rows.error());
  for (;;) {
    auto row = rows->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    loaded.snapshot.push_back({static_cast<Kind>(rows->integer(0)), std::string(rows->bytes(1)),
                               std::string(rows->bytes(2))});
  }
  return loaded;
}

Result<void> SqliteFile::begin() {
  changes_.clear();
  return run(db_.get(), "BEGIN IMMEDIATE");
}

Sequence SqliteFile::apply(const Batch& batch) {
  for (const Change& change : batch) changes_[{change.kind, change.key}] = &change;
  return ++meta_.sequence;
}

Result<void> SqliteFile::commit(const std::function<void()>& before_commit) {
  for (const auto& [key, change] : std::exchange(changes_, {})) {
    if (auto ok = write(*change); !ok) return ok;
  }
  if (auto ok = write_meta(); !ok) return ok;
  if (before_commit) before_commit();
  return run(db_.get(), "COMMIT");
}

void SqliteFile::roll_back() {
  static_cast<void>(run(db_.get(), "ROLLBACK"));
}

Result<void> SqliteFile::write(const Change& change) {
  const auto kind = static_cast<std::int64_t>(change.kind);
  Statement& find = statements_->find;
  find.reset();
  find.bind(1, kind);
  find.bind(2, change.key);
  auto found = find.step();
  if (!found) return tl::unexpected(found.error());
  if (*found) {
    meta_.digest -= static_cast<std::uint64_t>(find.integer(0));
    meta_.records -= 1;
  }
  find.reset();

  Statement& statement = change.erase ? statements_->erase : statements_->put;
  statement.reset();
  statement.bind(1, kind);
  statement.bind(2, change.key);
  if (!change.erase) {
    const std::uint64_t sum =
        record_checksum(static_cast<std::uint8_t>(change.kind), change.key, change.value);
    statement.bind(3, change.value);
    statement.bind(4, static_cast<std::int64_t>(sum));
    meta_.digest += sum;
    meta_.records += 1;
  }
  auto done = statement.step();
  statement.reset();
  if (!done) return tl::unexpected(done.error());
  return {};
}

Result<void> SqliteFile::write_meta() {
  Statement& statement = statements_->meta;
  statement.reset();
  statement.bind(1, static_cast<std::int64_t>(meta_.epoch));
  statement.bind(2, static_cast<std::int64_t>(meta_.sequence));
  statement.bind(3, static_cast<std::int64_t>(meta_.records));
  statement.bind(4, static_cast<std::int64_t>(meta_.digest));
  statement.bind(5, static_cast<std::int64_t>(meta_.checksum()));
  auto done = statement.step();
  statement.reset();
  if (!done) return tl::unexpected(done.error());
  return {};
}

}  // namespace berth::store
