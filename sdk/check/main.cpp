// SPDX-License-Identifier: Apache-2.0
// berth-plugin-check PATH.so [--json] [--setting KEY=VALUE]... [--timeout-ms N] [--only RULE]
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "berth/plugin_abi.h"
#include "sdk/check/runner.hpp"

namespace {

using namespace berth::check;

constexpr const char* kUsage =
    "usage: berth-plugin-check PATH.so [--json] [--setting KEY=VALUE]... [--timeout-ms N] [--only "
    "RULE]\n"
    "Tries the rules of plugin ABI 1 on a plugin. 0: it conforms, 1: findings, 2: wrong usage.\n"
    "Each rule is explained in sdk/check/README.md.\n";

const char* word_of(Verdict verdict) {
  return verdict == Verdict::Passed ? "ok" : verdict == Verdict::Failed ? "FAIL" : "skip";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (byte < 0x20 || byte >= 0x7f) {  // bytes of the plugin's own need not be UTF-8
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void print_json(const Report& report, const std::string& path) {
  std::cout << "{\"plugin\":" << quoted(path) << ",\"abi\":\"" << BERTH_ABI_MAJOR << '.'
            << BERTH_ABI_MINOR << "\",\"rules\":[";
  const char* separator = "";
  for (const Finding& finding : report.findings) {
    std::cout << separator << "\n {\"id\":" << quoted(finding.rule)
              << ",\"verdict\":" << quoted(word_of(finding.outcome.verdict))
              << ",\"message\":" << quoted(finding.outcome.words) << '}';
    separator = ",";
  }
  std::cout << "],\n\"passed\":" << report.count(Verdict::Passed)
            << ",\"failed\":" << report.count(Verdict::Failed)
            << ",\"skipped\":" << report.count(Verdict::Skipped) << "}\n";
}

void print_lines(const Report& report) {
  for (const Finding& finding : report.findings) {
    std::printf("%-4s %-22s %s\n", word_of(finding.outcome.verdict), finding.rule.c_str(),
                finding.demand.c_str());
    if (!finding.outcome.words.empty()) std::printf("     %s\n", finding.outcome.words.c_str());
  }
  const int bad = report.count(Verdict::Failed);
  std::printf("%s plugin ABI %d.%d: %zu rules, %d passed, %d failed, %d skipped\n",
              bad == 0 ? "conforms to" : "does not conform to", BERTH_ABI_MAJOR, BERTH_ABI_MINOR,
              report.findings.size(), report.count(Verdict::Passed), bad,
              report.count(Verdict::Skipped));
}

int usage(const std::string& problem) {
  std::cerr << "berth-plugin-check: " << problem << '\n' << kUsage;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  RunOptions options;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--help" || word == "-h") {
      std::cout << kUsage;
      return 0;
    }
    if (word == "--json") {
      json = true;
    } else if (word == "--setting" && has_value) {
      const std::string pair = argv[++i];
      const auto middle = pair.find('=');
      if (middle == std::string::npos) return usage("--setting wants KEY=VALUE, not " + pair);
      options.settings[pair.substr(0, middle)] = pair.substr(middle + 1);
    } else if (word == "--timeout-ms" && has_value) {
      const std::string text = argv[++i];
      int ms = 0;
      const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), ms);
      if (problem != std::errc() || end != text.data() + text.size() || ms <= 0) {
        return usage("--timeout-ms wants a positive number, not " + text);
      }
      options.timeout = std::chrono::milliseconds(ms);
    } else if (word == "--only" && has_value) {
      options.only = argv[++i];
    } else if (word.starts_with("-") || !options.path.empty()) {
      return usage("what is " + word + "?");
    } else {
      options.path = word;
    }
  }
  if (options.path.empty()) return usage("no plugin named");
  std::error_code problem;
  options.path = std::filesystem::canonical(options.path, problem);
  if (problem) return usage(std::string(argv[1]) + ": " + problem.message());
  const Report report = run(options);
  if (report.findings.empty()) return usage("no rule " + options.only);
  json ? print_json(report, options.path.string()) : print_lines(report);
  return report.count(Verdict::Failed) == 0 ? 0 : 1;
}
