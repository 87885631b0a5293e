// SPDX-License-Identifier: Apache-2.0
// Finds plugins in directories and loads them, refusing what is not sound.
//
// Checked in this order, each refusal names the path and what it has and wants: a regular file,
// owned by root or us, not world-writable, nor its directory; loads (RTLD_NOW, RTLD_LOCAL); the one
// symbol; struct_size; abi_major; slots; name; version; no other file of that name. What needs an
// instance (create, describe) is for whoever makes one. Threads: one at a time.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/loading/library.hpp"

namespace berth::loading {

class Loader {
 public:
  struct Options {
    bool unload =
        false;  // with the last LibraryPtr: for tests; never where a plugin has run threads
  };
  Loader() = default;
  explicit Loader(Options options) : options_(options) {}

  // Loads one library; the same file again gives the same Library.
  // Errors: NOT_FOUND, DENIED (ownership), INVALID (not a sound plugin), PRECONDITION (another ABI
  // major), ALREADY_EXISTS (the name is taken by another file).
  [[nodiscard]] sdk::Result<LibraryPtr> load(const std::filesystem::path& file);

  // The library of a plugin's name in the first directory that has it: libNAME.so or
  // libberth-NAME.so. Errors: NOT_FOUND, naming every path tried.
  [[nodiscard]] static sdk::Result<std::filesystem::path> find(
      std::string_view name, const std::vector<std::filesystem::path>& directories);

  // All *.so files of the directories, in order of directory and file name. Directories that do not
  // exist are left out.
  [[nodiscard]] static std::vector<std::filesystem::path> search(
      const std::vector<std::filesystem::path>& directories);

 private:
  Options options_;
  std::vector<LibraryPtr> loaded_;
};

// What load() asks of a table, without loading. Errors: as load().
[[nodiscard]] sdk::Result<void> check_table(const berth_plugin& table,
                                            const std::filesystem::path& path);

}  // namespace berth::loading
