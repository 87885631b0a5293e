// SPDX-License-Identifier: Apache-2.0
#include "core/store/schema.hpp"

#include <array>
#include <fstream>
#include <map>

#include "core/store/checksum.hpp"

namespace berth::store {
namespace {

namespace fs = std::filesystem;

constexpr char kRecordsTable[] =
    "CREATE TABLE records(kind INTEGER NOT NULL,key BLOB NOT NULL,value BLOB NOT NULL,"
    "checksum INTEGER NOT NULL,PRIMARY KEY(kind,key)) WITHOUT ROWID";
constexpr char kMetaTable[] =
    "CREATE TABLE meta(id INTEGER PRIMARY KEY,epoch INTEGER NOT NULL,sequence INTEGER NOT NULL,"
    "records INTEGER NOT NULL,digest INTEGER NOT NULL,checksum INTEGER NOT NULL)";

// Schema 0, which had no checksums.
constexpr char kRecordsTable0[] =
    "CREATE TABLE records(kind INTEGER NOT NULL,key BLOB NOT NULL,value BLOB NOT NULL,"
    "PRIMARY KEY(kind,key)) WITHOUT ROWID";
constexpr char kMetaTable0[] =
    "CREATE TABLE meta(id INTEGER PRIMARY KEY,epoch INTEGER NOT NULL,sequence INTEGER NOT NULL)";

struct Tables {
  const char* records;
  const char* meta;
};
constexpr std::array<Tables, kSchemaVersion + 1> kTables = {Tables{kRecordsTable0, kMetaTable0},
                                                            Tables{kRecordsTable, kMetaTable}};

std::string numbers_of(const Meta& meta) {
  std::string bytes;
  for (const std::uint64_t number : {meta.epoch, meta.sequence, meta.records, meta.digest}) {
    for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(number >> shift));
  }
  return bytes;
}

std::uint32_t big_endian(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Error newer(const fs::path& file, std::int64_t version) {
  return Error{Errc::Precondition,
               "store: " + file.string() + " was written by a newer version of Berth (schema " +
                   std::to_string(version) + ", this one reads up to " +
                   std::to_string(kSchemaVersion) + "); start that version, or restore a backup",
               Subject::Store, file.string()};
}

Result<std::int64_t> pragma(sqlite3* db, const char* sql) {
  auto statement = Statement::prepare(db, sql);
  if (!statement) return tl::unexpected(statement.error());
  auto row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

// Exactly our tables, word for word: a schema that differs is not what the version says.
Result<void> check_tables(sqlite3* db, const Tables& tables, const fs::path& file) {
  auto rows = Statement::prepare(db, "SELECT name,sql FROM sqlite_master WHERE type<>'' ");
  if (!rows) return refusal_of(file, rows.error());
  std::map<std::string, std::string> found;
  for (;;) {
    auto row = rows->step();
    if (!row) return refusal_of(file, row.error());
    if (!*row) break;
    found[std::string(rows->bytes(0))] = std::string(rows->bytes(1));
  }
  if (found !=
      std::map<std::string, std::string>{{"records", tables.records}, {"meta", tables.meta}}) {
    return tl::unexpected(damaged(file, "its tables are not those of its schema version"));
  }
  return {};
}

Result<void> check_structure(sqlite3* db, const fs::path& file) {
  auto rows = Statement::prepare(db, "PRAGMA quick_check(1)");
  if (!rows) return refusal_of(file, rows.error());
  auto row = rows->step();
  if (!row) return refusal_of(file, row.error());
  const std::string verdict(*row ? rows->bytes(0) : "");
  if (verdict != "ok") return tl::unexpected(damaged(file, verdict));
  return {};
}

Result<void> write_meta_row(sqlite3* db, const Meta& meta) {
  auto insert = Statement::prepare(
      db, "INSERT INTO meta(id,epoch,sequence,records,digest,checksum) VALUES(1,?,?,?,?,?)");
  if (!insert) return tl::unexpected(insert.error());
  insert->bind(1, static_cast<std::int64_t>(meta.epoch));
  insert->bind(2, static_cast<std::int64_t>(meta.sequence));
  insert->bind(3, static_cast<std::int64_t>(meta.records));
  insert->bind(4, static_cast<std::int64_t>(meta.digest));
  insert->bind(5, static_cast<std::int64_t>(meta.checksum()));
  auto done = insert->step();
  if (!done) return tl::unexpected(done.error());
  return {};
}

// 0 -> 1: every record gets a checksum, and meta their count and sum.
Result<void> add_checksums(sqlite3* db) {
  Meta meta;
  auto epoch = pragma(db, "SELECT epoch FROM meta WHERE id=1");
  auto sequence = pragma(db, "SELECT sequence FROM meta WHERE id=1");
  if (!epoch) return tl::unexpected(epoch.error());
  if (!sequence) return tl::unexpected(sequence.error());
  meta.epoch = static_cast<std::uint64_t>(*epoch);
  meta.sequence = static_cast<std::uint64_t>(*sequence);
  for (const char* sql :
       {"ALTER TABLE records RENAME TO records0", "DROP TABLE meta", kRecordsTable, kMetaTable}) {
    if (auto ok = run(db, sql); !ok) return ok;
  }
  auto from = Statement::prepare(db, "SELECT kind,key,value FROM records0");
  if (!from) return tl::unexpected(from.error());
  auto into =
      Statement::prepare(db, "INSERT INTO records(kind,key,value,checksum) VALUES(?,?,?,?)");
  if (!into) return tl::unexpected(into.error());
  for (;;) {
    auto row = from->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    const std::uint64_t sum = record_checksum(static_cast<std::uint8_t>(from->integer(0)),
                                              from->bytes(1), from->bytes(2));
    into->reset();
    into->bind(1, from->integer(0));
    into->bind(2, from->bytes(1));
    into->bind(3, from->bytes(2));
    into->bind(4, static_cast<std::int64_t>(sum));
    if (auto done = into->step(); !done) return tl::unexpected(done.error());
    meta.records += 1;
    meta.digest += sum;
  }
  from->reset();
  into->reset();
  if (auto ok = run(db, "DROP TABLE records0"); !ok) return ok;
  return write_meta_row(db, meta);
}

using Step = Result<void> (*)(sqlite3*);
constexpr std::array<Step, kSchemaVersion> kSteps = {add_checksums};  // [n]: from n to n+1

}  // namespace

std::uint64_t Meta::checksum() const {
  return store::checksum(numbers_of(*this));
}

Error damaged(const fs::path& file, const std::string& how) {
  return Error{
      Errc::Internal,
      "store: " + file.string() + " is damaged: " + how +
          ". Nothing was changed; restore it from a backup, or move it away to start empty",
      Subject::Store, file.string()};
}

tl::unexpected<Error> refusal_of(const fs::path& file, Error error) {
  if (error.code == Errc::Internal) return tl::unexpected(damaged(file, error.message));
  return tl::unexpected(std::move(error));
}

Result<void> make_schema(sqlite3* db) {
  const std::string identity = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                               ";PRAGMA user_version=" + std::to_string(kSchemaVersion);
  for (const char* sql : {"PRAGMA synchronous=FULL", "BEGIN IMMEDIATE", identity.c_str(),
                          kRecordsTable, kMetaTable}) {
    if (auto ok = run(db, sql); !ok) return ok;
  }
  if (auto ok = write_meta_row(db, Meta{}); !ok) return ok;
  if (auto ok = run(db, "COMMIT"); !ok) return ok;
  return run(db, "PRAGMA journal_mode=WAL");
}

Result<void> check_header(const fs::path& file) {
  // Offsets are those of SQLite's file format, section 1.3.
  std::array<char, 100> header{};
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return fail(Errc::Denied, "store: " + file.string() + " cannot be read", Subject::Store,
                file.string());
  }
  in.read(header.data(), header.size());
  if (in.gcount() != static_cast<std::streamsize>(header.size())) {
    return tl::unexpected(damaged(file, "it is shorter than a store's header"));
  }
  if (std::string_view(header.data(), 16) != std::string_view("SQLite format 3\0", 16)) {
    return tl::unexpected(damaged(file, "it is no SQLite file"));
  }
  if (big_endian(header.data() + 68) != kApplicationId) {
    return fail(Errc::Precondition,
                "store: " + file.string() +
                    " is not a store of Berth, but some other program's SQLite file",
                Subject::Store, file.string());
  }
  const std::uint32_t version = big_endian(header.data() + 60);
  if (version > kSchemaVersion) return tl::unexpected(newer(file, version));
  if (header[18] != 2 || header[19] != 2) {
    return tl::unexpected(damaged(file, "it is not in write-ahead mode"));
  }
  const std::uint32_t page = static_cast<std::uint32_t>(static_cast<unsigned char>(header[16]))
                                 << 8 |
                             static_cast<unsigned char>(header[17]);
  std::error_code error;
  // A checkpoint that was cut short leaves a file that its log makes whole again, page by page.
  if (const auto log = fs::file_size(fs::path(file) += "-wal", error); !error && log > 0) return {};
  error.clear();
  const auto size = fs::file_size(file, error);
  const std::uint64_t page_size = page == 1 ? 65536 : page;
  if (error || page_size < 512 || size % page_size != 0 ||
      size < page_size * big_endian(header.data() + 28)) {
    return tl::unexpected(damaged(file, "it is cut off"));
  }
  return {};
}

Result<void> migrate(sqlite3* db, const fs::path& file) {
  auto application = pragma(db, "PRAGMA application_id");
  auto version = pragma(db, "PRAGMA user_version");
  if (!application) return refusal_of(file, application.error());
  if (!version) return refusal_of(file, version.error());
  if (*application != static_cast<std::int64_t>(kApplicationId)) {
    return tl::unexpected(damaged(file, "its application id is another in its write-ahead log"));
  }
  if (*version > kSchemaVersion || *version < 0) return tl::unexpected(newer(file, *version));
  const auto from = static_cast<std::size_t>(*version);
  if (auto ok = check_tables(db, kTables[from], file); !ok) return ok;
  if (auto ok = check_structure(db, file); !ok) return ok;
  if (from == kSteps.size()) return {};

  if (auto ok = run(db, "BEGIN IMMEDIATE"); !ok) return ok;
  Result<void> done;
  for (std::size_t step = from; step < kSteps.size() && done; ++step) done = kSteps[step](db);
  if (done) {
    done = run(db, ("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str());
  }
  if (done) done = run(db, "COMMIT");
  if (!done) static_cast<void>(run(db, "ROLLBACK"));
  return done;
}

Result<Meta> check_records(sqlite3* db, const fs::path& file) {
  auto row_of_meta =
      Statement::prepare(db, "SELECT epoch,sequence,records,digest,checksum FROM meta WHERE id=1");
  if (!row_of_meta) return refusal_of(file, row_of_meta.error());
  auto there = row_of_meta->step();
  if (!there) return refusal_of(file, there.error());
  if (!*there) return tl::unexpected(damaged(file, "its row of meta is missing"));
  const auto number = [&](int column) {
    return static_cast<std::uint64_t>(row_of_meta->integer(column));
  };
  const Meta meta{number(0), number(1), number(2), number(3)};
  if (meta.checksum() != number(4)) return tl::unexpected(damaged(file, "its row of meta changed"));

  auto rows = Statement::prepare(db, "SELECT kind,key,value,checksum FROM records");
  if (!rows) return refusal_of(file, rows.error());
  Meta counted = meta;
  counted.records = 0;
  counted.digest = 0;
  for (;;) {
    auto row = rows->step();
    if (!row) return refusal_of(file, row.error());
    if (!*row) break;
    const std::uint64_t sum = record_checksum(static_cast<std::uint8_t>(rows->integer(0)),
                                              rows->bytes(1), rows->bytes(2));
    if (!rows->is_blob(1) || !rows->is_blob(2) ||
        sum != static_cast<std::uint64_t>(rows->integer(3))) {
      return tl::unexpected(damaged(
          file, "the record \"" + std::string(rows->bytes(1)) + "\" does not match its checksum"));
    }
    counted.records += 1;
    counted.digest += sum;
  }
  if (counted.records != meta.records || counted.digest != meta.digest) {
    return tl::unexpected(damaged(file, std::to_string(meta.records) + " records were written, " +
                                            std::to_string(counted.records) + " are there"));
  }
  return meta;
}

}  // namespace berth::store
