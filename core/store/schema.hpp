// SPDX-License-Identifier: Apache-2.0
// What a store file looks like inside, how it is recognised, checked and brought up to date.
//
// Layout (schema 1): records(kind, key, value, checksum), and one row of meta. Meta's digest is the
// sum of all records' checksums, so that a row can neither change nor vanish unnoticed. Threads:
// one at a time.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/model/error.hpp"
#include "core/store/sqlite_db.hpp"

namespace berth::store {

inline constexpr std::uint32_t kApplicationId = 0x42727468;  // "Brth"
inline constexpr std::int64_t kSchemaVersion = 1;

struct Meta {
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  std::uint64_t records = 0;
  std::uint64_t digest = 0;
  [[nodiscard]] std::uint64_t checksum() const;
};

// Errors that say which file is at fault and what to do.
[[nodiscard]] Error damaged(const std::filesystem::path& file, const std::string& how);
// What SQLite found wrong, as such an error where it means damage.
[[nodiscard]] tl::unexpected<Error> refusal_of(const std::filesystem::path& file, Error error);

// Fills an empty database and leaves it in WAL mode.
[[nodiscard]] Result<void> make_schema(sqlite3* db);

// Looks at the first page without SQLite, which might repair what it should not touch.
// Errors: Precondition for another program's file or a newer version, Internal for damage, Denied.
[[nodiscard]] Result<void> check_header(const std::filesystem::path& file);

// Checks version and schema, and migrates an older file in one transaction.
[[nodiscard]] Result<void> migrate(sqlite3* db, const std::filesystem::path& file);

// Checks the structure and every record of a file of this version.
[[nodiscard]] Result<Meta> check_records(sqlite3* db, const std::filesystem::path& file);

}  // namespace berth::store
