// SPDX-License-Identifier: Apache-2.0
// What a container's program sees, told as one line of JSON on its standard output.
//
//   probe [read=FILE] [write=FILE] [list=DIRECTORY] [open=DEVICE] [connect=ADDRESS:PORT]
//   [sysctl=NAME] [zombie] [stdin]
//         [symlink=TARGET>PATH] [shm=NAME] [exit=N] [hold] [serve=PORT] [receive=SOCKET] [say=TEXT]
// Each word is an attempt whose result is in "tries" under the word itself. `hold` waits for
// SIGTERM after telling; `serve` answers connections with its hostname until then, and `receive`
// takes the forward protocol, telling what comes in further lines. `say` is the last line.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/probe/forward_server.hpp"

extern char** environ;

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string slurp(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) return "error: " + std::string(std::strerror(errno));
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  return out;
}

class Object {
 public:
  Object& raw(const std::string& key, const std::string& json) {
    text_ += (text_.empty() ? "" : ",") + quoted(key) + ":" + json;
    return *this;
  }
  Object& text(const std::string& key, const std::string& value) { return raw(key, quoted(value)); }
  Object& number(const std::string& key, long long value) {
    return raw(key, std::to_string(value));
  }
  std::string print() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string list_of(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ",") + quoted(value);
  return "[" + out + "]";
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> out;
  DIR* list = ::opendir(directory.c_str());
  if (list == nullptr) return {"error: " + std::string(std::strerror(errno))};
  while (const dirent* entry = ::readdir(list)) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  ::closedir(list);
  return out;
}

std::string limits() {
  const std::pair<const char*, int> kinds[] = {
      {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},         {"fsize", RLIMIT_FSIZE},
      {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
      {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
      {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
      {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK}};
  Object out;
  for (const auto& [name, kind] : kinds) {
    rlimit limit{};
    ::getrlimit(kind, &limit);
    out.text(name, std::to_string(static_cast<long long>(limit.rlim_cur)) + ":" +
                       std::to_string(static_cast<long long>(limit.rlim_max)));
  }
  return out.print();
}

std::string status() {
  Object out;
  const std::string text = slurp("/proc/self/status");
  for (const char* key :
       {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Groups"}) {
    const auto at = text.find(std::string("\n") + key + ":\t");
    if (at == std::string::npos) continue;
    const auto begin = at + std::strlen(key) + 3;
    out.text(key, text.substr(begin, text.find('\n', begin) - begin));
  }
  return out.print();
}

std::string namespaces() {
  Object out;
  for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}) {
    char target[64] = {};
    const std::string path = std::string("/proc/self/ns/") + kind;
    if (::readlink(path.c_str(), target, sizeof target - 1) > 0) out.text(kind, target);
  }
  return out.print();
}

// By mount point: type, options of the mount, options of the file system.
std::string mounts() {
  Object out;
  const std::string text = slurp("/proc/self/mountinfo");
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    std::vector<std::string> words;
    std::string word;
    for (std::size_t i = at; i <= end && i < text.size(); ++i) {
      if (text[i] == ' ' || text[i] == '\n') {
        words.push_back(word);
        word.clear();
      } else {
        word += text[i];
      }
    }
    at = end == std::string::npos ? text.size() : end + 1;
    std::size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 3 >= words.size()) continue;
    out.text(words[4], words[dash + 1] + " " + words[5] + " " + words[dash + 3]);
  }
  return out.print();
}

void add_devices(const std::string& directory, int depth, Object& out) {
  for (const std::string& name : names_in(directory)) {
    const std::string path = directory + "/" + name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode) && depth < 3 && name != "pts" && name != "shm" && name != "mqueue") {
      add_devices(path, depth + 1, out);
    }
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) continue;
    out.text(path, std::string(S_ISCHR(info.st_mode) ? "c " : "b ") +
                       std::to_string(major(info.st_rdev)) + ":" +
                       std::to_string(minor(info.st_rdev)));
  }
}

std::string interfaces() {
  std::vector<std::string> out;
  struct if_nameindex* list = ::if_nameindex();
  for (auto* one = list; one != nullptr && one->if_index != 0; ++one)
    out.emplace_back(one->if_name);
  ::if_freenameindex(list);
  return list_of(out);
}

// As the hierarchies of v1 or v2 have them, where they are mounted.
std::string cgroup() {
  Object out;
  const std::string root = "/sys/fs/cgroup/";
  for (const char* file :
       {"memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes",
        "memory/memory.soft_limit_in_bytes", "memory/memory.swappiness", "cpu/cpu.shares",
        "memory.max", "memory.low", "memory.swap.max", "cpu.weight"}) {
    std::string text = slurp(root + file);
    if (text.starts_with("error")) continue;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    out.text(file, text);
  }
  return out.print();
}

std::string file_state(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "error: " + std::string(std::strerror(errno));
  char text[64];
  std::snprintf(text, sizeof text, "%o %u:%u", info.st_mode & 07777, info.st_uid, info.st_gid);
  return text;
}

std::string word_of(bool good) {
  return good ? "ok" : "error: " + std::string(std::strerror(errno));
}

std::string try_write(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0) return word_of(false);
  const bool good = ::write(fd, "probe\n", 6) == 6;
  ::close(fd);
  return word_of(good);
}

// "TARGET>PATH"
std::string try_symlink(const std::string& what) {
  const auto arrow = what.find('>');
  return word_of(::symlink(what.substr(0, arrow).c_str(), what.c_str() + arrow + 1) == 0);
}

std::string try_open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK);
  if (fd < 0) return word_of(false);
  ::close(fd);
  return "ok";
}

std::string try_connect(const std::string& where) {
  const auto colon = where.rfind(':');
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(where.c_str() + colon + 1)));
  ::inet_pton(AF_INET, where.substr(0, colon).c_str(), &address.sin_addr);
  const bool good =
      fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const std::string out = word_of(good);
  if (fd >= 0) ::close(fd);
  return out;
}

// Whether an orphan of ours is reaped by the first process: its pid ends within a while.
std::string try_zombie() {
  int ends[2];
  if (::pipe(ends) != 0) return word_of(false);
  if (::fork() == 0) {
    const pid_t orphan = ::fork();
    if (orphan == 0) ::_exit(0);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(orphan), &info, WEXITED | WNOWAIT);
    (void)!::write(ends[1], &orphan, sizeof orphan);
    ::_exit(0);
  }
  pid_t orphan = 0;
  (void)!::read(ends[0], &orphan, sizeof orphan);
  ::waitpid(-1, nullptr, 0);
  for (int i = 0; i < 500; ++i) {
    if (::kill(orphan, 0) != 0 && errno == ESRCH) return "reaped";
    ::poll(nullptr, 0, 10);
  }
  return "left";
}

std::string try_stdin() {
  pollfd polled{STDIN_FILENO, POLLIN, 0};
  if (::isatty(STDIN_FILENO) != 0) return "terminal";
  if (::poll(&polled, 1, 200) == 0) return "open";
  char byte = 0;
  return ::read(STDIN_FILENO, &byte, 1) == 0 ? "ended" : "data";
}

std::string attempt(const std::string& verb, const std::string& what) {
  if (verb == "read") return slurp(what);
  if (verb == "write") return try_write(what);
  if (verb == "list") return list_of(names_in(what));
  if (verb == "stat") return file_state(what);
  if (verb == "open") return try_open(what);
  if (verb == "symlink") return try_symlink(what);
  if (verb == "connect") return try_connect(what);
  if (verb == "zombie") return try_zombie();
  if (verb == "stdin") return try_stdin();
  if (verb == "mknod") return word_of(::mknod(what.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0);
  if (verb == "sysctl") {
    std::string path = what;
    for (char& c : path) c = c == '.' ? '/' : c;
    return slurp("/proc/sys/" + path);
  }
  return "unknown";
}

std::string sees(int argc, char** argv) {
  Object out;
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  utsname names{};
  ::uname(&names);
  char cwd[4096] = {};
  Object devices;
  add_devices("/dev", 0, devices);
  struct statvfs shm {};
  out.raw("args", list_of({argv, argv + argc})).raw("env", list_of(env));
  out.text("cwd", ::getcwd(cwd, sizeof cwd) != nullptr ? cwd : "").text("hostname", names.nodename);
  out.number("uid", ::getuid()).number("gid", ::getgid()).number("pid", ::getpid());
  out.text("machine", names.machine).text("first", slurp("/proc/1/cmdline"));
  out.raw("limits", limits()).raw("status", status()).raw("namespaces", namespaces());
  out.raw("mounts", mounts()).raw("devices", devices.print()).raw("interfaces", interfaces());
  out.raw("cgroup", cgroup());
  out.text("hosts", slurp("/etc/hosts")).text("resolv", slurp("/etc/resolv.conf"));
  out.text("hostname_file", slurp("/etc/hostname")).text("uid_map", slurp("/proc/self/uid_map"));
  out.text("terminals", std::string(::isatty(0) ? "0" : "") + (::isatty(1) ? "1" : "") +
                            (::isatty(2) ? "2" : ""));
  out.number("shm_bytes", ::statvfs("/dev/shm", &shm) == 0
                              ? static_cast<long long>(shm.f_blocks * shm.f_frsize)
                              : -1);
  Object tries;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    const std::string verb = word.substr(0, equals);
    if (verb == "exit" || verb == "hold" || verb == "serve" || verb == "receive" || verb == "say") {
      continue;
    }
    tries.text(word, attempt(verb, equals == std::string::npos ? "" : word.substr(equals + 1)));
  }
  out.raw("tries", tries.print());
  return out.print() + "\n";
}

void serve(int port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 16) != 0) {
    ::_exit(9);
  }
  utsname names{};
  ::uname(&names);
  if (::fork() != 0) return;
  for (;;) {
    const int peer = ::accept(listener, nullptr, nullptr);
    (void)!::write(peer, names.nodename, std::strlen(names.nodename));
    ::close(peer);
  }
}

bool say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int code = 0;
  std::string last;
  bool hold = false;
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, nullptr);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "exit=", 5) == 0) code = std::atoi(argv[i] + 5);
    if (std::strncmp(argv[i], "serve=", 6) == 0) serve(std::atoi(argv[i] + 6));
    if (std::strncmp(argv[i], "say=", 4) == 0) last = argv[i] + 4;
    hold = hold || std::strcmp(argv[i], "hold") == 0;
  }
  if (!say(sees(argc, argv))) return 8;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "receive=", 8) == 0) take_forward(argv[i] + 8);
  }
  int signo = 0;
  if (hold) ::sigwait(&term, &signo);
  if (!last.empty() && !say(last + "\n")) return 8;
  return code;
}
