// SPDX-License-Identifier: Apache-2.0
#include "core/cli/pull_progress.hpp"

#include <iomanip>
#include <ostream>
#include <sstream>
#include <string_view>

#include "core/cli/json_access.hpp"

namespace berth::cli {
namespace {

constexpr std::string_view kMore = "...";
constexpr const char* kClearLine = "\r\033[K";

std::string mebibytes(double bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << bytes / (1024 * 1024);
  return text.str();
}

}  // namespace

void PullProgress::show(const boost::json::array& pulls) {
  if (columns_ == 0 || pulls.empty()) return;
  std::string line;
  for (const auto& item : pulls) {
    if (!item.is_object()) continue;
    const auto& pull = item.as_object();
    const double done = number_of(pull, "bytesDone");
    const double total = number_of(pull, "bytesTotal");
    line += (line.empty() ? "pulling " : ", ") + text_of(pull, "image") + " " + mebibytes(done) +
            "/" + mebibytes(total) + " MiB, " +
            std::to_string(static_cast<int>(number_of(pull, "layersDone"))) + "/" +
            std::to_string(static_cast<int>(number_of(pull, "layersTotal"))) + " layers";
  }
  // The last column stays free: some terminals go to the next line with it.
  if (line.size() >= columns_) {
    line.resize(columns_ > kMore.size() ? columns_ - 1 - kMore.size() : 0);
    line += kMore;
  }
  out_ << kClearLine << line << std::flush;
  drawn_ = true;
}

void PullProgress::end() {
  if (drawn_) out_ << kClearLine << std::flush;
  drawn_ = false;
}

}  // namespace berth::cli
