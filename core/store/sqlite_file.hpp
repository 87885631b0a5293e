// SPDX-License-Identifier: Apache-2.0
// One store file, open and checked: read whole once, then written in groups of batches.
//
// Threads: one at a time. Owns: the database handle and the lock on FILE.lock.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/store/schema.hpp"
#include "core/store/sqlite_db.hpp"
#include "core/store/store.hpp"

namespace berth::store {

class SqliteFile {
 public:
  // Locks, checks all of it, migrates where it is older, makes it where it is missing.
  // Errors: see make_sqlite_store; the file is unchanged then.
  [[nodiscard]] static Result<SqliteFile> open(const std::filesystem::path& file);

  SqliteFile(SqliteFile&& other) noexcept;
  SqliteFile& operator=(SqliteFile&&) = delete;
  ~SqliteFile();

  // Begins the next epoch and reads everything.
  [[nodiscard]] Result<Loaded> load();

  // A group of batches in one transaction: begin, any number of apply, commit. Of a record that
  // changes several times in it the last change is written. The batches live until then. After an
  // error nothing of the group counts, and the object is good for destruction only.
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Sequence apply(const Batch& batch);
  [[nodiscard]] Result<void> commit(const std::function<void()>& before_commit = {});
  void roll_back();

  [[nodiscard]] Epoch epoch() const { return meta_.epoch; }

 private:
  struct Statements {
    Statement find;
    Statement put;
    Statement erase;
    Statement meta;
  };

  SqliteFile(int lock, Db db) : lock_(lock), db_(std::move(db)) {}
  [[nodiscard]] Result<void> prepare(const std::filesystem::path& file);
  [[nodiscard]] Result<void> write_meta();
  [[nodiscard]] Result<void> write(const Change& change);

  int lock_;
  Db db_;
  Meta meta_;
  std::optional<Statements> statements_;
  std::map<std::pair<Kind, std::string_view>, const Change*> changes_;  // of the group
};

}  // namespace berth::store
