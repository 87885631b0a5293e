// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/elf.hpp"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace berth::check {
namespace {

// A copy of the T at an offset, where the file has one there.
template <typename T>
std::optional<T> at(const std::string& file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

std::string text_at(const std::string& file, const Elf64_Shdr& strings, std::uint64_t index) {
  const std::uint64_t begin = strings.sh_offset + index;
  if (index >= strings.sh_size || begin >= file.size()) return "?";
  return std::string(file.c_str() + begin);  // ends at the latest with the file
}

}  // namespace

sdk::Result<std::vector<std::string>> exported_symbols(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream copy;
  copy << in.rdbuf();
  const std::string file = std::move(copy).str();
  const auto header = at<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(Elf64_Shdr)) {
    return sdk::fail(BERTH_INVALID, path.string() + " is no 64-bit ELF file");
  }
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = at<Elf64_Shdr>(file, header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!section || section->sh_type != SHT_DYNSYM) continue;
    const auto strings =
        at<Elf64_Shdr>(file, header->e_shoff + section->sh_link * sizeof(Elf64_Shdr));
    if (!strings) break;
    for (std::uint64_t s = 0; s < section->sh_size / sizeof(Elf64_Sym); ++s) {
      const auto symbol = at<Elf64_Sym>(file, section->sh_offset + s * sizeof(Elf64_Sym));
      if (!symbol) break;
      const auto binding = ELF64_ST_BIND(symbol->st_info);
      const auto hidden = ELF64_ST_VISIBILITY(symbol->st_other);
      if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL || hidden == STV_HIDDEN) continue;
      names.push_back(text_at(file, *strings, symbol->st_name));
    }
  }
  return names;
}

}  // namespace berth::check
