// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/log_sink.hpp"

#include <cstdlib>

#include "sdk/runtime/logship/log_sinks.hpp"

namespace berth::runtime {
namespace {

// A router that has just been started listens soon.
constexpr std::int64_t kRouterWaitMs = 100;

struct Make {
  const LogShipment& shipment;
  const LogOutside& outside;
  std::unique_ptr<LogSink> operator()(const JsonFileOptions&) const { return nullptr; }
  std::unique_ptr<LogSink> operator()(const NoLog&) const { return nullptr; }
  std::unique_ptr<LogSink> operator()(const AwsLogsOptions& o) const { return make_awslogs_sink(o, shipment, outside); }
  std::unique_ptr<LogSink> operator()(const FluentdOptions& o) const { return make_fluentd_sink(o, shipment, outside); }
  std::unique_ptr<LogSink> operator()(const FirelensOptions&) const {
    return make_fluentd_sink({.address = {LogAddress::Kind::ContainerUnix, shipment.router_socket(), 0},
                              .tag = shipment.container() + "-firelens-" + shipment.task_id(),
                              .async = true,
                              .sub_second = true,
                              .retry_wait_ms = kRouterWaitMs},
                             shipment, outside);
  }
  std::unique_ptr<LogSink> operator()(const SyslogOptions& o) const { return make_syslog_sink(o, shipment, outside); }
  std::unique_ptr<LogSink> operator()(const JournaldOptions& o) const { return make_journald_sink(o, shipment, outside); }
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

LogNames names_of(const LogShipment& shipment) {
  return {shipment.short_id(), shipment.container_id(), shipment.container(), shipment.image(), shipment.image_id()};
}

sdk::Result<std::unique_ptr<LogSink>> make_log_sink(const LogShipment& shipment, const LogOutside& outside) {
  auto plan = read_log_plan(shipment.driver(), LogOptions(shipment.options().begin(), shipment.options().end()));
  if (!plan) return plan.error();
  auto sink = std::visit(Make{shipment, outside}, plan->driver);
  if (!sink) return sdk::fail(BERTH_UNIMPLEMENTED, "The log driver " + shipment.driver() + " sends nothing.", "logDriver");
  return sink;
}

sdk::Result<AwsCredentials> aws_credentials_of_environment() {
  AwsCredentials out{variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN")};
  if (out.access_key_id.empty() || out.secret_access_key.empty()) {
    return sdk::fail(BERTH_PRECONDITION,
                     "the agent has no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set for it");
  }
  return out;
}

}  // namespace berth::runtime
