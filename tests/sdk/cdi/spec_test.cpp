// SPDX-License-Identifier: Apache-2.0
// CDI files: what is taken, and what is refused with the member at fault.
#include "sdk/cdi/spec.hpp"

#include <gmock/gmock.h>

#include "sdk/cdi/yaml.hpp"
#include "tests/sdk/cdi/files.hpp"

namespace berth::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& text, Format format = Format::Json) {
  const auto spec = parse_spec(text, format);
  return spec ? "accepted" : spec.error().message;
}

// A file with one device that has these edits.
std::string with_edits(const std::string& edits, const std::string& version = "1.1.0") {
  return R"({"cdiVersion": ")" + version +
         R"(", "kind": "v.example/gpu", "devices": [{"name": "a", "containerEdits": {)" + edits +
         "}}]}";
}

TEST(CdiSpec, IsReadFromTheYamlThatToolsWrite) {
  const auto spec = parse_spec(test::kCdiOfTwo, Format::Yaml);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->kind, "nvidia.com/gpu");
  ASSERT_EQ(spec->devices.size(), 3U);
  EXPECT_EQ(spec->devices[0].name, "0");
  const auto& node = spec->devices[1].edits.oci.device_nodes(0);
  EXPECT_EQ(node.path(), "/dev/nvidia1");
  EXPECT_EQ(node.host_path(), "/dev/full");
  EXPECT_EQ(node.type(), "");
  EXPECT_THAT(spec->edits.oci.env(), ElementsAre("NVIDIA_VISIBLE_DEVICES=void"));
  EXPECT_THAT(spec->edits.oci.mounts(0).options(), ElementsAre("ro", "nosuid", "nodev", "bind"));
  EXPECT_EQ(spec->edits.oci.hooks(0).name(), "createContainer");
  EXPECT_THAT(spec->edits.oci.hooks(0).args(), ElementsAre("tool", "hook", "update-ldcache"));
}

TEST(CdiSpec, KeepsEveryMemberOfEdits) {
  const auto spec = parse_spec(
      with_edits(
          R"("env": ["A=1", "B="], "additionalGids": [44, 0, 107], "deviceNodes": [{"path": "/dev/x",
      "hostPath": "/dev/y", "type": "b", "major": 8, "minor": 3, "fileMode": 432, "permissions": "rw",
      "uid": 5, "gid": 6}], "mounts": [{"hostPath": "tmpfs", "containerPath": "/t", "type": "tmpfs",
      "options": ["size=1m"]}], "hooks": [{"hookName": "poststop", "path": "/bin/true", "args": ["x"],
      "env": ["C=2"], "timeout": 7}])"),
      Format::Json);
  ASSERT_TRUE(spec) << spec.error().message;
  const v1::OciEdits& edits = spec->devices[0].edits.oci;
  EXPECT_THAT(edits.env(), ElementsAre("A=1", "B="));
  EXPECT_THAT(edits.additional_gids(), ElementsAre(44, 107));
  const v1::DeviceNode& node = edits.device_nodes(0);
  EXPECT_EQ(node.type(), "b");
  EXPECT_EQ(node.major(), 8);
  EXPECT_EQ(node.minor(), 3);
  EXPECT_EQ(node.file_mode(), 0660U);
  EXPECT_EQ(node.permissions(), "rw");
  EXPECT_EQ(node.uid(), 5U);
  EXPECT_EQ(node.gid(), 6U);
  EXPECT_EQ(edits.mounts(0).type(), "tmpfs");
  EXPECT_EQ(edits.hooks(0).timeout_s(), 7U);
  EXPECT_THAT(edits.hooks(0).env(), ElementsAre("C=2"));
}

TEST(CdiSpec, IsRefusedWithThePathOfTheMemberAtFault) {
  EXPECT_THAT(refusal("{"), HasSubstr("is no JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("the file must be an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("cdiVersion is missing"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "2.0.0", "kind": "v/c", "devices": [{"name": "a"}]})"),
              HasSubstr("cdiVersion '2.0.0' is none that this plugin knows; it knows up to 1.1.0"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v", "devices": [{"name": "a"}]})"),
              HasSubstr("kind is not VENDOR/CLASS"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v/c", "devices": []})"),
              HasSubstr("devices must name at least one device"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v/c", "devices": [{"name": "a"},
                          {"name": "a"}]})"),
              HasSubstr("devices[1].name is there twice"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v/c", "devices": [{"name": 1}]})"),
              HasSubstr("devices[0].name must be a string"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v/c", "devices": [{"name": "-a"}]})"),
              HasSubstr("devices[0].name is no name of a device"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "1.0.0", "kind": "v/c", "device": [{"name": "a"}]})"),
              HasSubstr("devices must name at least one device"));
  EXPECT_THAT(refusal(with_edits(R"("environment": [])")),
              HasSubstr("devices[0].containerEdits.environment is unknown"));
  EXPECT_THAT(refusal(with_edits(R"("env": ["NOVALUE"])")),
              HasSubstr("containerEdits.env holds something that is not NAME=VALUE"));
  EXPECT_THAT(refusal(with_edits(R"("env": ["A=1\u0000"])")), HasSubstr("env[0] holds a NUL"));
  EXPECT_THAT(refusal(with_edits(R"("deviceNodes": [{"path": "/dev/../etc/x"}])")),
              HasSubstr("deviceNodes[0].path is no absolute, plain path"));
  EXPECT_THAT(refusal(with_edits(R"("deviceNodes": [{"path": "/dev/x", "major": -1}])")),
              HasSubstr("deviceNodes[0].major must be a whole number from 0"));
  EXPECT_THAT(refusal(with_edits(R"("deviceNodes": [{"path": "/dev/x", "permissions": "rx"}])")),
              HasSubstr("deviceNodes[0].permissions must be of r, w and m"));
  EXPECT_THAT(refusal(with_edits(R"("deviceNodes": [{"path": "/dev/x", "type": "d"}])")),
              HasSubstr("deviceNodes[0].type must be b, c, u or p"));
  EXPECT_THAT(refusal(with_edits(R"("mounts": [{"hostPath": "a", "containerPath": "/b"}])")),
              HasSubstr("mounts[0].hostPath is no absolute, plain path"));
  EXPECT_THAT(refusal(with_edits(R"("hooks": [{"hookName": "never", "path": "/bin/true"}])")),
              HasSubstr("hooks[0].hookName is none of OCI's hooks"));
  EXPECT_THAT(refusal(with_edits(R"("hooks": {})")), HasSubstr("hooks must be a list"));
}

TEST(CdiSpec, MayHaveOnlyWhatItsVersionHas) {
  const auto refused = [](const std::string& edits, const std::string& version) {
    return refusal(with_edits(edits, version));
  };
  const std::string host_path = R"("deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/y"}])";
  EXPECT_THAT(refused(host_path, "0.4.0"),
              HasSubstr("hostPath needs a cdiVersion of at least 0.5.0"));
  EXPECT_EQ(refused(host_path, "0.5.0"), "accepted");
  EXPECT_EQ(refused(host_path, "v0.5.0"), "accepted");
  const std::string type =
      R"("mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "bind"}])";
  EXPECT_THAT(refused(type, "0.3.0"), HasSubstr("type needs a cdiVersion of at least 0.4.0"));
  EXPECT_THAT(refused(R"("additionalGids": [1])", "0.6.0"), HasSubstr("at least 0.7.0"));
  EXPECT_THAT(refused(R"("netDevices": [])", "1.0.0"), HasSubstr("at least 1.1.0"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "0.4.0", "kind": "v/c", "devices": [{"name": "0"}]})"),
              HasSubstr("devices[0].name needs a cdiVersion of at least 0.5.0"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "0.5.0", "kind": "v/c.d", "devices": [{"name": "a"}]})"),
              HasSubstr("kind needs a cdiVersion of at least 0.6.0"));
  EXPECT_THAT(refusal(R"({"cdiVersion": "0.5.0", "kind": "v/c", "annotations": {}, "devices":
                          [{"name": "a"}]})"),
              HasSubstr("annotations needs a cdiVersion of at least 0.6.0"));
}

TEST(CdiSpec, NamesWhatBerthCannotDoAndStaysValid) {
  const auto spec = parse_spec(
      with_edits(R"("intelRdt": {}, "netDevices": [], "deviceNodes": [{"path": "/p", "type": "p"}],
                    "hooks": [{"hookName": "prestart", "path": "/bin/true"}])"),
      Format::Json);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(
      spec->devices[0].edits.unsupported,
      ElementsAre("devices[0].containerEdits.deviceNodes[0].type 'p' (a FIFO)",
                  "devices[0].containerEdits.hooks[0].hookName 'prestart'",
                  "devices[0].containerEdits.intelRdt", "devices[0].containerEdits.netDevices"));
}

TEST(CdiSpec, LeavesWhatANodeIsToTheHostWhereTheFileDoesNotSayAll) {
  const auto spec = parse_spec(
      with_edits(R"("deviceNodes": [{"path": "/dev/x", "type": "c"}, {"path": "/dev/u", "type": "u",
                    "major": 1, "minor": 3}])"),
      Format::Json);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->devices[0].edits.oci.device_nodes(0).type(), "");
  EXPECT_EQ(spec->devices[0].edits.oci.device_nodes(1).type(), "c");
  EXPECT_EQ(spec->devices[0].edits.oci.device_nodes(1).major(), 1);
}

TEST(CdiYaml, HasTheScalarsOfYaml) {
  const auto value = parse_yaml(
      "{a: 12, b: 0x1f, c: 0o17, d: 0666, e: -3, f: ~, g: true, h: '7', "
      "i: 0.5.0, j: [x, y], k: \"a\\tb\", l: 9223372036854775808}");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(boost::json::serialize(*value),
            R"({"a":12,"b":31,"c":15,"d":438,"e":-3,"f":null,"g":true,"h":"7","i":"0.5.0",)"
            R"("j":["x","y"],"k":"a\tb","l":"9223372036854775808"})");
}

TEST(CdiYaml, RefusesWhatNoSpecificationNeeds) {
  const auto refused = [](const std::string& text) {
    const auto value = parse_yaml(text);
    return value ? "accepted" : value.error().message;
  };
  EXPECT_THAT(refused(""), HasSubstr("is empty"));
  EXPECT_THAT(refused("a: &x 1\nb: *x"), HasSubstr("line 2: has an alias"));
  EXPECT_THAT(refused("a: 1\na: 2"), HasSubstr("line 2: has the key 'a' twice"));
  EXPECT_THAT(refused("a: 1\n---\nb: 2"), HasSubstr("has a second document"));
  EXPECT_THAT(refused("[a, b]: 1"), HasSubstr("has a key that is a list or a map"));
  EXPECT_THAT(refused("a: [1"), HasSubstr("line 2: did not find"));
  EXPECT_THAT(refused("\tx"), HasSubstr("line 1"));
  EXPECT_THAT(refused(std::string(40, '[') + std::string(40, ']')), HasSubstr("is nested deeper"));
  EXPECT_THAT(refused("a: \xff"), HasSubstr("line 1"));
}

TEST(CdiEdits, AreMergedWithoutWhatIsThere) {
  v1::OciEdits edits;
  v1::OciEdits more;
  more.add_env("A=1");
  more.add_additional_gids(44);
  more.add_device_nodes()->set_path("/dev/x");
  more.add_mounts()->set_host_path("/m");
  more.add_hooks()->set_path("/h");
  merge(more, edits);
  merge(more, edits);
  EXPECT_EQ(edits.SerializeAsString(), more.SerializeAsString());
  more.mutable_device_nodes(0)->set_path("/dev/y");
  merge(more, edits);
  EXPECT_EQ(edits.device_nodes_size(), 2);
}

}  // namespace
}  // namespace berth::cdi
