// SPDX-License-Identifier: Apache-2.0
// The typed C++ on the table: what a vendor's class may rely on, seen from the host's side.
#include <gmock/gmock.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "berth/owned_page.hpp"
#include "berth/plugin.hpp"
#include "berth/task_book.hpp"
#include "berth/worker.hpp"
#include "sdk/check/host.hpp"

namespace berth::sdk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A launch type whose methods do what the test says.
class Scripted final : public LaunchType {
 public:
  explicit Scripted(Host host) : LaunchType(host) {
    limit = host.settings().integer("limit", 5, {.min = 1, .max = 10});
    names = host.settings().list("names");
    current = this;
  }
  ~Scripted() override {
    if (on_end) on_end();
  }
  void describe(v1::Interface& self) const override { self.add_launch_types("EXTERNAL"); }
  void plan(v1::PlanRequest, Completion<v1::PlanResponse> done) override { on_plan(done); }
  void start(v1::StartTaskRequest, Completion<v1::Empty> done) override { kept.push_back(done); }
  void stop(v1::StopTaskRequest, Completion<v1::Empty>) override {}  // forgets to answer
  void list_owned(v1::ListOwnedRequest, Completion<v1::ListOwnedResponse> done) override {
    done.ok();
  }
  void recover(v1::RecoverRequest, Completion<v1::RecoverResponse>) override {
    throw std::runtime_error("a bug");
  }
  void forget(v1::ForgetTasksRequest, Completion<v1::Empty> done) override { done.ok(); }
  void logs(v1::LogsRequest, Stream stream, Completion<v1::LogsResponse> done) override {
    streams.push_back(stream);
    log_calls.push_back(done);
  }
  [[nodiscard]] const Host& my_host() const { return host(); }

  static inline Scripted* current = nullptr;
  std::int64_t limit = 0;
  std::vector<std::string> names;
  std::function<void(Completion<v1::PlanResponse>)> on_plan;
  std::function<void()> on_end;
  std::vector<Completion<v1::Empty>> kept;
  std::deque<Stream> streams;
  std::vector<Completion<v1::LogsResponse>> log_calls;
};

// A second role whose activate is answered when the test says.
class Slow final : public HostRole {
 public:
  explicit Slow(Host host) : HostRole(host) { current = this; }
  void describe(v1::Interface&) const override {}
  void activate(Completion<v1::Empty> done) override { activated.push_back(done); }
  static inline Slow* current = nullptr;
  std::vector<Completion<v1::Empty>> activated;
};

constexpr About kAbout{.name = "scripted", .version = "1"};

class SdkTest : public ::testing::Test {
 protected:
  ~SdkTest() override { end(); }

  berth_status create(const v1::PluginConfig& config = {}) {
    const std::string bytes = config.SerializeAsString();
    return table.create(host.table(), {bytes.data(), bytes.size()}, &instance);
  }
  void begin() {
    ASSERT_EQ(create(), BERTH_OK);
    ASSERT_EQ(call(v1::METHOD_ACTIVATE).status, BERTH_OK);
  }
  void end() {
    if (instance != nullptr) table.destroy(std::exchange(instance, nullptr));
  }
  check::End call(v1::Method method, const std::string& request = {}) {
    return host.end_of(start(method, request));
  }
  std::uint64_t start(v1::Method method, const std::string& request = {}) {
    const std::uint64_t operation = next++;
    taken = table.call(instance, static_cast<std::uint32_t>(method),
                       {request.data(), request.size()}, operation, 1000);
    return operation;
  }
  static std::string words(const check::End& end) {
    v1::Failure failure;
    EXPECT_TRUE(failure.ParseFromString(end.payload));
    return failure.message();
  }
  std::vector<v1::StreamChunk> chunks() {
    std::vector<v1::StreamChunk> found;
    for (const check::Event& event : host.events()) {
      if (event.id != v1::EVENT_STREAM) continue;
      EXPECT_TRUE(found.emplace_back().ParseFromString(event.payload));
    }
    return found;
  }
  std::uint64_t open_logs(std::uint32_t credit) {
    v1::LogsRequest request;
    request.set_stream_id(9);
    request.set_credit_bytes(credit);
    return start(v1::METHOD_LAUNCH_LOGS, request.SerializeAsString());
  }
  static std::string credit(std::uint32_t bytes, std::uint64_t id = 9) {
    v1::StreamCredit credit;
    credit.set_stream_id(id);
    credit.set_bytes(bytes);
    return credit.SerializeAsString();
  }
  static std::string input(const std::string& data, std::uint64_t id = 9) {
    v1::StreamWrite write;
    write.set_stream_id(id);
    write.set_data(data);
    return write.SerializeAsString();
  }

  static constexpr berth_plugin table = detail::Table<kAbout, Scripted>::table();
  check::Host host;
  void* instance = nullptr;
  std::uint64_t next = 1;
  berth_status taken = BERTH_OK;
};

TEST_F(SdkTest, DeclaresExactlyWhatTheClassOverrides) {
  ASSERT_EQ(create(), BERTH_OK);
  v1::Manifest manifest;
  ASSERT_TRUE(manifest.ParseFromString(call(v1::METHOD_DESCRIBE).payload));
  EXPECT_THAT(manifest.interfaces(0).methods(),
              ElementsAre(0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x107));
  start(v1::METHOD_LAUNCH_EXEC);
  EXPECT_EQ(taken, BERTH_UNIMPLEMENTED);
}

TEST_F(SdkTest, RefusesCallsToARoleThatIsNotActive) {
  ASSERT_EQ(create(), BERTH_OK);
  EXPECT_EQ(call(v1::METHOD_LAUNCH_LIST_OWNED).status, BERTH_PRECONDITION);
}

TEST_F(SdkTest, AnswersOnceHoweverOftenThePluginDoes) {
  begin();
  Scripted::current->on_plan = [](const auto& done) {
    done.ok();
    done.fail(fail(BERTH_INTERNAL, "late"));
    done.ok();
  };
  const check::End end = call(v1::METHOD_LAUNCH_PLAN);
  EXPECT_EQ(end.times, 1);
  EXPECT_EQ(end.status, BERTH_OK);
}

TEST_F(SdkTest, AnswersForAPluginThatForgetsOrThrows) {
  begin();
  const check::End forgotten = call(v1::METHOD_LAUNCH_STOP);
  EXPECT_EQ(forgotten.times, 1);
  EXPECT_EQ(forgotten.status, BERTH_INTERNAL);
  const check::End thrown = call(v1::METHOD_LAUNCH_RECOVER);
  EXPECT_EQ(thrown.times, 1);
  EXPECT_EQ(thrown.status, BERTH_INTERNAL);
  EXPECT_EQ(words(thrown), "a bug");
}

TEST_F(SdkTest, CompletesOpenCallsAtTheEndAndNothingAfterIt) {
  begin();
  const std::uint64_t first = start(v1::METHOD_LAUNCH_START);
  const std::uint64_t second = start(v1::METHOD_LAUNCH_START);
  std::vector<std::string> order;
  auto kept = Scripted::current->kept;
  kept[0].on_cancel([&] { order.push_back("cancelled"); });
  Scripted::current->on_end = [&] {
    order.push_back("ended");
    kept[1].ok();  // a destructor may still answer
  };
  end();
  EXPECT_THAT(order, ElementsAre("cancelled", "ended"));
  EXPECT_EQ(host.end_of(first).status, BERTH_CANCELLED);
  EXPECT_EQ(host.end_of(second).status, BERTH_OK);
  kept[0].ok();
  EXPECT_EQ(host.end_of(first).times, 1);
}

TEST_F(SdkTest, TellsThePluginOfACancelOnceAndAtOnceIfItAsksLater) {
  begin();
  const std::uint64_t operation = start(v1::METHOD_LAUNCH_START);
  const auto done = Scripted::current->kept.at(0);
  int cancels = 0;
  done.on_cancel([&] { ++cancels; });
  EXPECT_FALSE(done.is_cancelled());
  table.cancel(instance, operation);
  table.cancel(instance, operation);
  EXPECT_EQ(cancels, 1);
  EXPECT_TRUE(done.is_cancelled());
  done.on_cancel([&] { ++cancels; });
  EXPECT_EQ(cancels, 2);
  EXPECT_EQ(host.end_of(operation).times, 0);
  done.ok();
  EXPECT_EQ(host.end_of(operation).times, 1);
}

TEST_F(SdkTest, PassesUnknownFieldsOnWhereThePluginPassesBytesOn) {
  begin();
  const std::string future("\xfa\x7c\x03new", 6);
  Scripted::current->on_plan = [&](const auto& done) { done.ok_bytes(future); };
  EXPECT_EQ(call(v1::METHOD_LAUNCH_PLAN).payload, future);
  // And through a message that is read and written again.
  v1::TaskReport report;
  ASSERT_TRUE(report.ParseFromString(future));
  Scripted::current->my_host().report(report);
  EXPECT_EQ(host.events().back().payload, future);
}

TEST_F(SdkTest, RefusesAnAnswerBeyondThePayloadsBound) {
  begin();
  Scripted::current->on_plan = [](const auto& done) {
    done.ok_bytes(std::string(BERTH_PAYLOAD_MAX + 1, 'x'));
  };
  EXPECT_EQ(call(v1::METHOD_LAUNCH_PLAN).status, BERTH_INTERNAL);
}

TEST_F(SdkTest, ReadsSettingsAndNamesEachThatIsWrong) {
  v1::PluginConfig config;
  auto& settings = *config.mutable_settings();
  settings["limit"] = "7";
  settings["names.0"] = "a";
  settings["names.1"] = "b";
  ASSERT_EQ(create(config), BERTH_OK);
  EXPECT_EQ(Scripted::current->limit, 7);
  EXPECT_THAT(Scripted::current->names, ElementsAre("a", "b"));
  end();
  settings["limit"] = "11";
  settings["nmaes"] = "x";
  EXPECT_EQ(create(config), BERTH_INVALID);
  EXPECT_EQ(instance, nullptr);
  EXPECT_THAT(host.log(), HasSubstr("limit: 11 is not between 1 and 10"));
  EXPECT_THAT(host.log(), HasSubstr("unknown key 'nmaes'"));
}

TEST_F(SdkTest, DropsEventsBeforeActivateAndSaysSo) {
  ASSERT_EQ(create(), BERTH_OK);
  Scripted::current->my_host().report(v1::TaskReport());
  EXPECT_THAT(host.events(), IsEmpty());
  EXPECT_THAT(host.log(), HasSubstr("before activate"));
}

TEST_F(SdkTest, BringsTheAnswerToTheOneWhoAsked) {
  begin();
  std::vector<std::string> got;
  const Host& asker = Scripted::current->my_host();
  const auto note = [&](const std::string& who) {
    return [&got, who](const Result<std::string>& answer) {
      got.push_back(who + (answer ? "=" + *answer : ": " + answer.error().message));
    };
  };
  asker.mirrors_bytes("m", note("first"));
  asker.authorize_bytes("a", note("second"));
  v1::Ask ask;
  ASSERT_TRUE(ask.ParseFromString(host.events().at(1).payload));
  EXPECT_EQ(ask.authorize().request(), "a");
  v1::Answer answer;
  answer.set_ask_id(ask.ask_id());
  answer.set_response("yes");
  EXPECT_EQ(call(v1::METHOD_ANSWER, answer.SerializeAsString()).status, BERTH_OK);
  EXPECT_EQ(call(v1::METHOD_ANSWER, answer.SerializeAsString()).status, BERTH_NOT_FOUND);
  EXPECT_THAT(got, ElementsAre("second=yes"));
  end();  // what is open is answered too
  EXPECT_THAT(got, ElementsAre("second=yes", "first: the instance is ending"));
}

TEST_F(SdkTest, SendsNoMoreThanItsCreditAndTheRestWithTheNext) {
  begin();
  open_logs(4);
  Stream stream = Scripted::current->streams.at(0);
  int ready = 0;
  stream.on_ready([&] { ++ready; });
  EXPECT_FALSE(stream.send(v1::StreamChunk::CHANNEL_STDOUT, "abcdef"));
  ASSERT_EQ(chunks().size(), 1U);
  EXPECT_EQ(chunks()[0].data(), "abcd");
  EXPECT_EQ(call(v1::METHOD_STREAM_CREDIT, credit(1)).status, BERTH_OK);
  EXPECT_EQ(ready, 0);
  EXPECT_EQ(call(v1::METHOD_STREAM_CREDIT, credit(10)).status, BERTH_OK);
  EXPECT_EQ(ready, 1);
  std::string all;
  for (const v1::StreamChunk& chunk : chunks()) all += chunk.data();
  EXPECT_EQ(all, "abcdef");
  EXPECT_TRUE(stream.send(v1::StreamChunk::CHANNEL_STDERR, "123456789"));
}

TEST_F(SdkTest, CutsLargeDataIntoChunks) {
  begin();
  open_logs(1 << 20);
  Scripted::current->streams.at(0).send(v1::StreamChunk::CHANNEL_STDOUT,
                                        std::string(3 * Stream::kChunkMax / 2, 'x'));
  ASSERT_EQ(chunks().size(), 2U);
  EXPECT_EQ(chunks()[0].data().size(), Stream::kChunkMax);
}

TEST_F(SdkTest, TakesNoMoreInputThanThePluginHasGranted) {
  begin();
  open_logs(0);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("x")).status, BERTH_INVALID);
  Scripted::current->streams.at(0).grant_input(3);
  ASSERT_EQ(chunks().size(), 1U);
  EXPECT_EQ(chunks()[0].input_credit_bytes(), 3U);
  EXPECT_EQ(chunks()[0].stream_id(), 9U);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("ab")).status, BERTH_OK);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("cd")).status, BERTH_INVALID);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("c")).status, BERTH_OK);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("")).status,
            BERTH_OK);  // a signal or a size costs nothing
}

TEST_F(SdkTest, KeepsInputUntilThePluginListensWithinBounds) {
  begin();
  open_logs(0);
  Scripted::current->streams.at(0).grant_input(64 * 1024 * 1024);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("one")).status, BERTH_OK);
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("two")).status, BERTH_OK);
  std::string got;
  Scripted::current->streams.at(0).on_input(
      [&](const v1::StreamWrite& write) { got += write.data() + ";"; });
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("three")).status, BERTH_OK);
  EXPECT_EQ(got, "one;two;three;");
  Scripted::current->streams.at(0).on_input(nullptr);
  berth_status status = BERTH_OK;
  for (int i = 0; i < 100 && status == BERTH_OK; ++i) {
    status = call(v1::METHOD_STREAM_WRITE, input(std::string(60'000, 'x'))).status;
  }
  EXPECT_EQ(status, BERTH_NO_CAPACITY);
}

TEST_F(SdkTest, KnowsAStreamOnlyWhileItIsHeld) {
  begin();
  open_logs(0);
  Scripted::current->streams.clear();
  EXPECT_EQ(call(v1::METHOD_STREAM_WRITE, input("x")).status, BERTH_NOT_FOUND);
  EXPECT_EQ(call(v1::METHOD_STREAM_CREDIT, credit(1)).status, BERTH_NOT_FOUND);
}

TEST_F(SdkTest, PublishesInventoryFromPublishOnWithGrowingGenerations) {
  begin();
  Inventory& inventory = Scripted::current->inventory();
  v1::Node node;
  node.set_id("a");
  inventory.set(node);
  inventory.resend();
  EXPECT_THAT(host.events(), IsEmpty());
  inventory.publish();
  node.set_id("b");
  inventory.set(node);
  inventory.remove("a");
  inventory.remove("never there");
  ASSERT_EQ(host.events().size(), 3U);
  v1::InventoryDelta delta;
  ASSERT_TRUE(delta.ParseFromString(host.events()[2].payload));
  EXPECT_EQ(delta.base(), 2U);
  EXPECT_EQ(delta.generation(), 3U);
  EXPECT_THAT(delta.removals(), ElementsAre("a"));
}

TEST_F(SdkTest, SplitsAnInventoryThatIsLargerThanAPayload) {
  begin();
  Inventory& inventory = Scripted::current->inventory();
  for (int i = 0; i < 20; ++i) {
    v1::Node node;
    node.set_id(std::to_string(i));
    node.set_agent_hash(std::string(1 << 20, 'h'));
    inventory.set(node);
  }
  inventory.publish();
  int nodes = 0;
  const auto events = host.events();
  ASSERT_GT(events.size(), 1U);
  for (std::size_t i = 0; i < events.size(); ++i) {
    v1::InventorySnapshot part;
    ASSERT_TRUE(part.ParseFromString(events[i].payload));
    EXPECT_EQ(part.generation(), 1U);
    EXPECT_EQ(part.more(), i + 1 < events.size());
    nodes += part.nodes_size();
  }
  EXPECT_EQ(nodes, 20);
  EXPECT_EQ(host.fault(), "");
}

TEST_F(SdkTest, BooksTasksForwardOnly) {
  begin();
  TaskBook book(Scripted::current->my_host());
  v1::StartTaskRequest request;
  request.set_task_id("t");
  request.mutable_definition()->add_container_definitions()->set_name("a");
  request.mutable_definition()->add_container_definitions()->set_name("b");
  EXPECT_TRUE(book.add_running(request));
  EXPECT_FALSE(book.add_running(request));
  EXPECT_FALSE(book.update("t", [](auto& report) { report.set_phase(v1::TASK_PHASE_PENDING); }));
  EXPECT_TRUE(book.container_exited("t", "a", 0));
  EXPECT_EQ(book.find("t")->phase(), v1::TASK_PHASE_RUNNING);
  v1::ForgetTasksRequest forget;
  forget.add_task_ids("t");
  book.forget(forget);
  EXPECT_TRUE(book.container_exited("t", "b", 2));
  EXPECT_EQ(book.find("t")->phase(), v1::TASK_PHASE_STOPPED);
  EXPECT_FALSE(book.update("t", [](auto&) {}));
  book.forget(forget);
  EXPECT_EQ(book.list().tasks_size(), 0);
  std::uint64_t last = 0;
  for (const check::Event& event : host.events()) {
    v1::TaskReport report;
    ASSERT_TRUE(report.ParseFromString(event.payload));
    EXPECT_GT(report.sequence(), last);
    last = report.sequence();
  }
}

TEST_F(SdkTest, RunsJobsInOrderAndReportsOneThatThrows) {
  begin();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> ran;
  Worker worker(Scripted::current->my_host());
  const auto note = [&](int number) {
    return [&, number] {
      const std::lock_guard lock(mutex);
      ran.push_back(number);
      changed.notify_all();
    };
  };
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  worker.post_after(std::chrono::hours(1), note(99));
  worker.when_readable(pipe_ends[0], note(4));
  worker.post([] { throw std::runtime_error("job"); });
  worker.post(note(1));
  worker.post(note(2));
  worker.post_after(std::chrono::milliseconds(1), [&] {
    note(3)();
    ::close(pipe_ends[1]);  // readable: the end of file
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return ran.size() == 4; }));
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
  lock.unlock();
  worker.stop();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(host.log(), HasSubstr("threw: job"));
  EXPECT_EQ(::write(pipe_ends[0], "", 0), -1) << "the worker closes what it watched";
}

TEST_F(SdkTest, ActivatesRolesOneAfterTheOtherAndOnlyThoseAskedFor) {
  constexpr berth_plugin both = detail::Table<kAbout, Slow, Scripted>::table();
  void* plugin = nullptr;
  ASSERT_EQ(both.create(host.table(), {nullptr, 0}, &plugin), BERTH_OK);
  ASSERT_EQ(both.call(plugin, v1::METHOD_ACTIVATE, {nullptr, 0}, 1, 0), BERTH_OK);
  EXPECT_EQ(host.end_of(1).times, 0);
  Slow::current->activated.at(0).ok();
  EXPECT_EQ(host.end_of(1).status, BERTH_OK);
  EXPECT_EQ(host.end_of(1).times, 1);
  both.destroy(plugin);

  v1::PluginConfig config;
  config.add_interfaces("berth.launch/1");
  const std::string bytes = config.SerializeAsString();
  ASSERT_EQ(both.create(host.table(), {bytes.data(), bytes.size()}, &plugin), BERTH_OK);
  ASSERT_EQ(both.call(plugin, v1::METHOD_ACTIVATE, {nullptr, 0}, 2, 0), BERTH_OK);
  EXPECT_THAT(Slow::current->activated, IsEmpty());
  EXPECT_EQ(host.end_of(2).times, 1);
  both.destroy(plugin);
}

TEST_F(SdkTest, EndsAnActivateThatNoRoleHasAnswered) {
  constexpr berth_plugin slow = detail::Table<kAbout, Slow, Scripted>::table();
  void* plugin = nullptr;
  ASSERT_EQ(slow.create(host.table(), {nullptr, 0}, &plugin), BERTH_OK);
  ASSERT_EQ(slow.call(plugin, v1::METHOD_ACTIVATE, {nullptr, 0}, 1, 0), BERTH_OK);
  const auto late = Slow::current->activated.at(0);
  slow.destroy(plugin);
  EXPECT_EQ(host.end_of(1).times, 1);
  EXPECT_EQ(host.end_of(1).status, BERTH_CANCELLED);
  late.ok();  // touches neither the host nor the instance
  EXPECT_EQ(host.end_of(1).times, 1);
}

TEST(SdkNames, AreThoseOfTheHeader) {
  EXPECT_TRUE(detail::is_plugin_name("a-1"));
  for (const char* bad : {"", "A", "1a", "a_b", "-a", "a b"}) {
    EXPECT_FALSE(detail::is_plugin_name(bad)) << bad;
  }
  EXPECT_TRUE(detail::is_plugin_name(std::string(63, 'a')));
  EXPECT_FALSE(detail::is_plugin_name(std::string(64, 'a')));
}

TEST(OwnedPage, GivesAllTasksOnceWhateverFits) {
  v1::ListOwnedResponse all;
  for (int i = 9; i >= 0; --i) {
    all.add_tasks()->set_task_id("task-" + std::to_string(i));
  }
  all.add_unreachable_nodes("node");
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{40}, std::size_t{10'000}}) {
    std::string seen;
    v1::ListOwnedResponse page;
    do {
      const std::string after = page.tasks().empty() ? "" : page.tasks().rbegin()->task_id();
      page = owned_page(all, after, bytes);
      ASSERT_GT(page.tasks_size(), 0);
      EXPECT_EQ(page.unreachable_nodes_size(), 1);
      for (const auto& task : page.tasks()) seen += task.task_id().back();
    } while (page.more());
    EXPECT_EQ(seen, "0123456789") << bytes;
  }
  EXPECT_FALSE(owned_page({}, "").more());
}

}  // namespace
}  // namespace berth::sdk
