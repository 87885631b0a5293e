// SPDX-License-Identifier: Apache-2.0
#include "core/cli/task_table.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

namespace berth::cli {
namespace {

boost::json::object task_of(const std::string& members) {
  return boost::json::parse("{" + members + "}").as_object();
}

std::string table_of(const boost::json::object& task, bool reasons = false) {
  std::ostringstream out;
  print_tasks(out, {task}, {{"0123456789abcdef", "web-3"}}, 1000, reasons);
  const std::string text = out.str();
  return text.substr(text.find('\n') + 1);
}

const std::string kTask =
    R"("taskArn":"arn:t/default/ffffffffffffffff","taskDefinitionArn":"arn:d/web:2","createdAt":900,)";

TEST(TaskTable, ShowsHostGroupAndHealthOfARunningTask) {
  const std::string line = table_of(task_of(
      kTask + R"("group":"service:shop","containerInstanceArn":"arn:c/default/0123456789abcdef",)"
              R"("lastStatus":"RUNNING","startedAt":990,"healthStatus":"HEALTHY","containers":[)"
              R"({"image":"web:1","networkBindings":[{"bindIP":"0.0.0.0","hostPort":80,)"
              R"("containerPort":8080,"protocol":"tcp"}]}])"));
  EXPECT_EQ(line,
            "ffffffffffff  web:2       service:shop  web-3  RUNNING 10 seconds (HEALTHY)  "
            "100 seconds ago  0.0.0.0:80->8080/tcp  web:1\n");
}

TEST(TaskTable, ShowsWhyATaskHasStoppedAndNoPortsOfIt) {
  const std::string line = table_of(
      task_of(kTask +
              R"("group":"family:web","containerInstanceArn":"arn:c/default/unknownunknown",)"
              R"("lastStatus":"STOPPED","stoppedAt":940,"stoppedReason":"by hand",)"
              R"("containers":[{"image":"web:1","exitCode":3,"networkBindings":[)"
              R"({"bindIP":"0.0.0.0","hostPort":80,"containerPort":80}]}])"),
      true);
  EXPECT_NE(line.find("unknownunkno  STOPPED (3) 60 seconds ago"), std::string::npos) << line;
  EXPECT_NE(line.find("by hand"), std::string::npos) << line;
  EXPECT_EQ(line.find("0.0.0.0"), std::string::npos) << "the port is free again: " << line;
  EXPECT_EQ(line.find("family:web"), std::string::npos) << "it follows from the definition";
}

TEST(TaskTable, PutsTheNewestFirst) {
  std::vector<boost::json::object> tasks{task_of(R"("createdAt":1)"), task_of(R"("createdAt":3)"),
                                         task_of(R"("createdAt":2)")};
  sort_by_age(tasks);
  EXPECT_EQ(tasks[0].at("createdAt").as_int64(), 3);
  EXPECT_EQ(tasks[2].at("createdAt").as_int64(), 1);
}

}  // namespace
}  // namespace berth::cli
