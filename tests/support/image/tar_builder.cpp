// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/tar_builder.hpp"

#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace berth::test {
namespace {

void octal(char* field, std::size_t width, std::uint64_t value) {
  std::snprintf(field, width, "%0*llo", static_cast<int>(width) - 1,
                static_cast<unsigned long long>(value));
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::string tail = " " + key + "=" + value + "\n";
  std::size_t length = tail.size() + 1;
  while (std::to_string(length).size() + tail.size() != length) ++length;
  return std::to_string(length) + tail;
}

void pad(std::string& bytes) {
  bytes.append((512 - bytes.size() % 512) % 512, '\0');
}

}  // namespace

void TarBuilder::header(const TarEntry& entry, const std::string& path, char type,
                        std::size_t size) {
  char block[512] = {};
  std::memcpy(block, path.data(), std::min<std::size_t>(path.size(), 100));
  octal(block + 100, 8, entry.mode);
  octal(block + 108, 8, entry.uid & 07777777);
  octal(block + 116, 8, entry.gid & 07777777);
  octal(block + 124, 12, size);
  octal(block + 136, 12, entry.mtime < 0 ? 0 : static_cast<std::uint64_t>(entry.mtime));
  std::memset(block + 148, ' ', 8);
  block[156] = type;
  std::memcpy(block + 157, entry.target.data(), std::min<std::size_t>(entry.target.size(), 100));
  std::memcpy(block + 257, "ustar\00000", 8);
  octal(block + 329, 8, entry.major);
  octal(block + 337, 8, entry.minor);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(block + 148, 8, "%06o", sum);
  bytes_.append(block, sizeof block);
}

TarBuilder& TarBuilder::add(const TarEntry& entry) {
  std::string pax;
  if (entry.path.size() > 100) pax += pax_record("path", entry.path);
  if (entry.target.size() > 100) pax += pax_record("linkpath", entry.target);
  if (entry.uid > 07777777) pax += pax_record("uid", std::to_string(entry.uid));
  if (entry.gid > 07777777) pax += pax_record("gid", std::to_string(entry.gid));
  for (const auto& [name, value] : entry.xattrs) pax += pax_record("SCHILY.xattr." + name, value);
  if (!pax.empty()) {
    header({.path = "pax", .mode = 0644}, "pax", 'x', pax.size());
    bytes_ += pax;
    pad(bytes_);
  }
  header(entry, entry.path, entry.type, entry.content.size());
  bytes_ += entry.content;
  pad(bytes_);
  return *this;
}

TarBuilder& TarBuilder::file(std::string path, std::string content, unsigned mode) {
  return add({.path = std::move(path), .content = std::move(content), .mode = mode});
}
TarBuilder& TarBuilder::directory(std::string path, unsigned mode) {
  return add({.path = std::move(path), .type = '5', .mode = mode});
}
TarBuilder& TarBuilder::symlink(std::string path, std::string target) {
  return add({.path = std::move(path), .type = '2', .target = std::move(target), .mode = 0777});
}
TarBuilder& TarBuilder::hard_link(std::string path, std::string target) {
  return add({.path = std::move(path), .type = '1', .target = std::move(target)});
}

std::string TarBuilder::bytes() const {
  return bytes_ + std::string(1024, '\0');
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

}  // namespace berth::test
