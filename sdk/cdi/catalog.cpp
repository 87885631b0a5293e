// SPDX-License-Identifier: Apache-2.0
#include "sdk/cdi/catalog.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::cdi {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 1024;  // of a directory
constexpr off_t kMaxSize = 4 << 20;

bool is_specification(const fs::path& path) {
  return path.extension() == ".json" || path.extension() == ".yaml";
}

// Changes with every way to write a file.
std::string state_of(const struct stat& info) {
  std::string out;
  for (const long long part :
       {static_cast<long long>(info.st_ino), static_cast<long long>(info.st_size),
        static_cast<long long>(info.st_mtim.tv_sec), static_cast<long long>(info.st_mtim.tv_nsec),
        static_cast<long long>(info.st_ctim.tv_sec),
        static_cast<long long>(info.st_ctim.tv_nsec)}) {
    out += std::to_string(part) + " ";
  }
  return out;
}

sdk::Result<std::string> contents(int file, off_t size) {
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t had = 0;
  while (had < text.size()) {
    const ssize_t got = ::read(file, text.data() + had, text.size() - had);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sdk::fail(BERTH_UNAVAILABLE, std::strerror(errno));
    if (got == 0) break;
    had += static_cast<std::size_t>(got);
  }
  text.resize(had);
  return text;
}

// For logs: a stranger's words on one line.
std::string on_one_line(std::string text) {
  for (char& c : text) {
    if ((c >= 0 && c < ' ') || c == '\x7f') c = '?';
  }
  return text.substr(0, 512);
}

}  // namespace

bool Catalog::refresh() {
  bool changed = false;
  std::set<std::string> present;
  std::vector<std::vector<std::string>> order;
  const auto dir_problems = std::exchange(dir_problems_, {});
  for (const std::string& dir : dirs_) {
    order.push_back(list(dir));
    for (const std::string& path : order.back()) {
      present.insert(path);
      changed |= read(path);
    }
  }
  changed |=
      std::erase_if(files_, [&](const auto& file) { return !present.contains(file.first); }) > 0;
  changed |= order != order_ || dir_problems != dir_problems_;
  order_ = std::move(order);
  if (changed) index();
  return changed;
}

std::vector<std::string> Catalog::list(const std::string& dir) {
  std::vector<std::string> paths;
  std::error_code problem;
  for (fs::directory_iterator entry(dir, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (is_specification(entry->path())) paths.push_back(entry->path());
  }
  if (problem && problem != std::errc::no_such_file_or_directory) {
    dir_problems_[dir] = problem.message();
  }
  std::ranges::sort(paths);
  if (paths.size() > kMaxFiles) {
    dir_problems_[dir] = "holds more than 1024 files: the rest is not read";
    paths.resize(kMaxFiles);
  }
  return paths;
}

// Whether something is other than it was.
bool Catalog::read(const std::string& path) {
  File& file = files_[path];
  const runtime::OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  std::string problem;
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    problem = std::strerror(errno);
  } else if (!S_ISREG(info.st_mode)) {
    problem = "is no regular file";
  } else if (info.st_size > kMaxSize) {
    problem = "is larger than 4 MiB";
  } else if ((info.st_mode & S_IWOTH) != 0) {
    problem = "may be written by anyone: what it says is done as root";
  }
  std::string state = problem.empty() ? state_of(info) : problem;
  if (file.state == state) return false;
  file.state = std::move(state);
  if (problem.empty()) {
    const Format format = path.ends_with(".json") ? Format::Json : Format::Yaml;
    auto text = contents(fd.get(), info.st_size);
    auto spec = text ? parse_spec(*text, format) : text.error();
    if (spec) {
      file.spec = std::make_shared<const Spec>(std::move(*spec));
    } else {
      problem = spec.error().message;
    }
  }
  if (!problem.empty() && file.spec) problem += "; it counts as it was before";
  file.problem = on_one_line(std::move(problem));
  return true;
}

void Catalog::index() {
  entries_.clear();
  conflicts_.clear();
  problems_.clear();
  for (const auto& [dir, problem] : dir_problems_) problems_.push_back(dir + ": " + problem);
  for (const auto& paths : order_) {
    std::map<std::string, Entry> here;
    std::map<std::string, std::string> torn;
    for (const std::string& path : paths) {
      const File& file = files_[path];
      if (!file.problem.empty()) problems_.push_back(path + ": " + file.problem);
      if (!file.spec) continue;
      for (const Device& device : file.spec->devices) {
        const Entry entry{file.spec, &device, path};
        const auto [at, fresh] = here.emplace(entry.qualified_name(), entry);
        if (!fresh) torn[at->first] = at->second.file + " and " + path + " both describe it";
      }
    }
    for (auto& [name, entry] : here) {
      conflicts_.erase(name);
      entries_[name] = std::move(entry);
    }
    for (const auto& [name, why] : torn) {
      entries_.erase(name);
      conflicts_[name] = why;
    }
  }
  for (const auto& [name, why] : conflicts_) problems_.push_back(name + ": " + why);
}

sdk::Result<const Entry*> Catalog::find(const std::string& qualified_name) const {
  if (const auto it = entries_.find(qualified_name); it != entries_.end()) return &it->second;
  if (const auto it = conflicts_.find(qualified_name); it != conflicts_.end()) {
    return sdk::fail(BERTH_PRECONDITION, qualified_name + ": " + it->second);
  }
  return sdk::fail(BERTH_NOT_FOUND, "no file in " + places() + " describes " + qualified_name);
}

std::vector<const Entry*> Catalog::of_kind(std::string_view kind) const {
  std::vector<const Entry*> out;
  const std::string prefix = std::string(kind) + "=";
  for (auto it = entries_.lower_bound(prefix);
       it != entries_.end() && it->first.starts_with(prefix); ++it) {
    out.push_back(&it->second);
  }
  return out;
}

std::set<std::string> Catalog::kinds() const {
  std::set<std::string> out;
  for (const auto& [name, entry] : entries_) out.insert(entry.spec->kind);
  return out;
}

std::string Catalog::places() const {
  std::string out;
  for (std::size_t i = 0; i < dirs_.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == dirs_.size() ? " and " : ", ") + dirs_[i];
  }
  return out;
}

}  // namespace berth::cdi
