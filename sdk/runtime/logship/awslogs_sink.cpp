// SPDX-License-Identifier: Apache-2.0
// CloudWatch Logs, by its JSON 1.1 protocol.
#include <boost/json.hpp>
#include <boost/regex.hpp>
#include <utility>

#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/logship/log_sinks.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;
using sdk::Result;

// What PutLogEvents takes at once.
constexpr std::size_t kMostEvents = 10'000;
constexpr std::size_t kMostBytes = 1'048'576;
constexpr std::size_t kEventOverhead = 26;
constexpr std::int64_t kMostSpanMs = 24LL * 3600 * 1000;

std::string stream_of(const AwsLogsOptions& options, const LogShipment& shipment) {
  if (!options.stream.empty()) return options.stream;
  if (options.stream_prefix.empty()) return shipment.container_id();
  return options.stream_prefix + "/" + shipment.container() + "/" + shipment.task_id();
}

std::string endpoint_of(const AwsLogsOptions& options) {
  if (!options.endpoint.empty()) return options.endpoint;
  return "https://logs." + options.region + (options.region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
}

// What a call was answered with: a document, or the short name of an error and its text.
struct Answer {
  json::object document;
  std::string error;
  std::string message;
  int status = 200;
};

std::string text_at(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::int64_t number_at(const json::object& object, const char* key, std::int64_t otherwise) {
  const auto* value = object.if_contains(key);
  return value && value->is_int64() ? value->as_int64() : otherwise;
}

class AwsLogsSink : public LogSink {
 public:
  AwsLogsSink(const AwsLogsOptions& options, const LogShipment& shipment, const LogOutside& outside)
      : options_(options), stream_(stream_of(options, shipment)), endpoint_(endpoint_of(options)), outside_(outside) {}

  Result<void> prepare(std::stop_token cancel) override {
    if (!options_.create_stream) return {};
    auto made = create("CreateLogStream", {{"logGroupName", options_.group}, {"logStreamName", stream_}}, cancel);
    if (made || made.error().status != BERTH_NOT_FOUND || !options_.create_group) return made;
    if (auto group = create("CreateLogGroup", {{"logGroupName", options_.group}}, cancel); !group) return group;
    return create("CreateLogStream", {{"logGroupName", options_.group}, {"logStreamName", stream_}}, cancel);
  }

  Result<Sent> send(std::span<const LogEvent> events, std::stop_token cancel) override {
    Sent sent;
    json::array batch = take_batch(events, sent.events);
    if (batch.empty()) return sent;  // empty lines, which CloudWatch does not take
    const std::size_t count = batch.size();
    const json::object request{
        {"logGroupName", options_.group}, {"logStreamName", stream_}, {"logEvents", std::move(batch)}};
    auto answer = call("PutLogEvents", request, cancel);
    if (answer && answer->error == "ResourceNotFoundException") {
      // Somebody has removed it, or there was none yet.
      if (auto made = prepare(cancel); !made) return made.error();
      answer = call("PutLogEvents", request, cancel);
    }
    if (!answer) return answer.error();
    if (answer->error == "DataAlreadyAcceptedException") return sent;
    if (answer->error == "InvalidParameterException") {
      sent.refused = count;
      return sent;
    }
    if (!answer->error.empty()) return failure("PutLogEvents", *answer);
    sent.refused = refused(answer->document, count);
    return sent;
  }

  std::string receiver() const override { return endpoint_ + " " + options_.group; }

  EventAssembler assembler() const override {
    if (options_.begin_pattern.empty()) return EventAssembler(kMostEvent);
    return EventAssembler(kMostEvent, [pattern = boost::regex(options_.begin_pattern)](std::string_view line) {
      try {
        return boost::regex_search(line.begin(), line.end(), pattern);
      } catch (const std::exception&) {
        return false;  // an expression that is too much work for this line
      }
    });
  }
  std::chrono::milliseconds linger() const override { return std::chrono::milliseconds(1'000); }

 private:
  // The longest front that one call takes: events in the order of time within 24 hours.
  static json::array take_batch(std::span<const LogEvent> events, std::size_t& taken) {
    json::array batch;
    std::size_t bytes = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    for (const LogEvent& event : events) {
      const std::int64_t at = event.time_ns / 1'000'000;
      if (!event.text.empty()) {
        bytes += event.text.size() + kEventOverhead;
        const bool fits = batch.size() < kMostEvents && bytes <= kMostBytes && at >= last && at - first < kMostSpanMs;
        if (!batch.empty() && !fits) break;
        if (batch.empty()) first = at;
        last = at;
        batch.push_back(json::object{{"timestamp", at}, {"message", event.text}});
      }
      ++taken;
    }
    return batch;
  }

  static std::size_t refused(const json::object& document, std::size_t count) {
    const auto* info = document.if_contains("rejectedLogEventsInfo");
    if (!info || !info->is_object()) return 0;
    const auto all = static_cast<std::int64_t>(count);
    const auto& object = info->as_object();
    const std::int64_t old = std::max(number_at(object, "tooOldLogEventEndIndex", 0), number_at(object, "expiredLogEventEndIndex", 0));
    const std::int64_t fresh = number_at(object, "tooNewLogEventStartIndex", all);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(old + (all - fresh), 0, all));
  }

  Result<void> create(const char* operation, const json::object& request, std::stop_token cancel) {
    auto answer = call(operation, request, cancel);
    if (!answer) return answer.error();
    if (answer->error.empty() || answer->error == "ResourceAlreadyExistsException") return {};
    return failure(operation, *answer);
  }

  sdk::Error failure(const char* operation, const Answer& answer) const {
    const std::string text = std::string("CloudWatch Logs ") + operation + " for log group " + options_.group + ": " + answer.error +
                             (answer.message.empty() ? "" : ": " + answer.message);
    if (answer.error == "ResourceNotFoundException") return sdk::fail(BERTH_NOT_FOUND, text);
    if (answer.status >= 500 || answer.status == 429 || answer.error.find("Throttl") != std::string::npos ||
        answer.error == "OperationAbortedException" || answer.error == "ServiceUnavailableException") {
      return sdk::fail(BERTH_UNAVAILABLE, text);
    }
    return sdk::fail(BERTH_DENIED, text);
  }

  Result<Answer> call(const char* operation, const json::object& body, std::stop_token cancel) {
    auto credentials = outside_.aws_credentials();
    if (!credentials) return credentials.error();
    http::Request request;
    request.method = "POST";
    request.url = endpoint_;
    request.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", std::string("Logs_20140328.") + operation}};
    request.body = json::serialize(body);
    request.aws = http::AwsSigning{credentials->access_key_id, credentials->secret_access_key, credentials->session_token,
                                   options_.region, "logs"};
    request.connect_timeout = outside_.timeout;
    request.stall_timeout = std::chrono::ceil<std::chrono::seconds>(outside_.timeout);
    request.cancel = cancel;
    auto response = outside_.http->fetch(request);
    if (!response) return response.error();
    Answer answer;
    answer.status = response->status;
    boost::system::error_code error;
    const auto value = json::parse(response->body, error);
    if (!error && value.is_object()) answer.document = value.as_object();
    if (response->status / 100 == 2) return answer;
    answer.error = text_at(answer.document, "__type");
    answer.error.erase(0, answer.error.find('#') + 1);  // npos + 1 is 0
    if (answer.error.empty()) answer.error = "status " + std::to_string(response->status);
    answer.message = text_at(answer.document, "message");
    if (answer.message.empty()) answer.message = text_at(answer.document, "Message");
    return answer;
  }

  const AwsLogsOptions options_;
  const std::string stream_;
  const std::string endpoint_;
  const LogOutside outside_;
};

}  // namespace

std::unique_ptr<LogSink> make_awslogs_sink(const AwsLogsOptions& options, const LogShipment& shipment, const LogOutside& outside) {
  return std::make_unique<AwsLogsSink>(options, shipment, outside);
}

}  // namespace berth::runtime
