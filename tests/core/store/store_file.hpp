// SPDX-License-Identifier: Apache-2.0
// A store file in a directory of its own, and what tests do to it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>

#include "core/store/sqlite_store.hpp"

namespace berth::store {

class StoreFile {
 public:
  StoreFile() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-store-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~StoreFile() { std::filesystem::remove_all(directory_); }
  StoreFile(const StoreFile&) = delete;
  StoreFile& operator=(const StoreFile&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path path() const { return directory_ / "berth.db"; }
  [[nodiscard]] std::unique_ptr<Store> store() const { return make_sqlite_store({path()}); }

  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void overwrite(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  std::filesystem::path directory_;
};

// Appends and waits until the batch is durable or has failed.
inline Result<Sequence> append_now(Store& store, Epoch epoch, Batch batch) {
  std::promise<Result<Sequence>> promise;
  auto answer = promise.get_future();
  store.append(epoch, std::move(batch),
               [&promise](Result<Sequence> result) { promise.set_value(std::move(result)); });
  return answer.get();
}

inline Change put(Kind kind, std::string key, std::string value) {
  return {kind, std::move(key), std::move(value)};
}

// All records as one comparable text.
inline std::string text_of(const Loaded& loaded) {
  std::string text;
  for (const Record& record : loaded.snapshot) {
    text += std::to_string(static_cast<int>(record.kind)) + " " + record.key + "=" + record.value +
            "\n";
  }
  return text;
}

}  // namespace berth::store
