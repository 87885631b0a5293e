// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/docker_registry.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>

namespace berth::test {
namespace {

void must(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) {
    throw std::runtime_error("failed: " + command);
  }
}

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= bytes.size() - i ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::size_t append(char* data, std::size_t, std::size_t size, void* out) {
  static_cast<std::string*>(out)->append(data, size);
  return size;
}

}  // namespace

void DockerRegistry::make_tls() {
  must("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=berth-test -keyout " +
       (dir_ / "key.pem") + " -out " + (dir_ / "ca.pem") +
       " -addext subjectAltName=DNS:localhost,IP:127.0.0.1");
}

DockerRegistry::DockerRegistry(DockerRegistryOptions options) : options_(std::move(options)) {
  std::string config =
      "version: 0.1\nlog:\n  level: info\n  formatter: json\nstorage:\n  filesystem:\n    "
      "rootdirectory: " +
      (dir_ / "data") + "\nhttp:\n  addr: 127.0.0.1:0\n";
  if (options_.tls) {
    make_tls();
    config +=
        "  tls:\n    certificate: " + (dir_ / "ca.pem") + "\n    key: " + (dir_ / "key.pem") + "\n";
  }
  if (!options_.user.empty()) {
    // Cost 4: each request pays for it.
    must("htpasswd -Bbc -C 4 " + (dir_ / "htpasswd") + " " + options_.user + " " +
         options_.password);
    config += "auth:\n  htpasswd:\n    realm: berth-test\n    path: " + (dir_ / "htpasswd") + "\n";
  }
  write_text(dir_ / "config.yml", config);
  std::filesystem::create_directory(dir_ / "data");
  const passwd* nobody = getpwnam("nobody");
  if (!nobody) throw std::runtime_error("no user nobody");
  const uid_t uid = nobody->pw_uid;
  const gid_t gid = nobody->pw_gid;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{dir_.path()}) {
    if (chown(entry.path().c_str(), uid, gid) != 0) throw std::runtime_error("chown");
  }
  if (chown(dir_.path().c_str(), uid, gid) != 0) throw std::runtime_error("chown");
  const std::string log = dir_ / "log";
  const std::string config_path = dir_ / "config.yml";
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(out, 1);
    dup2(out, 2);
    if (setgid(gid) != 0 || setuid(uid) != 0) _exit(1);
    execlp("docker-registry", "docker-registry", "serve", config_path.c_str(), nullptr);
    _exit(127);
  }
  wait_until_ready();
}

void DockerRegistry::wait_until_ready() {
  const std::regex listening{R"(listening on [^"\s]*:(\d+))"};
  for (int i = 0; i < 1500; ++i) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("docker-registry ended: " + read_text(dir_ / "log"));
    }
    const std::string log = read_text(dir_ / "log");
    std::smatch match;
    if (std::regex_search(log, match, listening)) {
      port_ = std::stoi(match[1]);
      return;
    }
    poll(nullptr, 0, 10);  // it tells its port nowhere else
  }
  throw std::runtime_error("docker-registry does not come up: " + read_text(dir_ / "log"));
}

DockerRegistry::~DockerRegistry() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string DockerRegistry::ca_pem() const {
  return options_.tls ? read_text(dir_ / "ca.pem") : "";
}

std::string DockerRegistry::authorization() const {
  return options_.user.empty() ? "" : "Basic " + base64(options_.user + ":" + options_.password);
}

std::string DockerRegistry::request(const std::string& method, const std::string& url,
                                    const std::string& body, const std::string& type,
                                    int expected) {
  CURL* curl = curl_easy_init();
  std::string answer;
  curl_slist* headers = nullptr;
  if (!type.empty()) headers = curl_slist_append(headers, ("Content-Type: " + type).c_str());
  headers = curl_slist_append(headers, "Expect:");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  std::string ignored;
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ignored);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  const std::string ca = dir_ / "ca.pem";
  if (options_.tls) curl_easy_setopt(curl, CURLOPT_CAINFO, ca.c_str());
  const std::string credentials = options_.user + ":" + options_.password;
  if (!options_.user.empty()) curl_easy_setopt(curl, CURLOPT_USERPWD, credentials.c_str());
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  if (code != CURLE_OK || status != expected) {
    throw std::runtime_error(method + " " + url + ": " + std::to_string(status) + " " +
                             curl_easy_strerror(code) + " " + ignored);
  }
  const std::regex location{"\r\n[Ll]ocation: ([^\r]*)"};
  std::smatch match;
  return std::regex_search(answer, match, location) ? match[1].str() : "";
}

void DockerRegistry::push(const std::string& repository, const std::string& tag,
                          const BuiltImage& image) {
  for (const auto& [digest, bytes] : image.blobs) {
    const std::string at =
        request("POST", url() + "/v2/" + repository + "/blobs/uploads/", "", "", 202);
    request("PUT", at + (at.find('?') == std::string::npos ? "?" : "&") + "digest=" + digest, bytes,
            "application/octet-stream", 201);
  }
  push_manifest(repository, tag.empty() ? image.digest : tag, image.manifest, kOciManifest);
}

void DockerRegistry::push_manifest(const std::string& repository, const std::string& selector,
                                   const std::string& bytes, const std::string& type) {
  request("PUT", url() + "/v2/" + repository + "/manifests/" + selector, bytes, type, 201);
}

}  // namespace berth::test
