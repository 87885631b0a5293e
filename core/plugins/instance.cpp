// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/instance.hpp"

#include <utility>

#include "core/plugins/launch_events.hpp"
#include "core/plugins/manifest.hpp"

namespace berth::plugins {

Result<std::shared_ptr<Instance>> Instance::create(LibraryPtr library, Options options) {
  const auto events = std::make_shared<LaunchEvents>(std::move(options.on_event));
  auto host = std::make_shared<loading::HostSide>(
      library, loading::HostOptions{.config = options.config.SerializeAsString(),
                                    .post = std::move(options.post),
                                    .now = std::move(options.now),
                                    .on_event =
                                        [events, on_ask = std::move(options.on_ask)](
                                            std::uint32_t event, std::string payload) {
                                          if (event != v1::EVENT_ASK)
                                            return events->take(event, std::move(payload));
                                          if (on_ask) on_ask(payload);
                                        },
                                    .on_gap = [events] { events->mend(); },
                                    .log = std::move(options.log),
                                    .limits = options.limits});
  events->connect(host);
  if (auto created = host->create(); !created) {
    return tl::unexpected(error_of(created.error(), library->name()));
  }
  return std::shared_ptr<Instance>(new Instance(std::move(library), std::move(host)));
}

Instance::Instance(LibraryPtr library, std::shared_ptr<loading::HostSide> host)
    : library_(std::move(library)), name_(library_->name()), host_(std::move(host)) {}

Instance::~Instance() {
  host_->destroy();
}

const PluginName& Instance::name() const {
  return name_;
}
const loading::Library& Instance::library() const {
  return *library_;
}

std::uint64_t Instance::call(std::uint32_t method, std::string request, CallOptions options,
                             Done done) {
  return host_->call(method, std::move(request), options,
                     [name = name_.str(), done = std::move(done)](loading::End end) {
                       done(result_of(std::move(end), name));
                     });
}

void Instance::cancel(std::uint64_t operation) {
  host_->cancel(operation);
}

void Instance::describe(CallOptions options, std::function<void(Result<v1::Manifest>)> done) {
  call(v1::METHOD_DESCRIBE, {}, options,
       [library = library_, done = std::move(done)](const Result<std::string>& answer) {
         if (!answer) return done(tl::unexpected(answer.error()));
         v1::Manifest manifest;
         if (!manifest.ParseFromString(*answer)) {
           return done(fail(Errc::Invalid,
                            library->path().string() + ": its manifest cannot be read",
                            Subject::Plugin, library->name()));
         }
         if (auto sound = check_manifest(manifest, *library); !sound) {
           return done(tl::unexpected(sound.error()));
         }
         done(std::move(manifest));
       });
}

void Instance::activate(CallOptions options, std::function<void(Result<void>)> done) {
  host_->set_active();
  call(v1::METHOD_ACTIVATE, {}, options,
       [done = std::move(done)](const Result<std::string>& answer) {
         if (!answer) return done(tl::unexpected(answer.error()));
         done({});
       });
}

void Instance::sweep(Instant now) {
  host_->sweep(now);
}
std::optional<Instant> Instance::next_sweep() const {
  return host_->next_sweep();
}
Faults Instance::faults() const {
  return host_->faults();
}
std::size_t Instance::calls_overdue() const {
  return host_->calls_overdue();
}

}  // namespace berth::plugins
