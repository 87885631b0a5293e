// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/logs.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <mutex>

#include "core/api/json/value.hpp"

namespace berth::api {
namespace {

// What may be under way from the host to here; the client's own pace holds the rest back at the
// source.
constexpr std::uint32_t kCredit = 256 * 1024;

// The meeting point of the source's thread and the connection's.
class Inbox final : public LogSink {
 public:
  void records(std::vector<v1::LogRecord> records, std::uint32_t cost_bytes) override {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      for (const auto& record : records) write_record(text_, record);
      cost_ += cost_bytes;
      wake = wake_;
    }
    if (wake) wake();
  }
  void end(Result<void> result) override {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      ended_ = true;
      result_ = std::move(result);
      wake = wake_;
    }
    if (wake) wake();
  }
  void on_news(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }

  struct Taken {
    std::string text;
    std::uint32_t cost = 0;
    bool ended = false;
    Result<void> result;
  };
  Taken take() {
    const std::lock_guard lock(mutex_);
    Taken taken{std::move(text_), cost_, ended_, result_};
    text_.clear();
    cost_ = 0;
    return taken;
  }

 private:
  std::mutex mutex_;
  std::function<void()> wake_;
  std::string text_;
  std::uint32_t cost_ = 0;
  bool ended_ = false;
  Result<void> result_;
};

class LogBody final : public http::BodySource {
 public:
  LogBody(LogSource& source, LogQuery query) : source_(source), query_(std::move(query)) {}
  ~LogBody() override { inbox_->on_news({}); }

  void start(std::function<void()> wake) override {
    inbox_->on_news(std::move(wake));
    stream_ = source_.open(std::move(query_), kCredit, inbox_);
  }
  Pulled pull(std::string& out) override {
    // The last piece is on its way: what it cost may come again.
    if (sent_ > 0) stream_->grant(sent_);
    Inbox::Taken taken = inbox_->take();
    sent_ = taken.cost;
    out += taken.text;
    if (!taken.ended) return Pulled::More;
    sent_ = 0;
    if (taken.result) return Pulled::End;
    if (broken_) return Pulled::Broken;
    // The error is sent as a line of its own first; then the connection is cut.
    broken_ = true;
    out += "{\"error\":";
    json::write_string(out, taken.result.error().message);
    out += "}\n";
    return Pulled::More;
  }

 private:
  LogSource& source_;
  LogQuery query_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::unique_ptr<LogStream> stream_;
  std::uint32_t sent_ = 0;
  bool broken_ = false;
};

struct LogRequest {
  std::string cluster;
  bool has_cluster = false;
  std::string task;
  LogQuery query;
};

template <typename T>
bool read_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end;
}

Result<LogRequest> parse_request(const http::Request& request) {
  LogRequest parsed;
  const auto invalid = [](const std::string& text, const std::string& name) {
    return fail(Errc::Invalid, text, Subject::Request, name);
  };
  for (const auto& [name, value] : http::parse_query(request.query())) {
    if (name == "task") {
      parsed.task = value;
    } else if (name == "cluster") {
      parsed.cluster = value;
      parsed.has_cluster = true;
    } else if (name == "container") {
      if (!value.empty()) parsed.query.containers.push_back(value);
    } else if (name == "follow") {
      if (value != "true" && value != "false" && value != "1" && value != "0") {
        return invalid("follow should be one of [true,false]", name);
      }
      parsed.query.follow = value == "true" || value == "1";
    } else if (name == "tail") {
      std::int64_t lines = 0;
      if (!read_number(value, lines) || lines < 0) {
        return invalid("tail must be a number of lines.", name);
      }
      parsed.query.tail_lines = lines;
    } else if (name == "since") {
      double seconds = 0;
      if (!read_number(value, seconds) || !(std::fabs(seconds) < 1e11)) {
        return invalid("since must be a time in seconds since 1970.", name);
      }
      parsed.query.since = Instant(milliseconds(std::llround(seconds * 1000)));
    } else if (!name.starts_with("X-Amz-")) {
      return invalid("Unknown parameter '" + name + "'.", name);
    }
  }
  if (parsed.task.empty()) return invalid("task should not be null or empty.", "task");
  return parsed;
}

Result<void> check_containers(const Task& task, const std::vector<std::string>& names) {
  const auto& containers = task.definition->message.container_definitions();
  for (const std::string& name : names) {
    if (std::ranges::find(containers, name, &ecs::ContainerDefinition::name) == containers.end()) {
      return fail(Errc::Invalid, "The task has no container '" + name + "'.", Subject::Request,
                  "container");
    }
  }
  return {};
}

}  // namespace

void write_record(std::string& out, const v1::LogRecord& record) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::chrono::sys_time<std::chrono::nanoseconds> at{
      std::chrono::nanoseconds(record.time_ns())};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::int64_t of_day = (at - day).count();
  char time[64];
  std::snprintf(time, sizeof time, "%04d-%02u-%02uT%02d:%02d:%02d.%09dZ", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), int(of_day / kSecond / 3600),
                int(of_day / kSecond / 60 % 60), int(of_day / kSecond % 60), int(of_day % kSecond));
  out += "{\"container\":";
  json::write_string(out, record.container());
  out += ",\"time\":\"";
  out += time;
  out += record.channel() == v1::StreamChunk::CHANNEL_STDERR ? "\",\"stream\":\"stderr\",\"log\":"
                                                             : "\",\"stream\":\"stdout\",\"log\":";
  json::write_string(out, record.data());
  if (record.partial()) out += ",\"partial\":true";
  out += "}\n";
}

void stream_logs(const std::shared_ptr<const Backend>& backend, LogSource& source,
                 const http::Request& request, const http::Answer& answer) {
  const Call call(backend, "", "", answer);
  auto parsed = parse_request(request);
  if (!parsed) return call.refuse(parsed.error());
  auto cluster = cluster_of(*backend, parsed->has_cluster, parsed->cluster);
  if (!cluster) return call.refuse(cluster.error());
  auto id = id_in_cluster(parsed->task, "task", *cluster);
  if (!id) return call.refuse(id.error());
  call.query(
      [name = *cluster, id = TaskId(*id)](const control::State& state) -> Result<TaskPtr> {
        if (auto known = active_cluster(state, name); !known) {
          return tl::unexpected(known.error());
        }
        auto task = state.task(id);
        if (task == nullptr || task->cluster != name) {
          return fail(Errc::NotFound, "The referenced task was not found.", Subject::Task,
                      id.str());
        }
        return task;
      },
      [&source, query = std::move(parsed->query), answer](const Call& found, TaskPtr task) {
        if (auto known = check_containers(*task, query.containers); !known) {
          return found.refuse(known.error());
        }
        LogQuery full = query;
        full.task = std::move(task);
        http::Response response;
        response.content_type = "application/x-ndjson";
        response.stream = std::make_shared<LogBody>(source, std::move(full));
        answer(std::move(response));
      });
}

}  // namespace berth::api
