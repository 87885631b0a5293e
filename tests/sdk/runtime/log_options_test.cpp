// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/log/log_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace berth::runtime {
namespace {

using ::testing::HasSubstr;

template <typename Options>
Options options_of(const char* driver, const LogOptions& options) {
  auto plan = read_log_plan(driver, options);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? std::get<Options>(plan->driver) : Options{};
}

sdk::Error refusal(const char* driver, const LogOptions& options) {
  const auto plan = read_log_plan(driver, options);
  EXPECT_FALSE(plan);
  return plan ? sdk::Error{} : plan.error();
}

const LogOptions kAws = {{"awslogs-group", "g"}, {"awslogs-region", "eu-west-1"}};

LogOptions aws(const std::string& name, const std::string& value) {
  LogOptions options = kAws;
  options[name] = value;
  return options;
}

TEST(LogOptions, OfJsonFileBoundTheFile) {
  const auto plan = read_log_plan("json-file", {{"max-size", "10m"}, {"max-file", "3"}, {"mode", "non-blocking"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->max_bytes, std::uint64_t{10} << 20);
  EXPECT_EQ(plan->max_files, 3U);
  EXPECT_FALSE(plan->is_shipped());
  EXPECT_EQ(refusal("json-file", {{"max-file", "2"}}).field, "options[max-file]") << "without max-size";
  EXPECT_EQ(refusal("json-file", {{"max-size", "ten"}}).field, "options[max-size]");
}

TEST(LogOptions, TakeOnlyNumbersForSizes) {
  EXPECT_EQ(read_byte_size("1.5k"), 1536U);
  for (const char* wrong : {"nan", "-nan", "inf", "-1", "1e12g", "k", ""}) EXPECT_FALSE(read_byte_size(wrong)) << wrong;
}

TEST(LogOptions, OfNoneAreNone) {
  EXPECT_TRUE(read_log_plan("none", {}));
  EXPECT_EQ(refusal("none", {{"max-size", "1m"}}).field, "options[max-size]");
}

TEST(LogOptions, AreRefusedByNameWhereTheyAreNotActedOn) {
  const auto error = refusal("awslogs", aws("awslogs-colour", "blue"));
  EXPECT_EQ(error.status, BERTH_UNIMPLEMENTED);
  EXPECT_EQ(error.field, "options[awslogs-colour]");
  EXPECT_THAT(error.message, HasSubstr("awslogs-colour"));
  for (const char* driver : {"gelf", "splunk", "x"}) {
    EXPECT_EQ(refusal(driver, {}).field, "logDriver");
    EXPECT_THAT(refusal(driver, {}).message, HasSubstr(driver));
  }
}

TEST(LogOptions, OfAwslogsNeedGroupAndRegion) {
  EXPECT_EQ(refusal("awslogs", {{"awslogs-region", "r"}}).field, "options[awslogs-group]");
  EXPECT_EQ(refusal("awslogs", {{"awslogs-group", "g"}}).field, "options[awslogs-region]");
  const auto options = options_of<AwsLogsOptions>("awslogs", aws("awslogs-create-group", "true"));
  EXPECT_TRUE(options.create_group);
  EXPECT_EQ(refusal("awslogs", aws("awslogs-create-group", "yes")).field, "options[awslogs-create-group]");
  EXPECT_EQ(refusal("awslogs", aws("awslogs-endpoint", "localhost")).field, "options[awslogs-endpoint]");
}

TEST(LogOptions, OfAwslogsTakeOnePatternForTheBeginningsOfEvents) {
  EXPECT_EQ(options_of<AwsLogsOptions>("awslogs", aws("awslogs-multiline-pattern", "^\\[")).begin_pattern, "^\\[");
  EXPECT_EQ(refusal("awslogs", aws("awslogs-multiline-pattern", "(")).field, "options[awslogs-multiline-pattern]");
  LogOptions both = aws("awslogs-multiline-pattern", "^x");
  both["awslogs-datetime-format"] = "%Y";
  EXPECT_EQ(refusal("awslogs", both).field, "options[awslogs-datetime-format]");
  EXPECT_EQ(refusal("awslogs", aws("awslogs-datetime-format", "%Q")).field, "options[awslogs-datetime-format]");
}

TEST(LogOptions, MakePatternsOfDateFormats) {
  const auto pattern = pattern_of_datetime("[%b %d, %Y %H:%M:%S]");
  ASSERT_TRUE(pattern);
  const std::regex compiled(*pattern);
  EXPECT_TRUE(std::regex_search("x [May 01, 2017 19:00:01] A message", compiled));
  EXPECT_FALSE(std::regex_search("May 1, 2017 19:00:01 A message", compiled));
}

TEST(LogOptions, OfAwsfirelensAreTheRoutersButForTheBuffer) {
  const auto plan = read_log_plan("awsfirelens", {{"Name", "http"}, {"mode", "json"}, {"log-driver-buffer-limit", "2097152"}});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(std::holds_alternative<FirelensOptions>(plan->driver));
  EXPECT_TRUE(plan->is_shipped());
  EXPECT_FALSE(plan->blocking);
  EXPECT_EQ(plan->max_bytes * plan->max_files, std::uint64_t{2} << 20);
  EXPECT_EQ(read_log_plan("awsfirelens", {{"log-driver-buffer-limit", "256"}})->max_bytes * 4, std::uint64_t{64} << 10) << "no less";
  EXPECT_TRUE(read_log_plan("awsfirelens", {{"mode", "blocking"}})->blocking);
  EXPECT_EQ(refusal("awsfirelens", {{"log-driver-buffer-limit", "much"}}).field, "options[log-driver-buffer-limit]");
}

TEST(LogOptions, BoundWhatWaitsByTheMode) {
  const auto by_default = read_log_plan("awslogs", kAws);
  EXPECT_FALSE(by_default->blocking);
  EXPECT_EQ(by_default->max_bytes * by_default->max_files, std::uint64_t{10} << 20);
  EXPECT_EQ(read_log_plan("awslogs", aws("max-buffer-size", "4m"))->max_bytes * 4, std::uint64_t{4} << 20);
  const auto blocking = read_log_plan("awslogs", aws("mode", "blocking"));
  EXPECT_TRUE(blocking->blocking);
  EXPECT_EQ(blocking->max_bytes * blocking->max_files, std::uint64_t{20} << 20);
  LogOptions options = aws("mode", "non-blocking");
  EXPECT_EQ(read_log_plan("awslogs", options)->max_bytes * 4, std::uint64_t{10} << 20);
  options["max-buffer-size"] = "4m";
  const auto free = read_log_plan("awslogs", options);
  EXPECT_FALSE(free->blocking);
  EXPECT_EQ(free->max_bytes * free->max_files, std::uint64_t{4} << 20);
  options["mode"] = "blocking";
  EXPECT_EQ(refusal("awslogs", options).field, "options[max-buffer-size]") << "blocking has none";
  EXPECT_EQ(refusal("awslogs", aws("mode", "x")).field, "options[mode]");
}

TEST(LogOptions, ReadAddresses) {
  const auto tcp = options_of<FluentdOptions>("fluentd", {{"fluentd-address", "logs.example:9"}}).address;
  EXPECT_EQ(tcp.kind, LogAddress::Kind::Tcp);
  EXPECT_EQ(tcp.host, "logs.example");
  EXPECT_EQ(tcp.port, 9);
  EXPECT_EQ(options_of<FluentdOptions>("fluentd", {}).address.port, 24224);
  const auto unix_socket = options_of<FluentdOptions>("fluentd", {{"fluentd-address", "unix:///run/f.sock"}}).address;
  EXPECT_EQ(unix_socket.kind, LogAddress::Kind::Unix);
  EXPECT_EQ(unix_socket.host, "/run/f.sock");
  const auto udp = options_of<SyslogOptions>("syslog", {{"syslog-address", "udp://[::1]:99"}}).address;
  EXPECT_EQ(udp->kind, LogAddress::Kind::Udp);
  EXPECT_EQ(udp->host, "::1");
  EXPECT_EQ(options_of<SyslogOptions>("syslog", {{"syslog-address", "tcp://h"}}).address->port, 514);
  for (const char* bad : {"tcp://", "tcp://h:0", "tcp://h:99999", "tcp+tls://h:1", "unix://relative", "tcp://[::1"}) {
    EXPECT_EQ(refusal("syslog", {{"syslog-address", bad}}).field, "options[syslog-address]") << bad;
  }
}

TEST(LogOptions, OfSyslogKnowFacilitiesAndFormats) {
  EXPECT_EQ(options_of<SyslogOptions>("syslog", {}).facility, 3);
  EXPECT_EQ(options_of<SyslogOptions>("syslog", {{"syslog-facility", "local7"}}).facility, 23);
  EXPECT_EQ(options_of<SyslogOptions>("syslog", {{"syslog-facility", "1"}}).facility, 1);
  EXPECT_EQ(refusal("syslog", {{"syslog-facility", "local8"}}).field, "options[syslog-facility]");
  EXPECT_EQ(refusal("syslog", {{"syslog-format", "rfc1"}}).field, "options[syslog-format]");
}

TEST(LogOptions, FillTags) {
  const LogNames names{"0123456789ab", "full", "web", "img:1", "sha256:0123456789"};
  EXPECT_EQ(fill_tag("{{.Name}}/{{.ID}}@{{.ImageName}}", names), "web/0123456789ab@img:1");
  EXPECT_EQ(refusal("journald", {{"tag", "{{.Nonsense}}"}}).field, "options[tag]");
}

}  // namespace
}  // namespace berth::runtime
