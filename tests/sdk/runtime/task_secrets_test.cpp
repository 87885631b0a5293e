// SPDX-License-Identifier: Apache-2.0
// Secrets and environment files in real containers, and the search for a secret in all that was
// written. Needs root.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/sdk/runtime/by_runtime.hpp"
#include "tests/sdk/runtime/running_tasks.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kTaskId;
using ::testing::Not;
using ::testing::StartsWith;

// Of no other text, so that a search for it finds nothing but itself.
constexpr const char* kValue = "xK9-the-secret-value-q7";
constexpr const char* kSecretArn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";

class SecretsOnHost : public testing::RunningTasks {
 protected:
  SecretsOnHost() : kept_(testing::new_directory("kept")) {
    write("secrets/app/db", std::string(kValue) + "\n");
    write("secrets/db", std::string(R"({"user":"admin","password":")") + kValue + "\"}");
    write("env/bucket/one.env",
          "# one\nA=from one\nB=\"from one\"\nFROM_IMAGE=from file\nC=from one\n");
    write("env/bucket/dir/two.env", "A=from two\nD=from two\n");
  }
  ~SecretsOnHost() override { fs::remove_all(kept_); }
  TasksConfig config() override {
    TasksConfig config = place_.config();
    config.secret_settings.directory = kept_ / "secrets";
    config.secret_settings.environment_files = kept_ / "env";
    config.secret_settings.ask_aws = false;
    return config;
  }
  void write(const char* name, const std::string& text) {
    fs::create_directories((kept_ / name).parent_path());
    std::ofstream(kept_ / name) << text;
    ::chmod((kept_ / name).c_str(), 0600);
  }
  static void add_secret(v1::StartTaskRequest& task, const char* name, const std::string& from) {
    auto* secret = main_of(task).add_secrets();
    secret->set_name(name);
    secret->set_value_from(from);
  }
  static void add_file(v1::StartTaskRequest& task, const char* arn) {
    auto* file = main_of(task).add_environment_files();
    file->set_value(arn);
    file->set_type("s3");
  }
  // Files of the agent's that hold the value, and that do not lie in memory.
  std::vector<std::string> files_with_the_value() {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(place_.data_dir())) {
      const bool in_memory = entry.path().string().find("/secret/") != std::string::npos;
      const bool own_log = entry.path().filename() == "json.log";
      if (!entry.is_regular_file() || in_memory || own_log) continue;
      std::error_code gone;
      const auto size = entry.file_size(gone);
      if (gone) continue;
      // At once: there are images among them.
      std::string text(size, '\0');
      std::ifstream(entry.path(), std::ios::binary)
          .read(text.data(), static_cast<std::streamsize>(text.size()));
      if (text.find(kValue) != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }
  fs::path kept_;
};

using SecretsByRuntime = testing::ByRuntime<SecretsOnHost>;

TEST_P(SecretsByRuntime, AreVariablesOfTheContainer) {
  auto task = script("echo \"$PARAMETER $WHOLE $KEY\"");
  add_secret(task, "PARAMETER", "/app/db");
  add_secret(task, "WHOLE", kSecretArn);
  add_secret(task, "KEY", std::string(kSecretArn) + ":user::");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.stopped_reason();
  EXPECT_EQ(output(),
            std::string(kValue) + R"( {"user":"admin","password":")" + kValue + "\"} admin\n");
}

TEST_P(SecretsByRuntime, AreFilesWhereALabelSaysSo) {
  auto task = script(
      "cat /run/secrets/db; echo; busybox stat -c '%a %u' /run/secrets/db; echo none=$PARAMETER; "
      "touch /run/secrets/db || echo read-only");
  main_of(task).set_user("1234");
  add_secret(task, "PARAMETER", "/app/db");
  (*main_of(task).mutable_docker_labels())["berth.secret-file.PARAMETER"] = "/run/secrets/db";
  const auto last = run_to_end(task);
  EXPECT_EQ(last.containers(0).exit_code(), 0) << last.stopped_reason();
  EXPECT_THAT(output(), HasSubstr(std::string(kValue) + "\n400 1234\nnone=\n"));
  EXPECT_THAT(output(), HasSubstr("read-only"));
}

TEST_P(SecretsByRuntime, AreInNoFileOnDiskWhileTheContainerRunsNorAfterwards) {
  auto task = script("echo up; exec sleep 1000");
  add_secret(task, "PARAMETER", "/app/db");
  add_secret(task, "FILE", kSecretArn);
  (*main_of(task).mutable_docker_labels())["berth.secret-file.FILE"] = "/run/secrets/db";
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(says("up"));
  EXPECT_THAT(files_with_the_value(), IsEmpty());
  const fs::path in_memory = place_.data_dir() / "tasks" / kTaskId / "0/secret";
  EXPECT_TRUE(fs::exists(in_memory / "bundle/config.json"));
  struct stat status {};
  ASSERT_EQ(::stat(in_memory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  stop(kTaskId);
  ASSERT_TRUE(reached(v1::TASK_PHASE_STOPPED));
  EXPECT_FALSE(fs::exists(in_memory));
  EXPECT_THAT(files_with_the_value(), IsEmpty());
}

TEST_P(SecretsByRuntime, AreInNoFileOnDiskThoughTheyCameByAnEnvironmentFileAndAHealthCheckRan) {
  write("env/bucket/secret.env", std::string("FROM_FILE=") + kValue + "\n");
  auto task = script("echo up; exec sleep 1000");
  add_file(task, "arn:aws:s3:::bucket/secret.env");
  auto& check = *main_of(task).mutable_health_check();
  for (const char* word : {"CMD-SHELL", "[ -n \"$FROM_FILE\" ]"}) check.add_command(word);
  check.set_interval(1);
  ASSERT_TRUE(tasks_->start(task));
  ASSERT_TRUE(says("up"));
  {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(moved_.wait_for(
        lock, kPatience, [&] { return reports_[kTaskId].back().health_status() == "HEALTHY"; }));
  }
  EXPECT_THAT(files_with_the_value(), IsEmpty());
}

TEST_F(SecretsOnHost, ThatAreMissingStopTheTaskInECSsWords) {
  auto task = script("true");
  add_secret(task, "PARAMETER", "/app/absent");
  const auto last = run_to_end(task);
  EXPECT_EQ(last.stop_code(), v1::STOP_CODE_TASK_FAILED_TO_START);
  EXPECT_THAT(
      last.stopped_reason(),
      StartsWith(
          "ResourceInitializationError: unable to pull secrets or registry auth: execution "
          "resource "
          "retrieval failed: unable to retrieve secrets from ssm: invalid parameters: app/absent"));
  EXPECT_FALSE(last.containers(0).has_exit_code());
}

TEST_F(SecretsOnHost, ThatOthersMayReadStopTheTask) {
  ::chmod((kept_ / "secrets/app/db").c_str(), 0644);
  auto task = script("true");
  add_secret(task, "PARAMETER", "/app/db");
  EXPECT_THAT(run_to_end(task).stopped_reason(), HasSubstr("chmod 600"));
}

TEST_F(SecretsOnHost, AreRefusedByNameWhereTheyNameNothing) {
  auto task = script("true");
  add_secret(task, "PARAMETER", "arn:aws:s3:::bucket/key");
  const auto started = tasks_->start(task);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().field, "containerDefinitions[0].secrets[0].valueFrom");
  auto labelled = script("true");
  (*main_of(labelled).mutable_docker_labels())["berth.secret-file.ABSENT"] = "/run/x";
  const auto refused = tasks_->start(labelled);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field,
            "containerDefinitions[0].dockerLabels[berth.secret-file.ABSENT]");
}

TEST_P(SecretsByRuntime, EnvironmentFilesGiveWayToWhatTheDefinitionSays) {
  auto task = script("echo \"$A|$B|$C|$D|$FROM_IMAGE\"");
  add_file(task, "arn:aws:s3:::bucket/one.env");
  add_file(task, "arn:aws:s3:::bucket/dir/two.env");
  auto* pair = main_of(task).add_environment();
  pair->set_name("C");
  pair->set_value("from definition");
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  EXPECT_EQ(output(), "from one|\"from one\"|from definition|from two|from file\n");
}

TEST_P(SecretsByRuntime, AnOverridesListOfFilesReplacesTheDefinitions) {
  auto task = script("echo \"$A|$B\"");
  add_file(task, "arn:aws:s3:::bucket/one.env");
  auto* changes = task.mutable_overrides()->add_container_overrides();
  changes->set_name("main");
  auto* file = changes->add_environment_files();
  file->set_value("arn:aws:s3:::bucket/dir/two.env");
  file->set_type("s3");
  EXPECT_EQ(run_to_end(task).containers(0).exit_code(), 0);
  EXPECT_EQ(output(), "from two|\n");
}

TEST_P(SecretsByRuntime, AMissingEnvironmentFileStopsTheTask) {
  auto task = script("true");
  add_file(task, "arn:aws:s3:::bucket/absent.env");
  EXPECT_THAT(run_to_end(task).stopped_reason(),
              StartsWith("ResourceInitializationError: failed to download env files: "));
}

INSTANTIATE_TEST_SUITE_P(By, SecretsByRuntime, ::testing::Values("crun", "runc", "runsc"));

}  // namespace
}  // namespace berth::runtime
