// SPDX-License-Identifier: Apache-2.0
// Commands and counters for tests of the API: what is asked is kept, and what is answered is the
// test's to say.
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "core/api/exec_source.hpp"
#include "core/api/image_source.hpp"
#include "core/api/stats_source.hpp"

namespace berth::api {

// One command at a time.
class FakeExecs final : public ExecSource {
 public:
  std::unique_ptr<ExecStream> open(ExecQuery query, std::shared_ptr<ExecSink> sink) override {
    const std::lock_guard lock(mutex_);
    query_ = std::move(query);
    sink_ = std::move(sink);
    open_ = true;
    changed_.notify_all();
    return std::make_unique<Stream>(*this);
  }
  std::shared_ptr<ExecSink> await_sink() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return sink_ != nullptr; });
    return sink_;
  }
  void await_closed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return sink_ != nullptr && !open_; });
  }
  void await_granted(std::uint64_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return granted_ >= bytes; });
  }
  std::uint64_t granted() {
    const std::lock_guard lock(mutex_);
    return granted_;
  }
  std::vector<v1::StreamWrite> await_writes(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return writes_.size() >= count; });
    return writes_;
  }
  const ExecQuery& query() const { return query_; }
  bool opened() {
    const std::lock_guard lock(mutex_);
    return sink_ != nullptr;
  }

 private:
  class Stream final : public ExecStream {
   public:
    explicit Stream(FakeExecs& execs) : execs_(execs) {}
    ~Stream() override {
      const std::lock_guard lock(execs_.mutex_);
      execs_.open_ = false;
      execs_.changed_.notify_all();
    }
    void grant(std::uint32_t bytes) override {
      const std::lock_guard lock(execs_.mutex_);
      execs_.granted_ += bytes;
      execs_.changed_.notify_all();
    }
    void write(v1::StreamWrite input) override {
      const std::lock_guard lock(execs_.mutex_);
      execs_.writes_.push_back(std::move(input));
      execs_.changed_.notify_all();
    }

   private:
    FakeExecs& execs_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  ExecQuery query_;
  std::shared_ptr<ExecSink> sink_;
  std::vector<v1::StreamWrite> writes_;
  std::uint64_t granted_ = 0;
  bool open_ = false;
};

class FakeStats final : public StatsSource {
 public:
  void read(const PluginName&, const v1::StatsRequest& request,
            std::function<void(Result<v1::StatsResponse>)> done) override {
    const std::lock_guard lock(mutex_);
    asked.push_back(request);
    const auto found = answers.find(request.node_id());
    if (found == answers.end()) return done(fail(Errc::Unavailable, "node is not connected"));
    done(found->second);
  }

  std::map<std::string, v1::StatsResponse> answers;  // by node
  std::vector<v1::StatsRequest> asked;

 private:
  std::mutex mutex_;
};

// Answers by node; a node without one is not connected.
class FakeImages final : public ImageSource {
 public:
  void list(const PluginName&, const v1::ListImagesRequest& request,
            Done<v1::ListImagesResponse> done) override {
    answer(lists, request.node_id(), std::move(done));
  }
  void pull(const PluginName&, const v1::PullImageRequest& request,
            Done<v1::PullImageResponse> done) override {
    const std::lock_guard lock(mutex_);
    asked_pulls.push_back(request);
    answer(pulls, request.node_id(), std::move(done));
  }
  void prune(const PluginName&, const v1::PruneImagesRequest& request,
             Done<v1::PruneImagesResponse> done) override {
    const std::lock_guard lock(mutex_);
    asked_prunes.push_back(request);
    answer(prunes, request.node_id(), std::move(done));
  }

  std::map<std::string, Result<v1::ListImagesResponse>> lists;
  std::map<std::string, Result<v1::PullImageResponse>> pulls;
  std::map<std::string, Result<v1::PruneImagesResponse>> prunes;
  std::vector<v1::PullImageRequest> asked_pulls;
  std::vector<v1::PruneImagesRequest> asked_prunes;

 private:
  template <typename Response>
  static void answer(const std::map<std::string, Result<Response>>& answers,
                     const std::string& node, Done<Response> done) {
    const auto found = answers.find(node);
    if (found == answers.end()) return done(fail(Errc::Unavailable, "node is not connected"));
    done(found->second);
  }

  std::mutex mutex_;
};

}  // namespace berth::api
