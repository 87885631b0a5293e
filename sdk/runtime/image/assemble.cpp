// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/assemble.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cstddef>
#include <map>
#include <optional>

#include "sdk/runtime/image/file.hpp"

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxMended = 100'000;

// One path in one layer, as an overlay would see it.
struct Sight {
  bool here = false;  // a directory of that name
  bool ends = false;  // lower layers do not show through
  struct stat status {};
};

bool is_opaque(int directory) {
  char value = 0;
  return fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

Sight look(int root, const std::string& path) {
  Sight out;
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const std::string so_far = path.substr(0, end);
    const Fd directory = open_without_links(root, so_far.c_str(), O_RDONLY | O_DIRECTORY);
    if (!directory) {
      // Nothing of that name shows through; a file, link or whiteout does not.
      out.ends = out.ends || errno != ENOENT;
      return out;
    }
    out.ends = out.ends || is_opaque(directory.get());
    if (end == std::string::npos) {
      out.here = fstat(directory.get(), &out.status) == 0;
      return out;
    }
  }
}

// The attributes that `path` should have, where the topmost layer that has it did not say.
std::optional<struct stat> attributes(const std::vector<AssembledLayer>& layers,
                                      const std::vector<Fd>& roots, const std::string& path,
                                      bool& mended) {
  for (std::size_t i = layers.size(); i-- > 0;) {
    const Sight sight = look(roots[i].get(), path);
    if (sight.here && !layers[i].implied.contains(path)) return sight.status;
    if (sight.here) mended = true;
    if (sight.ends) return {};
  }
  return {};
}

}  // namespace

std::vector<DirectoryAttributes> mend_directories(const std::vector<AssembledLayer>& layers) {
  std::set<std::string> implied;
  for (const AssembledLayer& layer : layers) {
    for (const std::string& path : layer.implied) {
      if (implied.size() < kMaxMended) implied.insert(path);
    }
  }
  if (implied.empty()) return {};
  std::vector<Fd> roots;
  for (const AssembledLayer& layer : layers) {
    roots.emplace_back(open(layer.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!roots.back()) return {};
  }
  // Making one in the upper directory makes its parents there too, so these need their attributes
  // as well.
  std::map<std::string, DirectoryAttributes> out;
  const auto add = [&](const std::string& path, const struct stat& status) {
    out.emplace(path,
                DirectoryAttributes{path, status.st_mode & 07777, status.st_uid, status.st_gid});
  };
  for (const std::string& path : implied) {
    bool mended = false;
    const auto status = attributes(layers, roots, path, mended);
    if (!status || !mended) continue;
    for (std::size_t end = path.find('/'); end != std::string::npos;
         end = path.find('/', end + 1)) {
      const std::string parent = path.substr(0, end);
      bool unused = false;
      const auto found = attributes(layers, roots, parent, unused);
      out.emplace(parent, found ? DirectoryAttributes{parent, found->st_mode & 07777, found->st_uid,
                                                      found->st_gid}
                                : DirectoryAttributes{.path = parent});
    }
    add(path, *status);
  }
  std::vector<DirectoryAttributes> sorted;
  for (auto& [path, attributes] : out) sorted.push_back(std::move(attributes));
  return sorted;
}

}  // namespace berth::runtime::image
