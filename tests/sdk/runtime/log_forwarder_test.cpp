// SPDX-License-Identifier: Apache-2.0
// Logs on their way to receivers that are there, slow, down, and back again.
#include "sdk/runtime/logship/log_forwarder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "sdk/runtime/logship/log_socket.hpp"
#include "sdk/runtime/monitor/log_writer.hpp"
#include "tests/sdk/runtime/log_receivers.hpp"
#include "tests/support/host_events.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using monitor::LogWriter;
using testing::Arrivals;
using testing::CloudWatch;
using testing::DatagramReceiver;
using testing::StreamReceiver;
using testing::Unpacker;
using Options = std::map<std::string, std::string>;

constexpr auto kOut = LogWriter::Stream::Stdout;
constexpr auto kErr = LogWriter::Stream::Stderr;

class LogForwarding : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "berth-ship-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    fs::create_directories(log().parent_path());
    open();
  }
  void TearDown() override {
    forwarder_.reset();
    fs::remove_all(directory_);
  }
  void open() {
    LogOutside outside;
    outside.aws_credentials = [] { return AwsCredentials{"AKID", "secret", "session"}; };
    outside.journal_socket = directory_ / "journal";
    outside.syslog_socket = directory_ / "syslog";
    outside.timeout = timeout_;
    forwarder_ = std::make_unique<LogForwarder>(std::move(outside), 2);
    forwarder_->resume(directory_ / "logs");
  }
  [[nodiscard]] fs::path log(const std::string& name = "web") const {
    return directory_ / "logs/0123456789abcdef0123456789abcdef" / name / "json.log";
  }
  sdk::Result<void> begin(const std::string& driver, const Options& options, const std::string& name = "web") {
    fs::create_directories(log(name).parent_path());
    LogShipment shipment;
    shipment.set_driver(driver);
    for (const auto& [name, value] : options) (*shipment.mutable_options())[name] = value;
    shipment.set_task_id("0123456789abcdef0123456789abcdef");
    shipment.set_container("web");
    shipment.set_container_id("0123456789abcdef0123456789abcdef-0");
    shipment.set_short_id("0123456789a0");
    shipment.set_image("img:1");
    return forwarder_->begin(log(name), shipment);
  }
  // As the monitor writes.
  void write(const std::string& text, LogWriter::Stream stream = kOut) {
    if (!writer_) writer_ = std::make_unique<LogWriter>(monitor::LogWriterOptions{log(), max_bytes_, 4, cursor(), false});
    writer_->write(stream, text, now_);
    now_ += 1'000'000;
  }
  [[nodiscard]] std::string cursor() const { return log().parent_path() / LogForwarder::kCursor; }
  // The container has ended: waits until all is sent.
  bool finished() {
    writer_.reset();
    test::HostEvents events;
    events.watch_directory(log().parent_path());
    forwarder_->end(log());
    return events.until([this] { return !fs::exists(log().parent_path() / "shipment"); });
  }
  static Options aws(const CloudWatch& cloud, Options more = {}) {
    more.insert({{"awslogs-group", "g"}, {"awslogs-region", "eu-west-1"}, {"awslogs-endpoint", cloud.url()}, {"awslogs-stream-prefix", "p"}});
    return more;
  }

  fs::path directory_;
  std::unique_ptr<LogForwarder> forwarder_;
  std::unique_ptr<LogWriter> writer_;
  std::int64_t now_ = 1'700'000'000'000'000'000;
  std::uint64_t max_bytes_ = 8 << 20;  // of a file
  std::chrono::milliseconds timeout_{2'000};
};

const std::string kStream = "p/web/0123456789abcdef0123456789abcdef";

TEST_F(LogForwarding, SendsLinesToCloudWatchSignedAndInOrder) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  EXPECT_TRUE(cloud.has_stream("g", kStream)) << "made before the container starts";
  write("one\ntwo\n\n");
  write("three\n", kErr);
  ASSERT_TRUE(cloud.messages.await(3));
  EXPECT_THAT(cloud.messages.lines(), ElementsAre("1700000000000 one", "1700000000000 two", "1700000000001 three"));
  const auto last = cloud.requests().back();
  EXPECT_THAT(last.header("authorization"), AllOf(StartsWith("AWS4-HMAC-SHA256 Credential=AKID/"), HasSubstr("/eu-west-1/logs/aws4_request")));
  EXPECT_EQ(last.header("x-amz-security-token"), "session");
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, DoesNotBeginWithoutALogGroupUnlessItMayMakeOne) {
  CloudWatch cloud;
  const auto refused = begin("awslogs", aws(cloud));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("ResourceNotFoundException"), HasSubstr("log group g")));
  ASSERT_TRUE(begin("awslogs", aws(cloud, {{"awslogs-create-group", "true"}})));
  EXPECT_TRUE(cloud.has_stream("g", kStream));
}

TEST_F(LogForwarding, KeepsTheRulesOfBatches) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  std::string many;
  for (int i = 0; i < 25'000; ++i) many += std::to_string(i) + "\n";
  write(many);
  now_ += 25LL * 3600 * 1'000'000'000;
  for (int i = 0; i < 12; ++i) write(std::string(150'000, 'x') + "\n");
  ASSERT_TRUE(finished());
  const auto texts = cloud.texts();
  ASSERT_EQ(texts.size(), 25'012U);
  for (int i = 0; i < 25'000; ++i) ASSERT_EQ(texts[static_cast<std::size_t>(i)], std::to_string(i));
  EXPECT_GE(cloud.puts(), 5U);
}

TEST_F(LogForwarding, JoinsLinesByThePattern) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud, {{"awslogs-datetime-format", "%Y-%m-%d"}})));
  write("2026-01-01 a\n  at b\n  at c\n2026-01-02 d\n");
  ASSERT_TRUE(cloud.messages.await(1));
  EXPECT_TRUE(finished());
  EXPECT_THAT(cloud.texts(), ElementsAre("2026-01-01 a\n  at b\n  at c", "2026-01-02 d"));
}

TEST_F(LogForwarding, TriesAgainUntilTheReceiverIsBack) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  cloud.fail_with(503);
  write("kept\n");
  ASSERT_TRUE(cloud.await_failures(2));
  cloud.fail_with(0);
  ASSERT_TRUE(cloud.messages.await(1));
  ASSERT_TRUE(finished());
  EXPECT_THAT(cloud.texts(), ElementsAre("kept"));
}

TEST_F(LogForwarding, GoesOnWhereAnotherForwarderWas) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  write("one\n");
  ASSERT_TRUE(cloud.messages.await(1));
  test::HostEvents events;
  events.watch_directory(log().parent_path());
  ASSERT_TRUE(events.until([this] {
    const auto sent = state::read_position(cursor());
    return sent && sent->offset == fs::file_size(log());
  })) << "it writes down what has arrived";
  forwarder_.reset();
  write("two\n");
  open();
  ASSERT_TRUE(finished());
  EXPECT_THAT(cloud.texts(), ElementsAre("one", "two"));
  open();
  EXPECT_FALSE(forwarder_->counts(log())) << "what is all sent is not taken up again";
}

TEST_F(LogForwarding, FollowsALogThroughItsRotations) {
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  max_bytes_ = 1 << 20;
  std::vector<std::string> written;
  for (int i = 0; i < 40; ++i) {
    written.push_back(std::to_string(i) + std::string(100'000, '.'));
    write(written.back() + "\n");
    if (i % 5 == 4) {
      ASSERT_TRUE(cloud.messages.await(written.size()));
    }
  }
  ASSERT_TRUE(finished());
  EXPECT_EQ(cloud.texts(), written);
}

// One message of the forward protocol to lines "TAG TIME LOG (SOURCE)"; acknowledges chunks.
std::size_t take_forward(const std::string& bytes, int connection, Arrivals& arrivals) {
  std::size_t done = 0;
  for (;;) {
    std::vector<std::string> lines;
    std::string chunk;
    Unpacker in(std::string_view(bytes).substr(done));
    try {
      EXPECT_EQ(in.array(), 3U);
      const std::string tag = in.text();
      for (std::size_t left = in.array(); left > 0; --left) {
        EXPECT_EQ(in.array(), 2U);
        const std::string time = std::to_string(in.number());
        std::map<std::string, std::string> record;
        for (std::size_t pairs = in.map(); pairs > 0; --pairs) {
          const std::string key = in.text();
          record[key] = in.text();
        }
        EXPECT_EQ(record["container_name"], "/web");
        lines.push_back(tag + " " + time + " " + record["log"] + " (" + record["source"] + ")");
      }
      for (std::size_t pairs = in.map(); pairs > 0; --pairs) {
        const std::string key = in.text();
        if (key == "chunk") {
          chunk = in.text();
        } else {
          EXPECT_EQ(in.number(), lines.size());
        }
      }
    } catch (const Unpacker::Short&) {
      return done;
    }
    done = bytes.size() - in.left();
    for (auto& line : lines) arrivals.add(std::move(line));
    if (chunk.empty()) continue;
    const std::string answer = "\x81\xa3" "ack\xb8" + chunk;
    EXPECT_EQ(::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  }
}

TEST_F(LogForwarding, SpeaksTheForwardProtocol) {
  Arrivals arrivals;
  StreamReceiver receiver([&](const std::string& bytes, int fd) { return take_forward(bytes, fd, arrivals); });
  ASSERT_TRUE(begin("fluentd", {{"fluentd-address", "127.0.0.1:" + std::to_string(receiver.port())},
                                {"tag", "{{.Name}}.{{.ID}}"}, {"fluentd-sub-second-precision", "true"}}));
  write("one\n");
  write(std::string(70'000, 'y') + "\n", kErr);
  ASSERT_TRUE(arrivals.await(2));
  EXPECT_THAT(arrivals.lines(), ElementsAre("web.0123456789a0 1700000000000000000 one (stdout)",
                                            AllOf(StartsWith("web.0123456789a0 1700000000001000000 yyy"), EndsWith("yyy (stderr)"))));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, LosesNothingOfWhatIsAcknowledgedWhenTheReceiverRestarts) {
  Arrivals arrivals;
  const auto take = [&](const std::string& bytes, int fd) { return take_forward(bytes, fd, arrivals); };
  auto receiver = std::make_unique<StreamReceiver>(take);
  const int port = receiver->port();
  ASSERT_TRUE(begin("fluentd", {{"fluentd-address", "127.0.0.1:" + std::to_string(port)}, {"tag", "t"},
                                {"fluentd-request-ack", "true"}, {"fluentd-retry-wait", "10ms"}}));
  write("one\n");
  ASSERT_TRUE(arrivals.await(1));
  receiver.reset();
  write("two\n");
  receiver = std::make_unique<StreamReceiver>(take, port);
  ASSERT_TRUE(arrivals.await_line("t 1700000000 two (stdout)"));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, IsNotHeldUpByAReceiverThatDoesNotAnswer) {
  timeout_ = std::chrono::hours(1);
  open();
  Arrivals unanswered;
  StreamReceiver silent([&](const std::string& bytes, int) {
    unanswered.add("some");
    return bytes.size();
  });
  const std::string dead = "127.0.0.1:" + std::to_string(silent.port());
  std::vector<std::unique_ptr<LogWriter>> writers;
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(begin("fluentd", {{"fluentd-address", dead}, {"fluentd-request-ack", "true"}}, name));
    writers.push_back(std::make_unique<LogWriter>(monitor::LogWriterOptions{log(name), max_bytes_, 4, {}, false}));
    writers.back()->write(kOut, "lost\n", now_);
  }
  ASSERT_TRUE(unanswered.await(1));
  CloudWatch cloud;
  cloud.add_group("g");
  ASSERT_TRUE(begin("awslogs", aws(cloud)));
  write("one\n");
  EXPECT_TRUE(cloud.messages.await(1));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, GivesALogUpWhoseReceiverHasGoneAndSaysWhetherAllIsSent) {
  using std::chrono::milliseconds;
  LogShipment shipment;
  shipment.set_driver("awsfirelens");
  shipment.set_task_id("0123456789abcdef0123456789abcdef");
  shipment.set_container("web");
  shipment.set_router_socket(directory_ / "fluent.sock");
  ASSERT_TRUE(forwarder_->begin(log(), shipment)) << "a router may come later";
  write("for nobody\n");
  forwarder_->end(log());
  EXPECT_FALSE(forwarder_->await_sent(log(), milliseconds(1)));
  forwarder_->give_up(log());
  EXPECT_TRUE(forwarder_->await_sent(log(), milliseconds(0)));
  EXPECT_FALSE(fs::exists(log().parent_path() / "shipment"));
  EXPECT_FALSE(forwarder_->counts(log()));
}

TEST_F(LogForwarding, FollowsNoLinkThatARouterPutInPlaceOfItsSocket) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string path = directory_ / "stream";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  fs::create_symlink(path, directory_ / "link");
  const auto try_to = [&](const fs::path& socket) {
    LogSocket client({LogAddress::Kind::ContainerUnix, socket, 0}, timeout_);
    return client.connect({});
  };
  EXPECT_TRUE(try_to(path));
  const auto refused = try_to(directory_ / "link");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no socket"));
  ::close(listener);
}

TEST_F(LogForwarding, DoesNotBeginWithoutAFluentdUnlessAsync) {
  int port = 0;
  { port = StreamReceiver([](const std::string& bytes, int) { return bytes.size(); }).port(); }
  const std::string address = "127.0.0.1:" + std::to_string(port);
  const auto refused = begin("fluentd", {{"fluentd-address", address}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr(address));
  EXPECT_TRUE(begin("fluentd", {{"fluentd-address", address}, {"fluentd-async", "true"}}));
}

TEST_F(LogForwarding, WritesSyslogInEachFormat) {
  DatagramReceiver receiver(directory_ / "syslog");
  ASSERT_TRUE(begin("syslog", {{"tag", "{{.Name}}"}}));
  write("plain\n");
  EXPECT_THAT(receiver.next(), AllOf(StartsWith("<30>Nov 1"), HasSubstr(" web["), EndsWith("]: plain")));
  write("bad\n", kErr);
  EXPECT_THAT(receiver.next(), StartsWith("<27>"));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, WritesSyslogOverTcp) {
  Arrivals arrivals;
  StreamReceiver receiver([&](const std::string& bytes, int) {
    std::size_t done = 0;
    for (auto end = bytes.find('\n'); end != std::string::npos; end = bytes.find('\n', done)) {
      arrivals.add(bytes.substr(done, end - done));
      done = end + 1;
    }
    return done;
  });
  ASSERT_TRUE(begin("syslog", {{"syslog-address", "tcp://127.0.0.1:" + std::to_string(receiver.port())},
                               {"syslog-format", "rfc5424micro"}, {"syslog-facility", "local0"}, {"tag", "t"}}));
  write("one\n");
  ASSERT_TRUE(arrivals.await(1));
  EXPECT_THAT(arrivals.lines()[0], AllOf(StartsWith("<134>1 2023-11-14T22:13:20.000000Z "), HasSubstr(" t "), EndsWith(" t - one")));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, GivesTheJournalFieldsAndWhatIsTooLongAsAFile) {
  DatagramReceiver receiver(directory_ / "journal");
  ASSERT_TRUE(begin("journald", {{"tag", "x"}}));
  write("hello\n");
  EXPECT_THAT(receiver.next(), AllOf(HasSubstr("MESSAGE=hello\n"), HasSubstr("PRIORITY=6\n"), HasSubstr("CONTAINER_NAME=web\n"),
                                     HasSubstr("CONTAINER_ID=0123456789a0\n"), HasSubstr("SYSLOG_IDENTIFIER=x\n"),
                                     HasSubstr("IMAGE_NAME=img:1\n")));
  write(std::string(250'000, 'z') + "\n", kErr);
  EXPECT_THAT(receiver.next(), AllOf(HasSubstr("PRIORITY=3\n"), HasSubstr("MESSAGE=zzz")));
  EXPECT_TRUE(finished());
}

TEST_F(LogForwarding, SaysClearlyThatThereIsNoJournal) {
  const auto refused = begin("journald", {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(StartsWith("journald does not run on this host"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace berth::runtime
