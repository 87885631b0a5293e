// SPDX-License-Identifier: Apache-2.0
#include "bench/pull/floor.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <libdeflate.h>
#include <sys/stat.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "bench/pull/blobs.hpp"
#include "sdk/runtime/image/digest.hpp"

namespace berth::bench {
namespace {

using runtime::image::digest_of;

template <auto free>
struct With {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};

sdk::Result<std::string> gunzip(const std::string& blob) {
  // The last four bytes are the size of what one member unpacks to.
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    size |= static_cast<std::uint32_t>(static_cast<unsigned char>(blob[blob.size() - 4 + i]))
            << (8 * i);
  }
  std::string plain;
  plain.resize(size);
  const std::unique_ptr<libdeflate_decompressor, With<libdeflate_free_decompressor>> inflater{
      libdeflate_alloc_decompressor()};
  std::size_t got = 0;
  if (libdeflate_gzip_decompress(inflater.get(), blob.data(), blob.size(), plain.data(),
                                 plain.size(), &got) != LIBDEFLATE_SUCCESS ||
      got != size) {
    return sdk::fail(BERTH_INVALID, "a layer is no gzip stream of one member below 4 GiB");
  }
  return plain;
}

sdk::Result<std::string> inflate(std::string blob) {
  if (blob.size() > 18 && blob.starts_with("\x1f\x8b")) return gunzip(blob);
  const auto size = ZSTD_getFrameContentSize(blob.data(), blob.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return blob;  // a plain tar
  std::string plain;
  plain.resize(size == ZSTD_CONTENTSIZE_UNKNOWN ? std::size_t{1} << 30 : size);
  const std::size_t got = ZSTD_decompress(plain.data(), plain.size(), blob.data(), blob.size());
  if (ZSTD_isError(got)) return sdk::fail(BERTH_INVALID, ZSTD_getErrorName(got));
  plain.resize(got);
  return plain;
}

sdk::Result<void> untar(const std::string& tar, const std::string& directory) {
  const std::unique_ptr<archive, With<archive_read_free>> in{archive_read_new()};
  const std::unique_ptr<archive, With<archive_write_free>> out{archive_write_disk_new()};
  archive_read_support_format_tar(in.get());
  archive_write_disk_set_options(out.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                                                ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_XATTR |
                                                ARCHIVE_EXTRACT_ACL);
  archive_read_open_memory(in.get(), tar.data(), tar.size());
  archive_entry* entry = nullptr;
  const auto why = [&] {
    const char* words = archive_error_string(out.get());
    return sdk::fail(BERTH_INTERNAL, std::string("untar: ") + (words ? words : "failed"));
  };
  while (archive_read_next_header(in.get(), &entry) <= ARCHIVE_OK) {
    if (!archive_entry_pathname(entry)) break;
    archive_entry_set_pathname(entry, (directory + "/" + archive_entry_pathname(entry)).c_str());
    if (const char* target = archive_entry_hardlink(entry)) {
      archive_entry_set_hardlink(entry, (directory + "/" + target).c_str());
    }
    if (archive_write_header(out.get(), entry) < ARCHIVE_WARN) return why();
    const void* block = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    while (archive_entry_size(entry) > 0 &&
           archive_read_data_block(in.get(), &block, &length, &offset) == ARCHIVE_OK) {
      if (archive_write_data_block(out.get(), block, length, offset) < ARCHIVE_WARN) return why();
    }
    if (archive_write_finish_entry(out.get()) < ARCHIVE_WARN) return why();
    entry = nullptr;
  }
  return archive_write_close(out.get()) < ARCHIVE_WARN ? sdk::Result<void>(why())
                                                       : sdk::Result<void>();
}

sdk::Result<void> pull_layer(runtime::http::Client& client, const Layers& layers, std::size_t index,
                             const std::string& directory) {
  auto blob = fetch(client, layers, layers.blobs[index]);
  if (!blob) return blob.error();
  if (digest_of(*blob) != layers.blobs[index].digest) {
    return sdk::fail(BERTH_INVALID, "a blob is not its digest");
  }
  const auto plain = inflate(std::move(*blob));
  if (!plain) return plain.error();
  if (digest_of(*plain) != layers.diff_ids[index]) {
    return sdk::fail(BERTH_INVALID, "a layer is not its diff id");
  }
  if (::mkdir(directory.c_str(), 0755) != 0) {
    return sdk::fail(BERTH_INTERNAL, "cannot make " + directory);
  }
  return untar(*plain, directory);
}

}  // namespace

sdk::Result<void> pull_floor(const std::string& image, const std::string& directory,
                             unsigned threads) {
  runtime::http::Client client;
  const auto layers = find_layers(client, image);
  if (!layers) return layers.error();
  std::vector<std::size_t> order(layers->blobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater{}, [&](std::size_t i) { return layers->blobs[i].size; });
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<sdk::Error> failure;
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (std::size_t at = next++; at < order.size(); at = next++) {
          const auto done =
              pull_layer(client, *layers, order[at], directory + "/" + std::to_string(order[at]));
          if (done) continue;
          const std::lock_guard lock(mutex);
          failure = done.error();
          return;
        }
      });
    }
  }
  if (failure) return *failure;
  return {};
}

}  // namespace berth::bench
