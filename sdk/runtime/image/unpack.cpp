// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <memory>
#include <optional>

#include "sdk/runtime/image/decompress.hpp"
#include "sdk/runtime/image/digest.hpp"
#include "sdk/runtime/image/layer_writer.hpp"

namespace berth::runtime::image {
namespace {

struct ArchiveFree {
  void operator()(archive* archive) const { archive_read_free(archive); }
};
using Archive = std::unique_ptr<archive, ArchiveFree>;

// The tar as libarchive takes it: hashed and counted as it goes by; keeps the first error, which
// libarchive cannot carry.
class TarStream {
 public:
  TarStream(ByteSource& source, const std::string& diff_id, UnpackBudget& budget)
      : source_(source), hasher_(diff_id), budget_(budget) {}

  sdk::Result<std::string_view> read() {
    auto bytes = source_.read();
    if (!bytes) {
      error_ = bytes.error();
      return bytes;
    }
    hasher_.update(*bytes);
    size_ += bytes->size();
    const auto taken = static_cast<std::int64_t>(bytes->size());
    if (budget_.bytes.fetch_sub(taken) < taken) {
      error_ = sdk::fail(BERTH_NO_CAPACITY,
                         "the image unpacks to more bytes than this host's limit allows (image_max_gib of its agent)");
      return *error_;
    }
    return bytes;
  }
  [[nodiscard]] const std::optional<sdk::Error>& error() const { return error_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::string digest() { return hasher_.finish(); }

  static la_ssize_t on_read(archive* archive, void* self, const void** out) {
    const auto bytes = static_cast<TarStream*>(self)->read();
    if (!bytes) {
      archive_set_error(archive, EIO, "%s", "the stream ended early");
      return -1;
    }
    *out = bytes->data();
    return static_cast<la_ssize_t>(bytes->size());
  }

 private:
  ByteSource& source_;
  Hasher hasher_;
  UnpackBudget& budget_;
  std::uint64_t size_ = 0;
  std::optional<sdk::Error> error_;
};

sdk::Error broken(archive* archive, const TarStream& stream) {
  if (stream.error()) return *stream.error();
  const char* words = archive_error_string(archive);
  std::string why = "the layer is not a whole tar archive: ";
  for (const char* c = words ? words : "damaged"; *c != 0 && why.size() < 300; ++c) {
    why +=
        static_cast<unsigned char>(*c) < 0x20 || static_cast<unsigned char>(*c) > 0x7e ? '?' : *c;
  }
  return sdk::fail(BERTH_INVALID, std::move(why));
}

sdk::Result<EntryKind> kind_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry)) return EntryKind::HardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryKind::File;
    case AE_IFDIR:
      return EntryKind::Directory;
    case AE_IFLNK:
      return EntryKind::Symlink;
    case AE_IFIFO:
      return EntryKind::Fifo;
    case AE_IFCHR:
    case AE_IFBLK:
      return EntryKind::Device;
    default:
      return sdk::fail(BERTH_INVALID, "the layer has an entry of a type that no file system knows");
  }
}

sdk::Result<std::uint32_t> id_of(la_int64_t value) {
  if (value < 0 || value >= std::numeric_limits<std::uint32_t>::max()) {
    return sdk::fail(BERTH_INVALID, "the layer has an entry whose owner is out of range");
  }
  return static_cast<std::uint32_t>(value);
}

sdk::Result<Entry> entry_of(archive_entry* from) {
  const char* path = archive_entry_pathname(from);
  if (!path) return sdk::fail(BERTH_INVALID, "the layer has an entry without a readable name");
  auto kind = kind_of(from);
  auto uid = id_of(archive_entry_uid(from));
  auto gid = id_of(archive_entry_gid(from));
  if (!kind) return kind.error();
  if (!uid) return uid.error();
  if (!gid) return gid.error();
  Entry out{.path = path, .kind = *kind, .mode = archive_entry_mode(from)};
  out.uid = *uid;
  out.gid = *gid;
  out.mtime = {archive_entry_mtime(from), archive_entry_mtime_nsec(from)};
  if (*kind == EntryKind::Device) out.device = archive_entry_rdev(from);
  if (*kind == EntryKind::HardLink) out.target = archive_entry_hardlink(from);
  if (*kind == EntryKind::Symlink) {
    const char* target = archive_entry_symlink(from);
    out.target = target ? target : "";
  }
  archive_entry_xattr_reset(from);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    if (name) out.xattrs.emplace_back(name, std::string{static_cast<const char*>(value), size});
  }
  return out;
}

// Block by block, holes left out.
sdk::Result<void> copy_data(archive* archive, const TarStream& stream, la_int64_t size, int fd) {
  la_int64_t end = 0;
  while (true) {
    const void* block = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(archive, &block, &length, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return broken(archive, stream);
    const char* data = static_cast<const char*>(block);
    while (length > 0) {
      const ssize_t put = pwrite(fd, data, length, offset);
      if (put < 0) {
        if (errno == EINTR) continue;
        return system_error("writing a file of the layer", errno);
      }
      data += put;
      offset += put;
      length -= static_cast<std::size_t>(put);
    }
    end = offset;
  }
  if (end < size && ftruncate(fd, size) != 0) {
    return system_error("writing a sparse file of the layer", errno);
  }
  return {};
}

sdk::Result<void> untar(TarStream& stream, LayerWriter& writer, UnpackBudget& budget) {
  const Archive archive{archive_read_new()};
  archive_read_support_format_tar(archive.get());
  archive_read_support_format_empty(archive.get());
  if (archive_read_open(archive.get(), &stream, nullptr, TarStream::on_read, nullptr) !=
      ARCHIVE_OK) {
    return broken(archive.get(), stream);
  }
  std::int64_t implied_before = 0;
  while (true) {
    archive_entry* raw = nullptr;
    const int result = archive_read_next_header(archive.get(), &raw);
    if (result == ARCHIVE_EOF) break;
    // Warnings are of character sets: the bytes of the name are there, and they are what counts.
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return broken(archive.get(), stream);
    if (const std::int64_t made = 1 + writer.implied_made() - implied_before;
        budget.entries.fetch_sub(made) < made) {
      return sdk::fail(BERTH_NO_CAPACITY,
                       "the image has more entries than this host's limit allows");
    }
    implied_before = writer.implied_made();
    auto entry = entry_of(raw);
    if (!entry) return entry.error();
    const la_int64_t size = archive_entry_size(raw);
    const auto added =
        writer.add(*entry, [&](int fd) { return copy_data(archive.get(), stream, size, fd); });
    if (!added) return added;
  }
  return writer.finish();
}

}  // namespace

sdk::Result<UnpackedLayer> unpack_layer(ByteSource& blob, const std::string& diff_id, int directory,
                                        UnpackBudget& budget) {
  const auto tar = decompress(blob);
  TarStream stream{*tar, diff_id, budget};
  LayerWriter writer{directory};
  if (const auto done = untar(stream, writer, budget); !done) return done.error();
  // What follows the archive's end belongs to both digests.
  while (true) {
    const auto rest = stream.read();
    if (!rest) return rest.error();
    if (rest->empty()) break;
  }
  const std::string found = stream.digest();
  if (found != diff_id) {
    return sdk::fail(BERTH_INVALID, "the layer unpacks to " + found +
                                        " but the image's configuration says " + diff_id);
  }
  return UnpackedLayer{stream.size(), writer.implied(), writer.root_is_opaque()};
}

}  // namespace berth::runtime::image
