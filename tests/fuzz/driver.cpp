// SPDX-License-Identifier: Apache-2.0
// Runs a libFuzzer entry without libFuzzer: the corpus as it is, then seeded mutations of it.
//
// driver CORPUS_DIR [ROUNDS [SEED]]. The input under way is written to fuzz-crash-<program>.bin in
// the current directory before it is run where the process would not live to tell; `driver FILE`
// runs one input again.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

std::string g_input;    // NOLINT: read by the signal handler
std::string g_program;  // NOLINT

void on_crash(int signal) {
  const std::string path = "fuzz-crash-" + g_program + ".bin";
  if (FILE* out = std::fopen(path.c_str(), "wb")) {
    std::fwrite(g_input.data(), 1, g_input.size(), out);
    std::fclose(out);
  }
  std::fprintf(stderr, "the input is in %s\n", path.c_str());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(std::string input) {
  g_input = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(g_input.data()), g_input.size());
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, unsigned seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string text = pick();
    for (std::size_t i = 0, edits = 1 + below(6); i < edits; ++i) edit(text);
    return text;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }

  void edit(std::string& text) {
    static const char* const kPieces[] = {
        "{",  "}",  "[",       "]",          "\"",          "\\u0000", ":",
        ",",  "-1", "1e999",   "null",       "true",        "\xff",    "\r\n",
        "\n", " ",  "0000000", "2147483648", "\xed\xa0\x80"};
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(text.size() - at, 32) + 1);
    switch (below(6)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, kPieces[below(std::size(kPieces))]);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 4: {
        const std::string& other = pick();
        const std::size_t from = below(other.size() + 1);
        text.replace(at, length, other.substr(from, below(64)));
        break;
      }
      default:
        text.resize(at);
        break;
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR|FILE [ROUNDS [SEED]]\n", argv[0]);
    return 2;
  }
  g_program = std::filesystem::path(argv[0]).filename();
  std::signal(SIGABRT, on_crash);
  std::signal(SIGSEGV, on_crash);
  if (!std::filesystem::is_directory(argv[1])) {
    run(read(argv[1]));
    return 0;
  }
  std::vector<std::filesystem::path> files(std::filesystem::directory_iterator{argv[1]}, {});
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const auto& file : files) corpus.push_back(read(file));
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no inputs\n", argv[1]);
    return 2;
  }
  for (const std::string& input : corpus) run(input);
  const long rounds = argc > 2 ? std::atol(argv[2]) : 1000;
  const unsigned seed = argc > 3 ? static_cast<unsigned>(std::atol(argv[3])) : 1;
  Mutator mutator(corpus, seed);
  for (long i = 0; i < rounds; ++i) run(mutator.next());
  std::printf("%zu inputs and %ld mutations of them (seed %u)\n", corpus.size(), rounds, seed);
  return 0;
}
