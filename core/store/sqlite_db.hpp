// SPDX-License-Identifier: Apache-2.0
// RAII over the C interface of SQLite, as far as the store needs it.
//
// Threads: one at a time. Errors: Result with SQLite's own words; see error_of for the codes.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/model/error.hpp"

namespace berth::store {

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;

// SQLite's last error on `db` as an Error of Subject::Store; `doing` says during what.
[[nodiscard]] Error error_of(sqlite3* db, std::string_view doing);

// Runs statements that return nothing of interest.
[[nodiscard]] Result<void> run(sqlite3* db, const char* sql);

// A prepared statement. Parameters and columns count as SQLite counts them: from 1 and from 0.
class Statement {
 public:
  [[nodiscard]] static Result<Statement> prepare(sqlite3* db, const char* sql);

  void bind(int parameter, std::int64_t value);
  void bind(int parameter, std::string_view bytes);  // as a blob; valid until the next reset

  // True while there is a row.
  [[nodiscard]] Result<bool> step();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string_view bytes(int column) const;  // valid until the next step
  [[nodiscard]] bool is_integer(int column) const;
  [[nodiscard]] bool is_blob(int column) const;

 private:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
};

}  // namespace berth::store
