// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/log/json_log.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

#include "sdk/runtime/log/log_line.hpp"
#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

struct File {
  OwnedFd fd;
  ino_t inode = 0;
  std::int64_t birth_ns = 0;
  std::uint64_t offset = 0;  // of what was not read yet
};

std::uint64_t size_of(const File& file) {
  struct stat info {};
  return ::fstat(file.fd.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// Calls with each whole line from the last to the first, and where it begins, until told to stop.
void scan_back(const File& file, const std::function<bool(std::string_view, std::uint64_t)>& see) {
  std::uint64_t position = size_of(file);
  std::string carry;
  bool whole = false;  // what follows the last line end is not a line yet
  std::string block;
  while (position > 0) {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(position, kBlock));
    position -= take;
    block.resize(take);
    if (::pread(file.fd.get(), block.data(), take, static_cast<off_t>(position)) !=
        static_cast<ssize_t>(take))
      return;
    block += carry;
    for (auto end = block.rfind('\n'); end != std::string::npos; end = block.rfind('\n')) {
      const std::string_view line = std::string_view(block).substr(end + 1);
      if (whole && !see(line, position + end + 1)) return;
      whole = true;
      block.resize(end);
    }
    carry = block;
  }
  if (whole) see(carry, 0);
}

}  // namespace

class JsonLogReader::Impl {
 public:
  Impl(std::string path, LogQuery query) : path_(std::move(path)), query_(query) {}

  sdk::Result<void> begin();
  sdk::Result<std::vector<LogRecord>> read(std::size_t max);
  int fd();
  std::optional<LogPosition> position() const;

 private:
  sdk::Result<File> open_file(unsigned number) const;
  sdk::Result<void> open_newer_than(ino_t known);
  void seek_position(const LogPosition& position);
  void seek_tail(std::uint64_t lines);
  sdk::Result<bool> fill();
  sdk::Result<bool> next_file();
  void watch_file();
  void drain_events() const;

  std::string path_;
  LogQuery query_;
  std::deque<File> files_;  // oldest first; the last is the newest known
  std::string buffer_;
  std::size_t consumed_ = 0;  // of buffer_
  OwnedFd inotify_;
  int file_watch_ = -1;
};

sdk::Result<File> JsonLogReader::Impl::open_file(unsigned number) const {
  const std::string name = number == 0 ? path_ : path_ + "." + std::to_string(number);
  File file;
  file.fd = OwnedFd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (file.fd && ::fstat(file.fd.get(), &info) == 0) {
    file.inode = info.st_ino;
    if (const auto facts = state::facts_of(file.fd.get())) file.birth_ns = facts->identity.birth_ns;
    return file;
  }
  const auto status = errno == ENOENT   ? BERTH_NOT_FOUND
                      : errno == EACCES ? BERTH_DENIED
                                        : BERTH_INTERNAL;
  return sdk::fail(status, "log " + name + ": " + std::strerror(errno));
}

// From the newest to the oldest, so that a rotation meanwhile shows one file twice and hides none.
sdk::Result<void> JsonLogReader::Impl::open_newer_than(ino_t known) {
  const auto old_end = files_.size();
  ino_t last = 0;
  for (unsigned number = 0;; ++number) {
    auto file = open_file(number);
    if (!file) {
      // Without a current file, one is about to be made: the rotated ones are there nevertheless.
      if (file.error().status == BERTH_NOT_FOUND && number > 0) return {};
      if (file.error().status == BERTH_NOT_FOUND) continue;
      return file.error();
    }
    if (file->inode == known) return {};
    if (file->inode == last) continue;
    last = file->inode;
    files_.insert(files_.begin() + static_cast<std::ptrdiff_t>(old_end), std::move(*file));
  }
}

sdk::Result<void> JsonLogReader::Impl::begin() {
  if (auto opened = open_newer_than(0); !opened) return opened;
  if (query_.from) seek_position(*query_.from);
  if (query_.tail_lines) seek_tail(*query_.tail_lines);
  return {};
}

void JsonLogReader::Impl::seek_position(const LogPosition& position) {
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const File& file) {
    return state::FileIdentity{file.inode, file.birth_ns} == position.file;
  });
  if (found == files_.end()) return;
  found->offset = position.offset;
  files_.erase(files_.begin(), found);
}

std::optional<LogPosition> JsonLogReader::Impl::position() const {
  if (files_.empty()) return std::nullopt;
  const File& file = files_.front();
  return LogPosition{{file.inode, file.birth_ns}, file.offset - (buffer_.size() - consumed_)};
}

void JsonLogReader::Impl::seek_tail(std::uint64_t lines) {
  std::uint64_t seen = 0;
  bool last = true;
  bool enough = lines == 0;
  std::size_t keep = files_.size();
  while (keep > 0 && !enough) {
    File& file = files_[keep - 1];
    scan_back(file, [&](std::string_view line, std::uint64_t begin) {
      // A line of output may be several records; the end of the one before it bounds it.
      if (last || ends_output_line(line)) enough = seen++ == lines;
      last = false;
      if (enough) file.offset = begin + line.size() + 1;
      return !enough;
    });
    if (!enough) --keep;
  }
  if (lines == 0 && !files_.empty()) files_.back().offset = size_of(files_.back());
  // `keep` is one past the file where it begins; all before go.
  const std::size_t drop =
      lines == 0 ? (files_.empty() ? 0 : files_.size() - 1) : (keep > 0 ? keep - 1 : 0);
  files_.erase(files_.begin(), files_.begin() + static_cast<std::ptrdiff_t>(drop));
}

void JsonLogReader::Impl::drain_events() const {
  char events[4096];
  while (inotify_ && ::read(inotify_.get(), events, sizeof events) > 0) {
  }
}

void JsonLogReader::Impl::watch_file() {
  if (!inotify_) return;
  if (file_watch_ >= 0) ::inotify_rm_watch(inotify_.get(), std::exchange(file_watch_, -1));
  if (files_.empty()) return;
  // By descriptor: the name may be another file's by now.
  const std::string name = "/proc/self/fd/" + std::to_string(files_.back().fd.get());
  file_watch_ =
      ::inotify_add_watch(inotify_.get(), name.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF);
}

int JsonLogReader::Impl::fd() {
  if (inotify_) return inotify_.get();
  inotify_ = OwnedFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const std::string dir = path_.substr(0, path_.rfind('/') + 1);
  ::inotify_add_watch(inotify_.get(), dir.empty() ? "." : dir.c_str(), IN_CREATE | IN_MOVED_TO);
  watch_file();
  // What came between the last read() and now was not seen: a watch that ends makes the descriptor
  // readable once.
  const int once = ::inotify_add_watch(inotify_.get(), "/", IN_DELETE_SELF);
  ::inotify_rm_watch(inotify_.get(), once);
  return inotify_.get();
}

// More of the first file; false at its end.
sdk::Result<bool> JsonLogReader::Impl::fill() {
  File& file = files_.front();
  if (consumed_ > 0) buffer_.erase(0, std::exchange(consumed_, 0));
  // Somebody emptied it from outside.
  if (size_of(file) < file.offset) {
    file.offset = 0;
    buffer_.clear();
  }
  const auto old = buffer_.size();
  buffer_.resize(old + kBlock);
  const ssize_t n =
      ::pread(file.fd.get(), buffer_.data() + old, kBlock, static_cast<off_t>(file.offset));
  buffer_.resize(old + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0) return sdk::fail(BERTH_INTERNAL, "log " + path_ + ": " + std::strerror(errno));
  file.offset += static_cast<std::uint64_t>(n);
  return n > 0;
}

// Goes on to the file after the first; false where there is none yet.
sdk::Result<bool> JsonLogReader::Impl::next_file() {
  if (files_.size() < 2) {
    struct stat info {};
    const bool rotated =
        files_.empty() || ::stat(path_.c_str(), &info) != 0 || info.st_ino != files_.front().inode;
    if (!rotated) return false;
    const bool was_empty = files_.empty();
    if (auto opened = open_newer_than(was_empty ? 0 : files_.front().inode); !opened)
      return opened.error();
    watch_file();
    if (was_empty) return !files_.empty();
    if (files_.size() < 2) return false;
    // What was written between its end as we saw it and the rotation.
    auto more = fill();
    if (!more || *more) return more;
  }
  files_.pop_front();
  buffer_.clear();
  consumed_ = 0;
  return true;
}

sdk::Result<std::vector<LogRecord>> JsonLogReader::Impl::read(std::size_t max) {
  drain_events();
  std::vector<LogRecord> records;
  for (;;) {
    for (auto end = buffer_.find('\n', consumed_); end != std::string::npos && records.size() < max;
         end = buffer_.find('\n', consumed_)) {
      auto record = parse_log_line(std::string_view(buffer_).substr(consumed_, end - consumed_));
      consumed_ = end + 1;
      if (record && (!query_.since_ns || record->time_ns >= *query_.since_ns))
        records.push_back(std::move(*record));
    }
    if (records.size() >= max) return records;
    auto more = files_.empty() ? sdk::Result<bool>(false) : fill();
    if (more && !*more) more = next_file();
    if (!more) return more.error();
    if (!*more) return records;
  }
}

sdk::Result<JsonLogReader> JsonLogReader::open(std::string path, LogQuery query) {
  auto impl = std::make_unique<Impl>(std::move(path), query);
  if (auto begun = impl->begin(); !begun) return begun.error();
  return JsonLogReader(std::move(impl));
}

JsonLogReader::JsonLogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonLogReader::JsonLogReader(JsonLogReader&&) noexcept = default;
JsonLogReader& JsonLogReader::operator=(JsonLogReader&&) noexcept = default;
JsonLogReader::~JsonLogReader() = default;

sdk::Result<std::vector<LogRecord>> JsonLogReader::read(std::size_t max) {
  return impl_->read(max);
}
int JsonLogReader::fd() {
  return impl_->fd();
}
std::optional<LogPosition> JsonLogReader::position() const {
  return impl_->position();
}

}  // namespace berth::runtime
