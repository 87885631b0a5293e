// SPDX-License-Identifier: Apache-2.0
// The sinks of the drivers, by their options; for make_log_sink.
//
// Threads: any.
#pragma once

#include <memory>

#include "sdk/runtime/logship/log_sink.hpp"

namespace berth::runtime {

[[nodiscard]] LogNames names_of(const LogShipment& shipment);

[[nodiscard]] std::unique_ptr<LogSink> make_awslogs_sink(const AwsLogsOptions& options, const LogShipment& shipment,
                                                         const LogOutside& outside);
[[nodiscard]] std::unique_ptr<LogSink> make_fluentd_sink(const FluentdOptions& options, const LogShipment& shipment,
                                                         const LogOutside& outside);
[[nodiscard]] std::unique_ptr<LogSink> make_syslog_sink(const SyslogOptions& options, const LogShipment& shipment,
                                                        const LogOutside& outside);
[[nodiscard]] std::unique_ptr<LogSink> make_journald_sink(const JournaldOptions& options, const LogShipment& shipment,
                                                          const LogOutside& outside);

}  // namespace berth::runtime
