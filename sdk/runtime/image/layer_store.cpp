// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/layer_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/image/file.hpp"
#include "sdk/runtime/image/reference.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxLayerRecord = 512u << 20;

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> out;
  const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = own >= 0 ? fdopendir(own) : nullptr;
  if (!dir) return out;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  closedir(dir);
  std::ranges::sort(out);
  return out;
}

std::string boot_id() {
  const Fd proc{open("/proc/sys/kernel/random", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  auto id = proc ? read_file(proc.get(), "boot_id", 128) : sdk::fail(BERTH_INTERNAL, "");
  return id ? *id : std::string{};
}

// sha256 has the bare digits as its name; another algorithm's are longer, so that names stay apart.
std::string name_of(std::string_view diff_id) {
  return std::string{digest_hex(diff_id)};
}

// The record of the layer that lies in that directory.
std::optional<LayerRecord> record_in(int parent, const std::string& name) {
  const Fd layer = open_without_links(parent, name.c_str(), O_RDONLY | O_DIRECTORY);
  if (!layer) return {};
  const auto text = read_file(layer.get(), "layer.json", kMaxLayerRecord);
  if (!text) return {};
  auto record = decode_layer(*text);
  if (!record) return {};
  return std::move(*record);
}

}  // namespace

class LayerStore::Impl {
 public:
  Impl(std::string path, Fd layers, Fd drafts, std::size_t concurrent)
      : path_(std::move(path)),
        layers_(std::move(layers)),
        drafts_(std::move(drafts)),
        free_slots_(std::max<std::size_t>(concurrent, 1)),
        boot_(boot_id()) {}
  ~Impl();

  void sweep();
  [[nodiscard]] bool has(std::string_view diff_id) const {
    const std::lock_guard lock{mutex_};
    return present_.contains(name_of(diff_id));
  }
  sdk::Result<void> ensure(const Want& want, const OpenBlob& open_blob, UnpackBudget& budget,
                           const std::stop_token& cancel);
  sdk::Result<void> unpack(const Want& want, const OpenBlob& open_blob, UnpackBudget& budget);
  sdk::Result<void> unpack_into(int draft, const std::string& diff_id, ByteSource& blob,
                                UnpackBudget& budget);
  std::uint64_t remove_unneeded(const Needed& needed);
  void sync_loop(const std::stop_token& stop);

  std::string path_;
  Fd layers_;
  Fd drafts_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t free_slots_;
  std::uint64_t serial_ = 0;
  std::set<std::string> present_;            // names
  std::set<std::string> flights_;            // being unpacked
  std::map<std::string, std::size_t> pins_;  // name -> how often
  std::set<std::string> unsynced_;
  bool sync_wanted_ = false;
  std::string boot_;
  std::jthread syncer_;  // last: it uses the others
};

LayerStore::Impl::~Impl() {
  if (syncer_.joinable()) {
    syncer_.request_stop();
    syncer_.join();
  }
}

// What a crash left, and layers whose bytes may never have reached the disk.
void LayerStore::Impl::sweep() {
  for (const std::string& name : names_in(drafts_.get())) {
    (void)remove_tree(drafts_.get(), name.c_str());
  }
  for (const std::string& name : names_in(layers_.get())) {
    const Fd layer = open_without_links(layers_.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
    const auto text = layer ? read_file(layer.get(), "layer.json", kMaxLayerRecord)
                            : sdk::fail(BERTH_NOT_FOUND, "");
    const auto record = text ? decode_layer(*text) : text.error();
    const bool synced = layer && faccessat(layer.get(), "synced", F_OK, 0) == 0;
    if (record && (synced || (!boot_.empty() && record->boot == boot_))) {
      present_.insert(name);
      if (!synced) unsynced_.insert(name);
      continue;
    }
    // Out of the way first, so that half a removal is a draft.
    const std::string draft = std::to_string(serial_++);
    if (renameat(layers_.get(), name.c_str(), drafts_.get(), draft.c_str()) == 0) {
      (void)remove_tree(drafts_.get(), draft.c_str());
    }
  }
  sync_wanted_ = !unsynced_.empty();
  syncer_ = std::jthread{[this](const std::stop_token& stop) { sync_loop(stop); }};
}

sdk::Result<void> LayerStore::Impl::ensure(const Want& want, const OpenBlob& open_blob,
                                           UnpackBudget& budget, const std::stop_token& cancel) {
  const std::string name = name_of(want.diff_id);
  {
    std::unique_lock lock{mutex_};
    // Only success is shared: another image may claim this diff id for a blob that is something
    // else.
    const auto mine = [&] {
      return present_.contains(name) || (!flights_.contains(name) && free_slots_ > 0);
    };
    if (!changed_.wait(lock, cancel, mine)) return sdk::fail(BERTH_CANCELLED, "cancelled");
    if (present_.contains(name)) return {};
    flights_.insert(name);
    --free_slots_;
  }
  auto result = unpack(want, open_blob, budget);
  {
    const std::lock_guard lock{mutex_};
    flights_.erase(name);
    ++free_slots_;
    if (result) {
      present_.insert(name);
      unsynced_.insert(name);
    }
  }
  changed_.notify_all();
  return result;
}

sdk::Result<void> LayerStore::Impl::unpack(const Want& want, const OpenBlob& open_blob,
                                           UnpackBudget& budget) {
  sdk::Result<void> result = sdk::fail(BERTH_INTERNAL, "no blob was tried");
  for (std::size_t attempt = 0; attempt < std::max<std::size_t>(want.attempts, 1); ++attempt) {
    auto blob = open_blob(attempt);
    if (!blob) {
      result = blob.error();
      if (blob.error().status == BERTH_CANCELLED) break;
      continue;
    }
    std::string draft;
    {
      const std::lock_guard lock{mutex_};
      draft = std::to_string(serial_++);
    }
    auto fd = make_and_open(drafts_.get(), draft.c_str(), 0700);
    if (!fd) return fd.error();
    BERTH_FAILPOINT("image.after_draft");
    result = unpack_into(fd->get(), want.diff_id, **blob, budget);
    BERTH_FAILPOINT("image.before_layer");
    if (result &&
        renameat(drafts_.get(), draft.c_str(), layers_.get(), name_of(want.diff_id).c_str()) != 0) {
      result = system_error("keeping a layer", errno);
    }
    BERTH_FAILPOINT("image.after_layer");
    if (result) break;
    (void)remove_tree(drafts_.get(), draft.c_str());
    const berth_status status = result.error().status;
    // Neither a full disk nor a limit goes away at another mirror.
    if (status == BERTH_CANCELLED || status == BERTH_NO_CAPACITY) break;
  }
  return result;
}

sdk::Result<void> LayerStore::Impl::unpack_into(int draft, const std::string& diff_id,
                                                ByteSource& blob, UnpackBudget& budget) {
  auto diff = make_and_open(draft, "diff", 0755);
  if (!diff) return diff.error();
  if (fchmod(diff->get(), 0755) != 0) return system_error("diff", errno);
  auto unpacked = unpack_layer(blob, diff_id, diff->get(), budget);
  if (!unpacked) return unpacked.error();
  return write_file(draft, "layer.json",
                    encode(LayerRecord{.bytes = unpacked->bytes,
                                       .opaque = unpacked->opaque,
                                       .implied = std::move(unpacked->implied),
                                       .boot = boot_}),
                    Lasting::WhileHostLives);  // as the layer itself, until `synced`
}

std::uint64_t LayerStore::Impl::remove_unneeded(const Needed& needed) {
  std::vector<std::string> drafts;
  {
    const std::lock_guard lock{mutex_};
    const auto keep = needed();
    if (!keep) return 0;
    std::set<std::string> wanted;
    for (const std::string& diff_id : *keep) wanted.insert(name_of(diff_id));
    for (auto it = present_.begin(); it != present_.end();) {
      const std::string draft = std::to_string(serial_);
      if (wanted.contains(*it) || pins_.contains(*it) ||
          renameat(layers_.get(), it->c_str(), drafts_.get(), draft.c_str()) != 0) {
        ++it;
        continue;
      }
      ++serial_;
      drafts.push_back(draft);
      unsynced_.erase(*it);
      it = present_.erase(it);
    }
  }
  std::uint64_t bytes = 0;
  for (const std::string& draft : drafts) {
    bytes += record_in(drafts_.get(), draft).value_or(LayerRecord{}).bytes;
    (void)remove_tree(drafts_.get(), draft.c_str());
  }
  return bytes;
}

// One syncfs for all that came meanwhile; nobody waits for it.
void LayerStore::Impl::sync_loop(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [&] { return sync_wanted_; })) {
    sync_wanted_ = false;
    const std::vector<std::string> names(unsynced_.begin(), unsynced_.end());
    lock.unlock();
    const bool synced = !names.empty() && syncfs(layers_.get()) == 0;
    std::vector<std::string> marked;
    for (const std::string& name : synced ? names : std::vector<std::string>{}) {
      const Fd layer = open_without_links(layers_.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
      if (layer && write_file(layer.get(), "synced", "")) marked.push_back(name);
    }
    lock.lock();
    for (const std::string& name : marked) unsynced_.erase(name);
  }
}

LayerStore::LayerStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LayerStore::~LayerStore() = default;

sdk::Result<std::unique_ptr<LayerStore>> LayerStore::open(int root, std::string path,
                                                          std::size_t concurrent) {
  auto layers = make_and_open(root, "layers", 0700);
  if (!layers) return layers.error();
  auto drafts = make_and_open(root, "drafts", 0700);
  if (!drafts) return drafts.error();
  auto impl =
      std::make_unique<Impl>(std::move(path), std::move(*layers), std::move(*drafts), concurrent);
  impl->sweep();
  return std::unique_ptr<LayerStore>{new LayerStore(std::move(impl))};
}

bool LayerStore::has(std::string_view diff_id) const {
  return impl_->has(diff_id);
}

std::string LayerStore::path(std::string_view diff_id) const {
  return impl_->path_ + "/layers/" + name_of(diff_id) + "/diff";
}

std::optional<LayerRecord> LayerStore::record(std::string_view diff_id) const {
  return record_in(impl_->layers_.get(), name_of(diff_id));
}

sdk::Result<void> LayerStore::ensure(const Want& want, const OpenBlob& open_blob,
                                     UnpackBudget& budget, const std::stop_token& cancel) {
  return impl_->ensure(want, open_blob, budget, cancel);
}

std::uint64_t LayerStore::remove_unneeded(const Needed& needed) {
  return impl_->remove_unneeded(needed);
}

void LayerStore::sync_soon() {
  {
    const std::lock_guard lock{impl_->mutex_};
    impl_->sync_wanted_ = true;
  }
  impl_->changed_.notify_all();
}

LayerStore::Pin LayerStore::pin(std::vector<std::string> diff_ids) {
  return Pin{this, std::move(diff_ids)};
}

LayerStore::Pin::Pin(LayerStore* store, std::vector<std::string> layers)
    : store_(store), layers_(std::move(layers)) {
  const std::lock_guard lock{store_->impl_->mutex_};
  for (std::string& layer : layers_) {
    layer = name_of(layer);
    ++store_->impl_->pins_[layer];
  }
}

LayerStore::Pin::Pin(Pin&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)), layers_(std::move(other.layers_)) {}

LayerStore::Pin::~Pin() {
  if (!store_) return;
  const std::lock_guard lock{store_->impl_->mutex_};
  auto& pins = store_->impl_->pins_;
  for (const std::string& layer : layers_) {
    const auto it = pins.find(layer);
    if (it != pins.end() && --it->second == 0) pins.erase(it);
  }
}

}  // namespace berth::runtime::image
