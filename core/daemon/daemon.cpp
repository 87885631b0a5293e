// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/daemon.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <future>
#include <thread>

#include "core/api/server.hpp"
#include "core/control/control.hpp"
#include "core/daemon/checkpoint.hpp"
#include "core/daemon/config_check.hpp"
#include "core/daemon/config_placement.hpp"
#include "core/daemon/exec_streams.hpp"
#include "core/daemon/image_calls.hpp"
#include "core/daemon/log_streams.hpp"
#include "core/daemon/loop.hpp"
#include "core/daemon/placement_metrics.hpp"
#include "core/daemon/plugin_set.hpp"
#include "core/daemon/pull_grants.hpp"
#include "core/daemon/stats_calls.hpp"
#include "core/daemon/task_roles.hpp"
#include "core/daemon/timed_store.hpp"
#include "core/store/sqlite_store.hpp"

namespace berth::daemon {
namespace {

// The kernel's randomness: ids of different control planes must not meet.
class KernelRng final : public Rng {
 public:
  std::uint64_t next() override {
    if (left_ == 0) {
      const ssize_t got = ::getrandom(words_.data(), sizeof words_, 0);
      BERTH_ASSERT(got == static_cast<ssize_t>(sizeof words_));
      left_ = words_.size();
    }
    return words_[--left_];
  }

 private:
  std::array<std::uint64_t, 32> words_{};
  std::size_t left_ = 0;
};

// The core's wake-up, joined with the plugins' deadlines into the loop's one.
class CoreTimer final : public Timers {
 public:
  void wake_at(Instant at) override { at_ = at; }
  void arm(Loop& loop, std::optional<Instant> other) const {
    std::optional<Instant> first = at_;
    if (other && (!first || *other < *first)) first = other;
    if (first) loop.wake_at(*first);
  }
  void passed(Instant now) {
    if (at_ && *at_ <= now) at_.reset();
  }

 private:
  std::optional<Instant> at_;
};

class LoopFrontend final : public control::Frontend {
 public:
  LoopFrontend(Loop& loop, control::Control& core) : loop_(loop), core_(core) {}
  void submit(control::Command command, control::Reply reply) override {
    loop_.post([this, command = std::move(command), reply = std::move(reply)]() mutable {
      core_.submit(std::move(command), [reply = std::move(reply)](Result<control::Answer> answer) {
        pass_checkpoint("control.before_answer");
        reply(std::move(answer));
      });
    });
  }
  void query(control::Query query) override {
    loop_.post([this, query = std::move(query)]() mutable { core_.query(std::move(query)); });
  }

 private:
  Loop& loop_;
  control::Control& core_;
};

control::StrategyRules rules_of(const PlacementSection& placement) {
  control::StrategyRules rules{
      .allowed = placement.strategies, .defaults = {}, .expected_tasks = expected_tasks(placement)};
  for (const auto& strategy : placement.default_strategies) {
    auto& one = rules.defaults.emplace_back();
    one.set_type(strategy.type);
    if (!strategy.field.empty()) one.set_field(strategy.field);
  }
  return rules;
}

[[noreturn]] void halt(const Error& error) {
  spdlog::critical("the store failed, nothing more can be acknowledged: {}", error.message);
  spdlog::shutdown();
  ::_exit(1);
}

class ControlPlane {
 public:
  explicit ControlPlane(const Config& config)
      : config_(config),
        store_(timed_store(store::make_sqlite_store({.file = config.data_dir / "berth.db",
                                                     .checkpoint = &pass_checkpoint}),
                           *metrics_)),
        plugins_(
            config_,
            {.post = [this](std::function<void()> work) { loop_.post(std::move(work)); },
             .now = [this] { return loop_.now(); },
             .up = [this](control::LaunchPlugin plugin) { core_.plugin_up(std::move(plugin)); },
             .event = [this](
                          const PluginName& plugin, std::uint32_t event,
                          std::string_view payload) { core_.plugin_event(plugin, event, payload); },
             .stream = [this](std::string_view chunk) { streams_.chunk(chunk); },
             .role_of =
                 [this](const PluginName& plugin, const v1::TaskCredentialsRequest& request) {
                   return role_of(core_.state(), plugin, request);
                 },
             .may_pull =
                 [this](const PluginName& plugin, const v1::AuthorizeRequest& request) {
                   if (pull_grants_.cover(plugin, request, loop_.now())) return Result<void>();
                   return may_pull(core_.state(), plugin, request);
                 }}),
        core_(control::Config{.realm = {config.region, config.account},
                              .default_cluster = config.default_cluster,
                              .stopped_task_retention = config.stopped_task_retention,
                              .service_healthy_after = config.service_healthy_after,
                              .early_exits_fail_deployments = config.early_exits_fail_deployments,
                              .strategies = rules_of(config.placement),
                              .engine = engine_options(config.placement),
                              .networks = config.networks},
              control::Ports{
                  .store = *store_,
                  .plugins = plugins_,
                  .timers = timer_,
                  .rng = rng_,
                  .halt = &halt,
                  .post = [this](std::function<void()> work) { loop_.post(std::move(work)); },
                  .meter = &placement_,
                  .warn = [](const std::string& text) { spdlog::warn("{}", text); }}),
        streams_(plugins_, [this](std::function<void()> work) { loop_.post(std::move(work)); }),
        stats_(plugins_, [this](std::function<void()> work) { loop_.post(std::move(work)); }),
        images_(
            plugins_, [this](std::function<void()> work) { loop_.post(std::move(work)); },
            [this](const PluginName& plugin, const v1::PullImageRequest& request) {
              pull_grants_.add(plugin, request, loop_.now());
            }),
        frontend_(loop_, core_) {}

  ~ControlPlane() {
    if (server_) server_->stop();
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> start(bool services_rest) {
    auto loaded = store_->load();
    if (!loaded) return tl::unexpected(loaded.error());
    spdlog::info("{} records loaded from {}", loaded->snapshot.size(),
                 (config_.data_dir / "berth.db").string());
    if (auto restored = core_.restore(std::move(*loaded), loop_.now()); !restored) return restored;
    loop_.not_before(core_.now());
    if (services_rest) {
      core_.rest_services();
      spdlog::info("services rest until the next start");
    }
    thread_ = std::thread([this] { loop_.run([this](Instant now) { turn(now); }); });
    std::promise<void> settled;
    loop_.post([&] { plugins_.start([&settled] { settled.set_value(); }); });
    settled.get_future().wait();
    return serve();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  void turn(Instant now) {
    timer_.passed(now);
    plugins_.sweep(now);
    core_.tick(now);
    placement_.show(core_.placement_stats());
    timer_.arm(loop_, plugins_.next_sweep());
  }

  Result<void> serve() {
    api::Config api;
    const auto address = listen_address(config_.api.host);
    if (!address) return tl::unexpected(address.error());
    api.address = *address;
    api.host_name = config_.api.host;
    api.port = config_.api.port;
    api.tls_certificate = config_.tls_certificate;
    api.tls_key = config_.tls_key;
    for (const auto& key : config_.access_keys) api.access_keys.push_back({key.id, key.secret, ""});
    api.realm = {config_.region, config_.account};
    api.default_cluster = config_.default_cluster;
    api.version = BERTH_VERSION;
    auto server = api::Server::start(
        std::move(api), api::Ports{.control = frontend_,
                                   .logs = logs_,
                                   .execs = execs_,
                                   .stats = stats_,
                                   .images = images_,
                                   .rng = request_ids_,
                                   // Signatures and dates are those of the wall's clock, also
                                   // where it was ahead once.
                                   .now =
                                       [] {
                                         return std::chrono::time_point_cast<milliseconds>(
                                             std::chrono::system_clock::now());
                                       },
                                   .plugins = [this] { return plugins_.describe_all(); },
                                   .services_rest = [this] { return core_.services_rest(); },
                                   .metrics = metrics_});
    if (!server) return tl::unexpected(server.error());
    server_ = std::move(*server);
    return {};
  }

  const Config& config_;
  Loop loop_;
  CoreTimer timer_;
  KernelRng rng_;
  KernelRng request_ids_;
  std::shared_ptr<prometheus::Registry> metrics_ = std::make_shared<prometheus::Registry>();
  PlacementMetrics placement_{*metrics_};
  std::unique_ptr<store::Store> store_;
  PluginSet plugins_;
  control::Control core_;
  PluginStreams streams_;
  LogStreams logs_{streams_};
  ExecStreams execs_{streams_};
  StatsCalls stats_;
  PullGrants pull_grants_;
  ImageCalls images_;
  LoopFrontend frontend_;
  std::unique_ptr<api::Server> server_;
  std::thread thread_;
};

// Written whole or not at all: others read it while we live.
Result<void> publish(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path draft = file.string() + ".new";
  std::ofstream out(draft, std::ios::trunc);
  out << text << '\n';
  out.close();
  std::error_code ec;
  if (out) std::filesystem::rename(draft, file, ec);
  if (!out || ec) return fail(Errc::Denied, "cannot write " + file.string());
  return {};
}

}  // namespace

Result<void> run(const Config& config, const RunOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  std::error_code ec;
  std::filesystem::create_directories(config.data_dir / "plugins", ec);
  if (ec)
    return fail(Errc::Denied, "cannot make " + config.data_dir.string() + ": " + ec.message());
  std::filesystem::permissions(config.data_dir, std::filesystem::perms::owner_all, ec);

  ControlPlane plane(config);
  if (auto started = plane.start(options.services_rest); !started) return started;
  if (auto done = publish(config.data_dir / "api.port", std::to_string(plane.port())); !done)
    return done;
  const std::string address = config.api.host + ":" + std::to_string(plane.port());
  if (auto done = publish(config.data_dir / "api.address", address); !done) return done;
  if (auto done = publish(config.data_dir / "berthd.pid", std::to_string(::getpid())); !done)
    return done;
  spdlog::info("the API listens on {}:{}", config.api.host, plane.port());
  if (options.ready_fd >= 0) {
    if (::write(options.ready_fd, "ready\n", 6) != 6)
      spdlog::warn("nobody waits for us to be ready");
    ::close(options.ready_fd);
  }
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("ending on signal {}; tasks go on running", signal);
  std::filesystem::remove(config.data_dir / "berthd.pid", ec);
  return {};
}

}  // namespace berth::daemon
