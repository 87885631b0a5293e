// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/image_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "sdk/runtime/http/client.hpp"
#include "sdk/runtime/image/catalogue.hpp"
#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/image/layer_store.hpp"
#include "sdk/runtime/image/manifest.hpp"
#include "sdk/runtime/image/pull.hpp"
#include "sdk/runtime/image/reference.hpp"

namespace berth::runtime::image {
namespace {

std::int64_t seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

constexpr const char* kFormat = "berth images 1\n";

// A store of another version is not touched.
sdk::Result<void> check_format(int root) {
  const auto format = read_file(root, "format", 64);
  if (format) {
    if (*format == kFormat) return {};
    return sdk::fail(BERTH_PRECONDITION,
                     "the image store was written by another version of Berth; remove its "
                     "directory to pull anew");
  }
  if (format.error().status != BERTH_NOT_FOUND) return format.error();
  return write_file(root, "format", kFormat);
}

}  // namespace

class ImageStore::Impl {
 public:
  std::string directory;
  Fd root;
  Fd lock;
  std::unique_ptr<LayerStore> layers;
  std::unique_ptr<Catalogue> catalogue;
  http::Client client;
  std::size_t threads = 4;

  [[nodiscard]] bool is_whole(const ImageRecord& record) const {
    return std::ranges::all_of(record.layers,
                               [&](const std::string& layer) { return layers->has(layer); });
  }

  // Nothing where layers are gone.
  [[nodiscard]] std::optional<Image> image_of(const ImageRecord& record) const {
    if (!is_whole(record)) return {};
    auto configuration = parse_configuration(record.config);
    if (!configuration) return {};
    Image out{.reference = record.reference,
              .digest = record.digest,
              .id = record.config_digest,
              .platform = std::move(configuration->platform),
              .config = std::move(configuration->config),
              .layers = {},
              .directories = record.directories,
              .unpacked_bytes = record.unpacked_bytes};
    for (const std::string& layer : record.layers) out.layers.push_back(layers->path(layer));
    return out;
  }

  // The end of a successful pull: held, where asked for, before the layers' pin goes.
  sdk::Result<Image> hand_out(const ImageRecord& record, const PullOptions& options) {
    auto image = image_of(record);
    if (!image) return sdk::fail(BERTH_INTERNAL, "a layer of the image has gone from the store");
    if (!options.holder.empty()) {
      if (auto held = catalogue->hold(record, options.holder); !held) return held.error();
    }
    return std::move(*image);
  }

  sdk::Result<Image> hand_out_local(const ImageRecord& record, const PullOptions& options) {
    const auto pin = layers->pin(record.layers);
    return hand_out(record, options);
  }

  sdk::Result<Image> pull(const Reference& reference, const std::string& name,
                          RegistryAccess& access, const PullOptions& options);

  // Layers of no image: a pull that failed or was killed had brought them.
  std::uint64_t drop_strays() {
    return layers->remove_unneeded([this] { return catalogue->needed_layers(); });
  }
};

sdk::Result<Image> ImageStore::Impl::pull(const Reference& reference, const std::string& name,
                                          RegistryAccess& access, const PullOptions& options) {
  const auto local = catalogue->find(reference, options.platform);
  const bool have = local && is_whole(*local);
  const bool content =
      options.behaviour == PullBehaviour::Once || options.behaviour == PullBehaviour::PreferCached;
  if (have && content) return hand_out_local(*local, options);

  std::optional<LayerStore::Pin> pin;
  auto record =
      pull_image({client, *layers, *catalogue, threads}, reference, name, access, options, pin);
  if (record) return hand_out(*record, options);
  pin.reset();
  // What has come whole stays for the next attempt, until the cleaner's next round; but not where there is no room.
  if (record.error().status == BERTH_NO_CAPACITY) drop_strays();
  const bool may_fall_back =
      options.behaviour == PullBehaviour::Default && record.error().status != BERTH_CANCELLED;
  if (!have || !may_fall_back) return record.error();
  auto image = hand_out_local(*local, options);
  if (image) image->pull_error = name_error(record.error(), reference.registry).message;
  return image;
}

ImageStore::ImageStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStore::~ImageStore() = default;

sdk::Result<std::unique_ptr<ImageStore>> ImageStore::open(std::string directory,
                                                          StoreOptions options) {
  if (!directory.starts_with('/')) {
    return sdk::fail(BERTH_INVALID, "the image store's directory has to be absolute: " + directory);
  }
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  auto impl = std::make_unique<Impl>();
  // Layers hold programs with setuid bits: nobody but us walks in.
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return system_error(directory, errno);
  impl->root = Fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!impl->root) return system_error(directory, errno);
  if (fchmod(impl->root.get(), 0700) != 0) return system_error(directory, errno);
  impl->lock =
      Fd{openat(impl->root.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!impl->lock) return system_error(directory + "/lock", errno);
  if (flock(impl->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return sdk::fail(BERTH_PRECONDITION, directory + " is in use by another process");
  }
  if (auto format = check_format(impl->root.get()); !format) return format.error();
  auto layers = LayerStore::open(impl->root.get(), directory, options.concurrent_layers);
  if (!layers) return layers.error();
  auto catalogue = Catalogue::open(impl->root.get());
  if (!catalogue) return catalogue.error();
  impl->directory = std::move(directory);
  impl->layers = std::move(*layers);
  impl->catalogue = std::move(*catalogue);
  impl->threads = std::max<std::size_t>(options.concurrent_layers, 1);
  return std::unique_ptr<ImageStore>{new ImageStore(std::move(impl))};
}

sdk::Result<Image> ImageStore::pull(std::string_view text, RegistryAccess& access,
                                    const PullOptions& options) {
  auto reference = parse_reference(text);
  if (!reference) return name_error(reference.error(), "");
  if (!options.pinned_digest.empty()) {
    if (!is_digest(options.pinned_digest) ||
        (reference->by_digest() && reference->digest != options.pinned_digest)) {
      return name_error(
          sdk::fail(BERTH_INVALID, "the digest " + options.pinned_digest.substr(0, 200) +
                                       " is not that of " + reference->to_string()),
          "");
    }
    reference->digest = options.pinned_digest;
  }
  auto image = impl_->pull(*reference, reference->to_string(), access, options);
  if (!image) {
    sdk::Error error = image.error();
    error.message = "pull of " + reference->to_string() + " failed: " + error.message;
    return name_error(std::move(error), reference->registry);
  }
  image->reference = text;
  return image;
}

std::optional<Image> ImageStore::find(std::string_view text, const Platform& platform) const {
  const auto reference = parse_reference(text);
  const auto record = reference ? impl_->catalogue->find(*reference, platform) : std::nullopt;
  auto image = record ? impl_->image_of(*record) : std::nullopt;
  if (image) image->reference = text;
  return image;
}

sdk::Result<void> ImageStore::hold(const Image& image, std::string_view holder) {
  const auto record = impl_->catalogue->find_id(image.id, image.digest);
  if (!record)
    return sdk::fail(BERTH_NOT_FOUND, "image " + image.reference + " is not in the store any more");
  const auto pin = impl_->layers->pin(record->layers);
  if (!impl_->is_whole(*record)) {
    return sdk::fail(BERTH_NOT_FOUND, "image " + image.reference + " is not in the store any more");
  }
  return impl_->catalogue->hold(*record, holder);
}

void ImageStore::release(std::string_view holder) {
  impl_->catalogue->release(holder, seconds_since_epoch());
}

std::vector<std::string> ImageStore::holders() const {
  return impl_->catalogue->holders();
}

std::optional<Image> ImageStore::held(std::string_view holder) const {
  const auto record = impl_->catalogue->held(holder);
  return record ? impl_->image_of(*record) : std::nullopt;
}

std::vector<StoredImage> ImageStore::list() const {
  std::vector<ImageRecord> records = impl_->catalogue->images();
  std::map<std::string, std::vector<std::string>> holders;  // by id
  for (const auto& [holder, record] : impl_->catalogue->holds()) {
    auto& of_image = holders[record.config_digest];
    // Its name may belong to another image by now.
    if (of_image.empty() && std::ranges::none_of(records, [&](const ImageRecord& one) {
          return one.config_digest == record.config_digest;
        })) {
      records.push_back(record);
      records.back().reference = record.repository + "@" + record.digest;
    }
    of_image.push_back(holder);
  }
  // Names of one image share its layers without sharing them with another image.
  std::map<std::string, std::set<std::string>> images_with;  // layer -> ids
  for (const ImageRecord& record : records) {
    for (const std::string& layer : record.layers) images_with[layer].insert(record.config_digest);
  }
  std::map<std::string, std::uint64_t> bytes_of;
  for (const auto& [layer, ids] : images_with) {
    bytes_of[layer] = impl_->layers->record(layer).value_or(LayerRecord{}).bytes;
  }
  std::vector<StoredImage> out;
  for (const ImageRecord& record : records) {
    StoredImage& image =
        out.emplace_back(StoredImage{.reference = record.reference,
                                     .digest = record.digest,
                                     .id = record.config_digest,
                                     .platform = record.platform.to_string(),
                                     .pulled_at = record.pulled_at,
                                     .used_at = std::max(record.used_at, record.pulled_at),
                                     .holders = holders[record.config_digest]});
    for (const std::string& layer : record.layers) {
      image.bytes += bytes_of[layer];
      if (images_with[layer].size() == 1) image.unique_bytes += bytes_of[layer];
    }
  }
  return out;
}

std::uint64_t ImageStore::stored_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& layer :
       impl_->catalogue->needed_layers().value_or(std::set<std::string>{})) {
    bytes += impl_->layers->record(layer).value_or(LayerRecord{}).bytes;
  }
  return bytes;
}

Pruned ImageStore::prune(std::chrono::seconds min_age, std::size_t max_images) {
  const std::int64_t before = seconds_since_epoch() - min_age.count() + 1;
  Pruned out;
  for (const ImageRecord& gone : impl_->catalogue->forget(before, max_images)) {
    out.references.push_back(gone.reference);
  }
  out.bytes = impl_->drop_strays();
  return out;
}

std::size_t ImageStore::remove_unused(std::chrono::seconds min_age, std::size_t max_images) {
  return prune(min_age, max_images).references.size();
}

}  // namespace berth::runtime::image
