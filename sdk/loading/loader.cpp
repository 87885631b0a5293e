// SPDX-License-Identifier: Apache-2.0
#include "sdk/loading/loader.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <system_error>

#include "sdk/loading/shared_object.hpp"

namespace berth::loading {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameMax = 63;
constexpr std::size_t kVersionMax = 64;

sdk::Error refuse(berth_status status, const fs::path& path, const std::string& words) {
  return sdk::fail(status, path.string() + ": " + words);
}

// Whoever can write the file or swap it in its directory can run code as us.
sdk::Result<void> check_owner(const fs::path& path, const fs::path& named, const char* what) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return refuse(errno == ENOENT ? BERTH_NOT_FOUND : BERTH_DENIED, named, std::strerror(errno));
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return refuse(BERTH_DENIED, named,
                  std::string(what) + " belongs to user " + std::to_string(info.st_uid) +
                      "; it must belong to root or to user " + std::to_string(::geteuid()));
  }
  if ((info.st_mode & S_IWOTH) != 0) {
    return refuse(BERTH_DENIED, named, std::string(what) + " may be written by everyone");
  }
  return {};
}

sdk::Result<fs::path> check_file(const fs::path& file) {
  std::error_code problem;
  const fs::path real = fs::canonical(file, problem);
  if (problem) return refuse(BERTH_NOT_FOUND, file, problem.message());
  if (!fs::is_regular_file(real, problem)) return refuse(BERTH_INVALID, file, "not a file");
  if (auto owned = check_owner(real, file, "the file"); !owned) {
    return owned.error();
  }
  if (auto owned = check_owner(real.parent_path(), file, "its directory"); !owned) {
    return owned.error();
  }
  return real;
}

bool is_name(std::string_view name) {
  const auto ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= kNameMax && name[0] >= 'a' && name[0] <= 'z' &&
         std::all_of(name.begin(), name.end(), ok);
}

bool is_version(std::string_view version) {
  const auto ok = [](char c) { return c >= 0x20 && c < 0x7f; };
  return !version.empty() && version.size() <= kVersionMax &&
         std::all_of(version.begin(), version.end(), ok);
}

// Text of a table that is not trusted to end.
std::string_view bounded(const char* text, std::size_t max) {
  return text == nullptr ? std::string_view() : std::string_view(text, ::strnlen(text, max + 1));
}

}  // namespace

sdk::Result<void> check_table(const berth_plugin& table, const fs::path& path) {
  constexpr std::size_t kWant = offsetof(berth_plugin, destroy) + sizeof(table.destroy);
  if (table.struct_size < kWant) {
    return refuse(BERTH_INVALID, path,
                  "its table has " + std::to_string(table.struct_size) + " bytes; ABI 1.0 has " +
                      std::to_string(kWant));
  }
  if (table.abi_major != BERTH_ABI_MAJOR) {
    return refuse(BERTH_PRECONDITION, path,
                  "built for plugin ABI " + std::to_string(table.abi_major) + "." +
                      std::to_string(table.abi_minor) + "; this Berth has ABI " +
                      std::to_string(BERTH_ABI_MAJOR));
  }
  const std::array<std::pair<const char*, bool>, 4> slots{{{"create", table.create != nullptr},
                                                           {"call", table.call != nullptr},
                                                           {"cancel", table.cancel != nullptr},
                                                           {"destroy", table.destroy != nullptr}}};
  for (const auto& [name, there] : slots) {
    if (!there) {
      return refuse(BERTH_INVALID, path, std::string("the slot ") + name + " is null");
    }
  }
  if (!is_name(bounded(table.name, kNameMax))) {
    return refuse(BERTH_INVALID, path, "its name is not of the form [a-z][a-z0-9-]{0,62}");
  }
  if (!is_version(bounded(table.version, kVersionMax))) {
    return refuse(BERTH_INVALID, path, "its version is not 1 to 64 printable characters");
  }
  return {};
}

sdk::Result<LibraryPtr> Loader::load(const fs::path& file) {
  auto real = check_file(file);
  if (!real) return real.error();
  for (const LibraryPtr& library : loaded_) {
    if (library->path() == *real) return library;
  }
  auto opened = open_shared_object(*real, {.unload = options_.unload});
  if (!opened) return opened.error();
  if (opened->symbol == nullptr) {
    return refuse(BERTH_INVALID, file, "exports no symbol " BERTH_PLUGIN_SYMBOL);
  }
  const auto& table = *static_cast<const berth_plugin*>(opened->symbol);
  if (auto sound = check_table(table, file); !sound) return sound.error();
  for (const LibraryPtr& library : loaded_) {
    if (library->name() == table.name) {
      return refuse(BERTH_ALREADY_EXISTS, file,
                    std::string("a plugin named ") + table.name + " is loaded from " +
                        library->path().string());
    }
  }
  auto library = std::make_shared<const Library>(*real, table, std::move(opened->handle));
  // With `unload` the caller's handle is the last one.
  if (!options_.unload) loaded_.push_back(library);
  return library;
}

sdk::Result<fs::path> Loader::find(std::string_view name,
                                   const std::vector<fs::path>& directories) {
  std::string tried;
  for (const fs::path& directory : directories) {
    for (const char* prefix : {"libberth-", "lib"}) {
      const fs::path path = directory / (prefix + std::string(name) + ".so");
      std::error_code ignored;
      if (fs::exists(path, ignored)) return path;
      tried += (tried.empty() ? "" : ", ") + path.string();
    }
  }
  return sdk::fail(BERTH_NOT_FOUND, "no plugin '" + std::string(name) + "': tried " +
                                        (tried.empty() ? "no directory" : tried));
}

std::vector<fs::path> Loader::search(const std::vector<fs::path>& directories) {
  std::vector<fs::path> found;
  for (const fs::path& directory : directories) {
    std::vector<fs::path> here;
    std::error_code problem;
    for (fs::directory_iterator it(directory, problem), end; !problem && it != end;
         it.increment(problem)) {
      if (it->path().extension() == ".so") here.push_back(it->path());
    }
    std::sort(here.begin(), here.end());
    found.insert(found.end(), here.begin(), here.end());
  }
  return found;
}

}  // namespace berth::loading
