// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_store.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/store/sqlite_file.hpp"

namespace berth::store {
namespace {

// Bounds how long the first batch of a group waits for the last; a group of this size costs a few
// milliseconds.
constexpr std::size_t kMaxGroup = 1024;

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(SqliteOptions options) : options_(std::move(options)) {}

  ~SqliteStore() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    if (writer_.joinable()) writer_.join();
  }

  Result<Loaded> load() override {
    if (file_) {
      return fail(Errc::Precondition, "store: it is loaded already", Subject::Store);
    }
    auto file = SqliteFile::open(options_.file);
    if (!file) return tl::unexpected(file.error());
    auto loaded = file->load();
    if (!loaded) return tl::unexpected(loaded.error());
    file_.emplace(std::move(*file));
    writer_ = std::thread([this] { write_groups(); });
    return loaded;
  }

  void append(Epoch epoch, Batch batch, std::function<void(Result<Sequence>)> done) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({epoch, std::move(batch), std::move(done)});
    }
    changed_.notify_one();
  }

 private:
  struct Item {
    Epoch epoch;
    Batch batch;
    std::function<void(Result<Sequence>)> done;
  };

  void write_groups() {
    for (;;) {
      std::vector<Item> group;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty()) return;
        while (!queue_.empty() && group.size() < kMaxGroup) {
          group.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      write_group(group);
    }
  }

  void write_group(std::vector<Item>& group) {
    std::vector<Result<Sequence>> results;
    if (!failure_) {
      results = commit(group);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      group[i].done(failure_ ? Result<Sequence>(tl::unexpected(*failure_)) : results[i]);
    }
  }

  // Sets failure_ where the group as a whole did not become durable.
  std::vector<Result<Sequence>> commit(const std::vector<Item>& group) {
    std::vector<Result<Sequence>> results;
    Result<void> ok = file_->begin();
    for (const Item& item : group) {
      if (!ok) break;
      if (item.epoch != file_->epoch()) {
        results.push_back(fail(Errc::Precondition,
                               "store: a batch of epoch " + std::to_string(item.epoch) +
                                   " came when epoch " + std::to_string(file_->epoch()) +
                                   " had begun",
                               Subject::Store));
        continue;
      }
      results.push_back(file_->apply(item.batch));
    }
    if (ok) ok = file_->commit([this] { reach("store.before_commit"); });
    if (ok) {
      reach("store.after_commit");
    } else {
      failure_ = ok.error();
      file_->roll_back();
    }
    return results;
  }

  void reach(std::string_view point) {
    if (options_.checkpoint) options_.checkpoint(point);
  }

  SqliteOptions options_;
  std::optional<SqliteFile> file_;  // of the writer, once it runs
  std::optional<Error> failure_;    // of the writer
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace

std::unique_ptr<Store> make_sqlite_store(SqliteOptions options) {
  return std::make_unique<SqliteStore>(std::move(options));
}

}  // namespace berth::store
