// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/pull.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/image/assemble.hpp"
#include "sdk/runtime/image/manifest.hpp"
#include "sdk/runtime/image/unpack.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::uint64_t kProgressStep = 256u << 10;

std::int64_t seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Counts what has come, and tells at sensible steps.
class Progress {
 public:
  Progress(const PullOptions& options, PullProgress start)
      : tell_(options.on_progress), now_(start) {
    if (tell_) tell_(now_);
  }
  void bytes(std::int64_t more) {
    const std::lock_guard lock{mutex_};
    now_.bytes_done += static_cast<std::uint64_t>(more);
    if (!tell_ || now_.bytes_done < told_ + kProgressStep) return;
    told_ = now_.bytes_done;
    tell_(now_);
  }
  void layer() {
    const std::lock_guard lock{mutex_};
    ++now_.layers_done;
    if (tell_) tell_(now_);
  }

 private:
  std::mutex mutex_;
  const std::function<void(const PullProgress&)>& tell_;
  PullProgress now_;
  std::uint64_t told_ = 0;
};

class Pull {
 public:
  Pull(PullParts parts, const Reference& reference, const std::string& name,
       const PullOptions& options)
      : parts_(parts), reference_(reference), name_(name), options_(options) {}

  sdk::Result<ImageRecord> run(RegistryAccess& access, std::optional<LayerStore::Pin>& pin);

 private:
  sdk::Result<void> fetch_manifest();
  sdk::Result<void> fetch_configuration();
  sdk::Result<void> fetch_layers();
  sdk::Result<void> fetch_layer(std::size_t index, Progress& progress, UnpackBudget& budget,
                                const std::stop_token& cancel);
  std::optional<ImageRecord> unchanged();
  ImageRecord assemble();

  PullParts parts_;
  const Reference& reference_;
  const std::string& name_;
  const PullOptions& options_;
  std::unique_ptr<Repository> repository_;
  std::string digest_;
  std::string manifest_digest_;
  Manifest manifest_;
  std::string config_bytes_;
  Configuration configuration_;
};

sdk::Error in_manifest(sdk::Error error) {
  if (error.status == BERTH_INVALID || error.status == BERTH_UNIMPLEMENTED) {
    error.reason = "CannotPullImageManifestError";
  }
  return error;
}

// What is here already under this name, if the registry still says the same. A cheap question: one
// HEAD.
std::optional<ImageRecord> Pull::unchanged() {
  const auto local = parts_.catalogue.find(reference_, options_.platform);
  if (!local) return {};
  const auto now = repository_->resolve();
  // Where the HEAD fails the GET will tell why; some registries do not even know HEAD.
  if (!now || (!reference_.by_digest() && *now != local->digest)) return {};
  return local;
}

sdk::Result<void> Pull::fetch_manifest() {
  auto fetched = repository_->manifest(reference_.selector());
  if (!fetched) return in_manifest(fetched.error());
  digest_ = fetched->digest;
  manifest_digest_ = fetched->digest;
  auto parsed = parse_manifest(fetched->bytes, fetched->content_type);
  if (!parsed) return in_manifest(parsed.error());
  if (const Index* index = std::get_if<Index>(&*parsed)) {
    auto chosen = choose_platform(*index, options_.platform);
    if (!chosen) return chosen.error();
    fetched = repository_->manifest(chosen->digest);
    if (!fetched) return in_manifest(fetched.error());
    if (fetched->bytes.size() != chosen->size) {
      return in_manifest(sdk::fail(BERTH_INVALID, "the manifest " + chosen->digest +
                                                      " has not the size that the index says"));
    }
    manifest_digest_ = fetched->digest;
    parsed = parse_manifest(fetched->bytes, fetched->content_type);
    if (!parsed) return in_manifest(parsed.error());
  }
  if (Manifest* manifest = std::get_if<Manifest>(&*parsed)) {
    manifest_ = std::move(*manifest);
    return {};
  }
  return in_manifest(sdk::fail(BERTH_UNIMPLEMENTED, "the index leads to another index"));
}

sdk::Result<void> Pull::fetch_configuration() {
  if (manifest_.layers.size() > options_.limits.layers) {
    return sdk::fail(BERTH_NO_CAPACITY, "the image has " + std::to_string(manifest_.layers.size()) +
                                            " layers; this host's limit is " +
                                            std::to_string(options_.limits.layers));
  }
  if (manifest_.layers.empty()) {
    return in_manifest(sdk::fail(BERTH_INVALID, "the image has no layers"));
  }
  auto bytes = repository_->small_blob(manifest_.config);
  if (!bytes) return bytes.error();
  config_bytes_ = std::move(*bytes);
  auto parsed = parse_configuration(config_bytes_);
  if (!parsed) return parsed.error();
  configuration_ = std::move(*parsed);
  if (!configuration_.platform.os.empty() && configuration_.platform.os != "linux") {
    return sdk::fail(BERTH_INVALID, "the image is made for " + configuration_.platform.to_string() +
                                        ", not for linux");
  }
  if (configuration_.diff_ids.size() != manifest_.layers.size()) {
    return sdk::fail(BERTH_INVALID, "the manifest has " + std::to_string(manifest_.layers.size()) +
                                        " layers, the configuration " +
                                        std::to_string(configuration_.diff_ids.size()));
  }
  return {};
}

sdk::Result<void> Pull::fetch_layer(std::size_t index, Progress& progress, UnpackBudget& budget,
                                    const std::stop_token& cancel) {
  const Descriptor& blob = manifest_.layers[index];
  const std::vector<std::size_t> endpoints = repository_->order();
  std::int64_t came = 0;
  const auto open = [&](std::size_t attempt) {
    progress.bytes(-came);  // what another mirror gave was no good
    came = 0;
    return repository_->blob(blob, endpoints[attempt], [&](std::size_t bytes) {
      came += static_cast<std::int64_t>(bytes);
      progress.bytes(static_cast<std::int64_t>(bytes));
    });
  };
  auto result = parts_.layers.ensure({configuration_.diff_ids[index], endpoints.size()}, open,
                                     budget, cancel);
  if (!result) return result;
  // Another pull may have brought it.
  progress.bytes(static_cast<std::int64_t>(blob.size) - came);
  progress.layer();
  return {};
}

sdk::Result<void> Pull::fetch_layers() {
  std::vector<std::size_t> missing;
  PullProgress start{.layers_total = static_cast<std::uint32_t>(manifest_.layers.size())};
  std::set<std::string> seen;
  for (std::size_t i = 0; i < manifest_.layers.size(); ++i) {
    const std::string& diff_id = configuration_.diff_ids[i];
    if (parts_.layers.has(diff_id) || !seen.insert(diff_id).second) {
      ++start.layers_done;
      continue;
    }
    missing.push_back(i);
    start.bytes_total += manifest_.layers[i].size;
  }
  Progress progress{options_, start};
  UnpackBudget budget{static_cast<std::int64_t>(options_.limits.unpacked_bytes),
                      static_cast<std::int64_t>(options_.limits.entries)};
  // The big ones first: the last to end decides.
  std::ranges::sort(missing, [&](std::size_t a, std::size_t b) {
    return std::pair{manifest_.layers[b].size, a} < std::pair{manifest_.layers[a].size, b};
  });

  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<sdk::Error> failure;
  std::stop_source stop;
  const std::stop_callback forward{options_.cancel, [&] { stop.request_stop(); }};
  const auto work = [&] {
    for (std::size_t i = next++; i < missing.size(); i = next++) {
      const auto done = fetch_layer(missing[i], progress, budget, stop.get_token());
      if (done) continue;
      const std::lock_guard lock{mutex};
      if (!failure || failure->status == BERTH_CANCELLED) failure = done.error();
      stop.request_stop();  // the others need not go on
      return;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < std::min(parts_.threads, missing.size()); ++i) {
      threads.emplace_back(work);
    }
    work();
  }
  if (!missing.empty()) parts_.layers.sync_soon();
  if (options_.cancel.stop_requested()) return sdk::fail(BERTH_CANCELLED, "cancelled");
  if (failure) return *failure;
  return {};
}

ImageRecord Pull::assemble() {
  ImageRecord out{.reference = name_,
                  .repository = reference_.registry + "/" + reference_.repository,
                  .platform = options_.platform,
                  .digest = digest_,
                  .manifest_digest = manifest_digest_,
                  .config_digest = manifest_.config.digest,
                  .config = std::move(config_bytes_),
                  .layers = {},
                  .directories = {},
                  .unpacked_bytes = 0,
                  .pulled_at = seconds_since_epoch()};
  std::vector<AssembledLayer> layers;
  for (const std::string& diff_id : configuration_.diff_ids) {
    const auto record = parts_.layers.record(diff_id).value_or(LayerRecord{});
    if (record.opaque) {  // its root hides all below, which an overlay does not do for roots
      out.layers.clear();
      layers.clear();
    }
    out.layers.push_back(diff_id);
    layers.push_back({parts_.layers.path(diff_id), record.implied});
    out.unpacked_bytes += record.bytes;
  }
  // An overlay refuses the same directory twice; the upper of the two decides.
  for (std::size_t i = out.layers.size(); i-- > 0;) {
    if (std::find(out.layers.begin() + static_cast<std::ptrdiff_t>(i) + 1, out.layers.end(),
                  out.layers[i]) == out.layers.end()) {
      continue;
    }
    out.layers.erase(out.layers.begin() + static_cast<std::ptrdiff_t>(i));
    layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(i));
  }
  out.directories = mend_directories(layers);
  return out;
}

sdk::Result<ImageRecord> Pull::run(RegistryAccess& access, std::optional<LayerStore::Pin>& pin) {
  auto repository = Repository::find(parts_.client, access, reference_,
                                     {.execution_role_arn = options_.execution_role_arn,
                                      .credentials = options_.credentials,
                                      .cancel = options_.cancel});
  if (!repository) return repository.error();
  repository_ = std::move(*repository);
  if (auto local = unchanged()) {
    pin.emplace(parts_.layers.pin(local->layers));
    const bool whole = std::ranges::all_of(
        local->layers, [&](const std::string& layer) { return parts_.layers.has(layer); });
    if (whole) {
      parts_.catalogue.touch(*local, seconds_since_epoch());
      if (options_.on_resolved) options_.on_resolved(local->digest);
      return *local;
    }
    pin.reset();
  }
  if (auto done = fetch_manifest(); !done) return done.error();
  if (auto done = fetch_configuration(); !done) return done.error();
  if (options_.on_resolved) options_.on_resolved(digest_);
  // From here on nobody removes them, whether they are here already or come now.
  pin.emplace(parts_.layers.pin(configuration_.diff_ids));
  if (auto done = fetch_layers(); !done) return done.error();
  ImageRecord record = assemble();
  BERTH_FAILPOINT("image.before_record");
  if (auto kept = parts_.catalogue.put(record); !kept) return kept.error();
  return record;
}

}  // namespace

sdk::Result<ImageRecord> pull_image(PullParts parts, const Reference& reference,
                                    const std::string& name, RegistryAccess& access,
                                    const PullOptions& options,
                                    std::optional<LayerStore::Pin>& pin) {
  return Pull{parts, reference, name, options}.run(access, pin);
}

sdk::Error name_error(sdk::Error error, const std::string& registry) {
  if (error.reason != "CannotPullImageManifestError") {
    const bool ecr = registry.find(".dkr.ecr.") != std::string::npos;
    const bool credentials = error.field == "credentials";
    error.reason = credentials && ecr                            ? "CannotPullECRContainerError"
                   : credentials || error.status == BERTH_DENIED ? "CannotPullContainerAuthError"
                                                                 : "CannotPullContainerError";
  }
  error.message = error.reason + ": " + error.message;
  error.field.clear();
  return error;
}

}  // namespace berth::runtime::image
