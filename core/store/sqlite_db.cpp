// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_db.hpp"

#include <cstring>

namespace berth::store {
namespace {

Errc errc_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Errc::NoCapacity;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::Unavailable;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Errc::Denied;
    default:
      return Errc::Internal;
  }
}

}  // namespace

Error error_of(sqlite3* db, std::string_view doing) {
  const int code = db == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db);
  std::string message = "store: " + std::string(doing) + ": " +
                        (db == nullptr ? "out of memory" : sqlite3_errmsg(db));
  const int system = db == nullptr ? 0 : sqlite3_system_errno(db);
  if ((code & 0xff) == SQLITE_IOERR && system != 0) {
    message += std::string(" (") + std::strerror(system) + ")";
  }
  return Error{errc_of(code), std::move(message), Subject::Store};
}

Result<void> run(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return tl::unexpected(error_of(db, sql));
  }
  return {};
}

Result<Statement> Statement::prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) {
    return tl::unexpected(error_of(db, sql));
  }
  return Statement(statement);
}

void Statement::bind(int parameter, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}

void Statement::bind(int parameter, std::string_view bytes) {
  // A null pointer would bind NULL, also for an empty value.
  sqlite3_bind_blob64(statement_.get(), parameter, bytes.empty() ? "" : bytes.data(), bytes.size(),
                      SQLITE_STATIC);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* db = sqlite3_db_handle(statement_.get());
  return tl::unexpected(error_of(db, sqlite3_sql(statement_.get())));
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_integer(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER;
}

bool Statement::is_blob(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_BLOB;
}

}  // namespace berth::store
