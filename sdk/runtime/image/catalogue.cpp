// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/catalogue.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sdk/runtime/image/digest.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxRecord = 64u << 20;
constexpr std::string_view kSuffix = ".json";

std::string key_of(const std::string& reference, const Platform& platform) {
  return std::string{digest_hex(digest_of(reference + "\n" + platform.to_string()))};
}

bool is_holder(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::vector<std::string> record_names(int directory) {
  std::vector<std::string> out;
  const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = own >= 0 ? fdopendir(own) : nullptr;
  if (!dir) return out;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".new")) {
      unlinkat(directory, entry->d_name, 0);  // a write that a crash cut off
    } else if (name.ends_with(kSuffix)) {
      out.emplace_back(name);
    }
  }
  closedir(dir);
  return out;
}

std::int64_t modified_at(int directory, const std::string& name) {
  struct stat status {};
  return fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mtim.tv_sec
                                                                             : 0;
}

void remove_record(int directory, const std::string& name) {
  unlinkat(directory, (name + std::string{kSuffix}).c_str(), 0);
}

}  // namespace

sdk::Result<std::unique_ptr<Catalogue>> Catalogue::open(int root) {
  auto images = make_and_open(root, "images", 0700);
  if (!images) return images.error();
  auto holds = make_and_open(root, "holds", 0700);
  if (!holds) return holds.error();
  std::unique_ptr<Catalogue> out{new Catalogue(std::move(*images), std::move(*holds))};
  out->load();
  return out;
}

void Catalogue::load() {
  const auto read = [&](const Fd& directory, std::map<std::string, ImageRecord>& into) {
    for (const std::string& name : record_names(directory.get())) {
      const auto text = read_file(directory.get(), name.c_str(), kMaxRecord);
      auto record = text ? decode_image(*text) : text.error();
      if (!record) {
        if (record.error().status == BERTH_INVALID) unlinkat(directory.get(), name.c_str(), 0);
        unreadable_ = unreadable_ || record.error().status != BERTH_INVALID;
        continue;
      }
      record->used_at = std::max(record->pulled_at, modified_at(directory.get(), name));
      into.emplace(name.substr(0, name.size() - kSuffix.size()), std::move(*record));
    }
  };
  read(images_dir_, images_);
  unreadable_ = false;  // an image that is lost is pulled again; a hold that is lost would cost a
                        // running container
  read(holds_dir_, holds_);
}

sdk::Result<void> Catalogue::put(const ImageRecord& record) {
  const std::string key = key_of(record.reference, record.platform);
  const std::lock_guard lock{mutex_};
  auto written = write_file(images_dir_.get(), key + std::string{kSuffix}, encode(record));
  if (!written) return written;
  images_.insert_or_assign(key, record);
  use(key, record.pulled_at);
  return written;
}

// Requires the lock.
void Catalogue::use(const std::string& key, std::int64_t now) {
  const auto it = images_.find(key);
  if (it == images_.end()) return;
  it->second.used_at = std::max(it->second.used_at, now);
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = now, .tv_nsec = 0}};
  // Where that fails, the next start takes the time of the pull.
  (void)utimensat(images_dir_.get(), (key + std::string{kSuffix}).c_str(), times,
                  AT_SYMLINK_NOFOLLOW);
}

void Catalogue::touch(const ImageRecord& record, std::int64_t now) {
  const std::lock_guard lock{mutex_};
  const std::string key = key_of(record.reference, record.platform);
  const auto it = images_.find(key);
  if (it != images_.end()) it->second.pulled_at = now;
  use(key, now);
}

std::optional<ImageRecord> Catalogue::find(const Reference& reference,
                                           const Platform& platform) const {
  const std::lock_guard lock{mutex_};
  if (!reference.by_digest()) {
    const auto it = images_.find(key_of(reference.to_string(), platform));
    return it == images_.end() ? std::nullopt : std::optional{it->second};
  }
  const std::string repository = reference.registry + "/" + reference.repository;
  for (const auto& [key, record] : images_) {
    if (record.repository == repository && record.platform == platform &&
        (record.digest == reference.digest || record.manifest_digest == reference.digest)) {
      ImageRecord found = record;
      found.digest = reference.digest;
      return found;
    }
  }
  return {};
}

std::optional<ImageRecord> Catalogue::find_id(std::string_view config_digest,
                                              std::string_view digest) const {
  const std::lock_guard lock{mutex_};
  for (const auto* records : {&images_, &holds_}) {
    for (const auto& [key, record] : *records) {
      if (record.config_digest == config_digest &&
          (record.digest == digest || record.manifest_digest == digest)) {
        return record;
      }
    }
  }
  return {};
}

sdk::Result<void> Catalogue::hold(const ImageRecord& record, std::string_view holder) {
  if (!is_holder(holder)) {
    return sdk::fail(BERTH_INVALID,
                     "a holder's name has 1-200 of A-Z a-z 0-9 _ - . and does not begin with .");
  }
  const std::lock_guard lock{mutex_};
  auto written = write_file(holds_dir_.get(), std::string{holder} + std::string{kSuffix},
                            encode(record), Lasting::WhileHostLives);
  if (written) holds_.insert_or_assign(std::string{holder}, record);
  return written;
}

void Catalogue::release(std::string_view holder, std::int64_t now) {
  const std::lock_guard lock{mutex_};
  const auto it = holds_.find(std::string{holder});
  if (it == holds_.end()) return;
  use(key_of(it->second.reference, it->second.platform), now);
  remove_record(holds_dir_.get(), it->first);
  holds_.erase(it);
}

std::vector<std::string> Catalogue::holders() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> out;
  for (const auto& [holder, record] : holds_) out.push_back(holder);
  return out;
}

std::optional<ImageRecord> Catalogue::held(std::string_view holder) const {
  const std::lock_guard lock{mutex_};
  const auto it = holds_.find(std::string{holder});
  return it == holds_.end() ? std::nullopt : std::optional{it->second};
}

std::vector<ImageRecord> Catalogue::images() const {
  const std::lock_guard lock{mutex_};
  std::vector<ImageRecord> out;
  for (const auto& [key, record] : images_) out.push_back(record);
  std::ranges::sort(out, {}, [](const ImageRecord& record) {
    return std::pair{record.reference, record.platform.to_string()};
  });
  return out;
}

std::map<std::string, ImageRecord> Catalogue::holds() const {
  const std::lock_guard lock{mutex_};
  return holds_;
}

std::vector<ImageRecord> Catalogue::forget(std::int64_t before, std::size_t most) {
  const std::lock_guard lock{mutex_};
  if (unreadable_) return {};
  std::set<std::string> held;
  for (const auto& [holder, record] : holds_) held.insert(record.config_digest);
  std::vector<std::pair<std::int64_t, std::string>> unused;
  for (const auto& [key, record] : images_) {
    if (record.used_at < before && !held.contains(record.config_digest)) {
      unused.emplace_back(record.used_at, key);
    }
  }
  std::ranges::sort(unused);
  if (unused.size() > most) unused.resize(most);
  std::vector<ImageRecord> gone;
  for (const auto& [time, key] : unused) {
    remove_record(images_dir_.get(), key);
    gone.push_back(std::move(images_.extract(key).mapped()));
  }
  return gone;
}

std::optional<std::set<std::string>> Catalogue::needed_layers() const {
  const std::lock_guard lock{mutex_};
  if (unreadable_) return {};
  std::set<std::string> out;
  for (const auto* records : {&images_, &holds_}) {
    for (const auto& [key, record] : *records) {
      out.insert(record.layers.begin(), record.layers.end());
    }
  }
  return out;
}

}  // namespace berth::runtime::image
