// SPDX-License-Identifier: Apache-2.0
// The embedded store: one SQLite file, one process, group commits.
//
// Invariants: 1. A file that is damaged, of a newer version or not ours is refused and left as it
// is, byte for byte.
// 2. Batches queued while a commit is under way share the next one.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "core/store/store.hpp"

namespace berth::store {

struct SqliteOptions {
  std::filesystem::path
      file;  // its directory must exist; "FILE.lock" beside it keeps other processes away
  // Told where the writer stands, on its thread: "store.before_commit", "store.after_commit". For
  // tests that kill the process there.
  std::function<void(std::string_view)> checkpoint{};
};

// Touches nothing before load(). Destroying it commits what is queued.
// Errors of load, besides Store's: Unavailable where another process has the file, NotFound where
// its directory is missing, Denied where it may not be written.
[[nodiscard]] std::unique_ptr<Store> make_sqlite_store(SqliteOptions options);

}  // namespace berth::store
