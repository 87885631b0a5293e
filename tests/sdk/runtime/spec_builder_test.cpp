// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/oci/spec_builder.hpp"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <algorithm>
#include <boost/json.hpp>

#include "sdk/runtime/cgroup/task_cgroup.hpp"
#include "sdk/runtime/oci/seccomp_profile.hpp"

namespace berth::runtime {
namespace {

namespace json = boost::json;

ContainerSpec plain() {
  ContainerSpec spec;
  spec.id = "task-web";
  spec.bundle_dir = "/b";
  spec.rootfs = "/r";
  spec.args = {"/web"};
  spec.env = {"A=1", "B=2"};
  spec.cgroup_path = "/berth/task/web";
  spec.log.path = "/l";
  return spec;
}

json::value config(const ContainerSpec& spec, const HostAbilities& host = {}) {
  auto text = build_config(spec, host);
  EXPECT_TRUE(text) << text.error().message;
  return text ? json::parse(*text) : json::value();
}

bool allows(const json::value& config, std::string_view type, std::int64_t major,
            std::int64_t minor) {
  const auto& rules = config.at_pointer("/linux/resources/devices").as_array();
  return std::any_of(rules.begin(), rules.end(), [&](const json::value& rule) {
    const auto& object = rule.as_object();
    return object.at("allow").as_bool() && object.at("type").as_string() == type &&
           object.contains("major") && object.at("major").as_int64() == major &&
           object.contains("minor") && object.at("minor").as_int64() == minor;
  });
}

const json::object* mount_at(const json::value& config, std::string_view destination) {
  for (const auto& mount : config.at("mounts").as_array()) {
    if (mount.at("destination").as_string() == destination) return &mount.as_object();
  }
  return nullptr;
}

TEST(SpecBuilder, GivesDockersCapabilitiesAndNoMoreThanThisProcessHas) {
  const auto all = config(plain());
  EXPECT_EQ(all.at_pointer("/process/capabilities/bounding").as_array().size(), 14u);
  EXPECT_EQ(all.at_pointer("/process/capabilities/effective"),
            all.at_pointer("/process/capabilities/bounding"));
  EXPECT_FALSE(all.at_pointer("/process/capabilities").as_object().contains("inheritable"));
  HostAbilities host;
  host.bounding_caps = std::uint64_t{1} << CAP_KILL | std::uint64_t{1} << CAP_SYS_ADMIN;
  EXPECT_EQ(config(plain(), host).at_pointer("/process/capabilities/permitted"),
            (json::array{"CAP_KILL"}));
}

TEST(SpecBuilder, ClampsOpenFilesToWhatThisProcessMayHandOn) {
  HostAbilities host;
  host.nofile_hard = 20'000;
  const auto limit = config(plain(), host).at_pointer("/process/rlimits/0");
  EXPECT_EQ(limit.at("hard"), 20'000);
  EXPECT_EQ(limit.at("soft"), 20'000);
  EXPECT_EQ(config(plain()).at_pointer("/process/rlimits/0/hard"), 65'536);
}

TEST(SpecBuilder, TellsWhatTheHostCannotGiveInFull) {
  auto spec = plain();
  spec.options.rlimits = {{.name = "nofile", .soft = 10, .hard = 30'000}, {.name = "nproc", .soft = 1, .hard = 2}};
  spec.options.rights.add = std::uint64_t{1} << CAP_SYS_ADMIN;
  spec.options.max_swap = 1;
  spec.options.swappiness = 1;
  EXPECT_TRUE(lowered_wishes(spec, {}).empty());
  HostAbilities host;
  host.nofile_hard = 20'000;
  host.bounding_caps = std::uint64_t{1} << CAP_KILL;
  host.unified_cgroups = true;
  host.swap_accounting = false;
  EXPECT_EQ(lowered_wishes(spec, host),
            (std::vector<std::string>{"ulimit nofile: 30000 lowered to 20000, the agent's own limit",
                                      "capability SYS_ADMIN is not given: the agent does not have it",
                                      "swappiness is not set: cgroup v2 has none",
                                      "maxSwap is not set: this host does not account for swap"}));
}

TEST(SpecBuilder, DeniesDevicesButTheHarmlessOnes) {
  const auto all = config(plain());
  const auto first = all.at_pointer("/linux/resources/devices/0").as_object();
  EXPECT_EQ(first, (json::object{{"allow", false}, {"type", "a"}, {"access", "rwm"}}));
  EXPECT_TRUE(allows(all, "c", 1, 3));
  EXPECT_FALSE(allows(all, "c", 10, 229));
}

TEST(SpecBuilder, WritesLimitsAsEcsMeansThem) {
  auto spec = plain();
  spec.cpu_shares = 0;
  spec.memory_limit = 64 << 20;
  spec.memory_reservation = 32 << 20;
  spec.pids_limit = 9;
  const auto v1 = config(spec).at_pointer("/linux/resources");
  EXPECT_EQ(v1.at_pointer("/cpu/shares"), 2);
  EXPECT_EQ(v1.at_pointer("/memory/limit"), 64 << 20);
  EXPECT_EQ(v1.at_pointer("/memory/swap"), 64 << 20);
  EXPECT_EQ(v1.at_pointer("/memory/reservation"), 32 << 20);
  EXPECT_EQ(v1.at_pointer("/pids/limit"), 9);
  HostAbilities v2;
  v2.unified_cgroups = true;
  spec.cpu_shares = 1024;
  EXPECT_EQ(config(spec, v2).at_pointer("/linux/resources/unified/cpu.weight"), "100");
  HostAbilities no_swap;
  no_swap.swap_accounting = false;
  EXPECT_FALSE(
      config(spec, no_swap).at_pointer("/linux/resources/memory").as_object().contains("swap"));
}

TEST(SpecBuilder, LeavesTheNetworkAloneOnTheHostsAndJoinsOneByPath) {
  const auto namespaces = [](const json::value& config) {
    std::vector<std::string> types;
    for (const auto& one : config.at_pointer("/linux/namespaces").as_array())
      types.emplace_back(one.at("type").as_string());
    return types;
  };
  EXPECT_EQ(namespaces(config(plain())), (std::vector<std::string>{"pid", "ipc", "uts", "mount"}));
  EXPECT_FALSE(config(plain()).at("linux").as_object().contains("sysctl"));
  auto spec = plain();
  spec.netns_path = "/run/netns/x";
  EXPECT_EQ(namespaces(config(spec)).back(), "network");
  EXPECT_EQ(config(spec).at_pointer("/linux/namespaces/4/path"), "/run/netns/x");
  EXPECT_EQ(config(spec).at("linux").at("sysctl").at("net.ipv4.ip_unprivileged_port_start"), "0");
}

TEST(SpecBuilder, MasksAndBinds) {
  auto spec = plain();
  spec.etc.hosts = "/h";
  const auto all = config(spec);
  const auto masked = all.at_pointer("/linux/maskedPaths").as_array();
  EXPECT_NE(std::find(masked.begin(), masked.end(), json::value("/proc/kcore")), masked.end());
  ASSERT_NE(mount_at(all, "/etc/hosts"), nullptr);
  EXPECT_EQ(mount_at(all, "/etc/hosts")->at("source"), "/h");
  EXPECT_EQ(mount_at(all, "/etc/resolv.conf"), nullptr);
}

TEST(SpecBuilder, AppliesEditsOfHostPlugins) {
  auto spec = plain();
  auto& edits = spec.edits.emplace_back();
  edits.add_env("B=3");
  edits.add_env("C=4");
  auto* node = edits.add_device_nodes();
  node->set_path("/dev/zero2");
  node->set_host_path("/dev/zero");
  auto* typed = edits.add_device_nodes();
  typed->set_path("/dev/gpu0");
  typed->set_type("c");
  typed->set_major(195);
  typed->set_minor(0);
  typed->set_permissions("rw");
  auto* mount = edits.add_mounts();
  mount->set_host_path("/lib/driver");
  mount->set_container_path("/usr/driver");
  mount->add_options("ro");
  auto* hook = edits.add_hooks();
  hook->set_name("createContainer");
  hook->set_path("/bin/hook");
  edits.add_additional_gids(44);
  edits.add_additional_gids(0);
  (*edits.mutable_annotations())["k"] = "v";
  const auto all = config(spec);
  EXPECT_EQ(all.at_pointer("/process/env"), (json::array{"A=1", "B=3", "C=4"}));
  EXPECT_EQ(all.at_pointer("/linux/devices/0/minor"), 5) << "read from the host's node";
  EXPECT_TRUE(allows(all, "c", 195, 0));
  EXPECT_EQ(mount_at(all, "/usr/driver")->at("options"), (json::array{"ro", "rbind"}));
  EXPECT_EQ(all.at_pointer("/hooks/createContainer/0/path"), "/bin/hook");
  EXPECT_EQ(all.at_pointer("/process/user/additionalGids"), (json::array{44}));
  EXPECT_EQ(all.at_pointer("/annotations/k"), "v");
}

TEST(SpecBuilder, NamesWhatIsWrongWithAnEdit) {
  auto spec = plain();
  spec.edits.emplace_back().add_device_nodes()->set_path("/dev/no-such-device");
  EXPECT_EQ(build_config(spec, {}).error().field, "edits.device_nodes");
  spec = plain();
  spec.edits.emplace_back().add_hooks()->set_name("whenever");
  EXPECT_EQ(build_config(spec, {}).error().field, "edits.hooks");
}

TEST(SpecBuilder, RefusesPathsAndTextsThatWouldMeanSomethingElse) {
  const auto field = [](auto change) {
    auto spec = plain();
    change(spec);
    auto text = build_config(spec, {});
    return text ? std::string("accepted") : text.error().field;
  };
  EXPECT_EQ(field([](ContainerSpec& s) { s.id = "a/b"; }), "id");
  EXPECT_EQ(field([](ContainerSpec& s) { s.rootfs = "rootfs"; }), "rootfs");
  EXPECT_EQ(field([](ContainerSpec& s) { s.bundle_dir = "/b\ncgroup=/"; }), "bundle_dir");
  EXPECT_EQ(field([](ContainerSpec& s) { s.cgroup_path = "/berth/../x"; }), "cgroup_path");
  EXPECT_EQ(field([](ContainerSpec& s) { s.env.push_back(std::string("A=\0", 3)); }), "env");
  EXPECT_EQ(field([](ContainerSpec&) {}), "accepted");
}

bool permits(const std::vector<seccomp::Rule>& rules, std::string_view name, bool conditions) {
  return std::any_of(rules.begin(), rules.end(), [&](const seccomp::Rule& rule) {
    return !rule.refuse_errno && rule.conditions.empty() != conditions &&
           std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end();
  });
}

TEST(SeccompProfile, FollowsCapabilities) {
  const auto without = seccomp::default_rules(0);
  EXPECT_TRUE(permits(without, "openat", false));
  for (const char* name :
       {"mount", "unshare", "bpf", "reboot", "io_uring_setup", "kexec_load", "keyctl",
        "open_by_handle_at", "userfaultfd", "socket", "clone", "clone3", "chroot"}) {
    EXPECT_FALSE(permits(without, name, false)) << name;
  }
  EXPECT_TRUE(permits(without, "clone", true)) << "without flags of new namespaces";
  EXPECT_TRUE(permits(without, "socket", true));
  const auto enosys = std::find_if(without.begin(), without.end(),
                                   [](const auto& rule) { return rule.refuse_errno.has_value(); });
  ASSERT_NE(enosys, without.end());
  EXPECT_EQ(enosys->names, std::vector<std::string_view>{"clone3"});
  EXPECT_EQ(enosys->refuse_errno, 38u);
  const auto admin = seccomp::default_rules(std::uint64_t{1} << CAP_SYS_ADMIN);
  EXPECT_TRUE(permits(admin, "mount", false));
  EXPECT_TRUE(permits(admin, "clone", false));
  EXPECT_FALSE(permits(admin, "clone", true));
  EXPECT_TRUE(permits(seccomp::default_rules(std::uint64_t{1} << CAP_SYS_CHROOT), "chroot", false));
}

TEST(Shares, AreClampedAndWeighedAsRuntimesDo) {
  EXPECT_EQ(clamp_shares(0), 2u);
  EXPECT_EQ(clamp_shares(1u << 30), 262'144u);
  for (const auto& [shares, weight] : {std::pair{2, 1},
                                       {64, 12},
                                       {128, 21},
                                       {256, 35},
                                       {512, 59},
                                       {1024, 100},
                                       {2048, 174},
                                       {4096, 303},
                                       {8192, 532},
                                       {262'144, 10'000}}) {
    EXPECT_EQ(weight_of_shares(static_cast<std::uint64_t>(shares)),
              static_cast<std::uint64_t>(weight))
        << shares;
  }
}

}  // namespace
}  // namespace berth::runtime
