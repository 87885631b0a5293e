# SPDX-License-Identifier: Apache-2.0
"""Who may include and link whom, as design says it: the table that tidy.py enforces.

A folder not listed falls under its parent's line. `own` are folders of ours; `headers` are single headers of folders or libraries
that are otherwise closed (an interface, a hash); `third` are keys of THIRD_PARTY; `posix` says whether the system's headers may be used.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    own: frozenset = frozenset()
    headers: frozenset = frozenset()
    third: frozenset = frozenset()
    posix: bool = True


def layer(own=(), headers=(), third=(), posix=True):
    return Layer(frozenset(own), frozenset(headers), frozenset(third), posix)


# Header prefixes of each library.
THIRD_PARTY = {
    "asio": ("boost/asio/", "boost/system/"),
    "beast": ("boost/beast/",),
    "json": ("boost/json.hpp", "boost/json/"),
    "regex": ("boost/regex.hpp",),
    "dll": ("boost/dll/",),
    "process": ("boost/process/",),
    "protobuf": ("google/protobuf/",),
    "expected": ("tl/expected.hpp",),
    "spdlog": ("spdlog/", "fmt/"),
    "openssl": ("openssl/",),
    "curl": ("curl/",),
    "sqlite": ("sqlite3.h",),
    "toml": ("toml++/",),
    "cli11": ("CLI/",),
    "prometheus": ("prometheus/",),
    "archive": ("archive.h", "archive_entry.h"),
    "compress": ("zlib.h", "zstd.h", "libdeflate.h", "isa-l/"),
    "netlink": ("netlink/",),
    "nftables": ("nftables/",),
    "seccomp": ("seccomp.h",),
    "capability": ("sys/capability.h",),
    "yaml": ("yaml.h",),
    "intrinsics": ("immintrin.h",),
}

# What the linker is asked for, by the key of whose headers it serves: a file name up to its first dot, "-l" taken off.
THIRD_PARTY_LIBRARIES = {
    "archive": "archive", "boost_container": "json", "boost_json": "json", "boost_regex": "regex", "cap": "capability", "crypto": "openssl",
    "curl": "curl", "deflate": "compress", "fmt": "spdlog", "isal": "compress", "nftables": "nftables", "nl-3": "netlink", "nl-route-3": "netlink",
    "prometheus-cpp-core": "prometheus", "protobuf": "protobuf", "protobuf-lite": "protobuf", "seccomp": "seccomp", "spdlog": "spdlog",
    "sqlite3": "sqlite", "ssl": "openssl", "tomlplusplus": "toml", "yaml": "yaml", "z": "compress", "zstd": "compress",
}
# Parts of the C library.
SYSTEM_LIBRARIES = ("dl", "m", "pthread", "rt")

# The contract's own parts, and what protoc makes of the .proto files of a folder: prefixes of "berth/..." and the folder each belongs to.
GENERATED = (
    ("berth/model/", "core/model"),
    ("berth/fleet/", "sdk/fleet"),
    ("berth/runtime/", "sdk/runtime"),
    ("berth/v1/", "sdk/proto"),
    ("berth/", "sdk/include"),
)

_RUNTIME = ("asio", "beast", "json", "protobuf", "spdlog", "openssl", "curl", "sqlite", "toml", "cli11", "archive",
            "compress", "netlink", "nftables", "seccomp", "capability", "process", "regex")

LAYERS = {
    # The core, from the bottom up.
    "core/placement": layer(third=("intrinsics",), posix=False),
    "core/model": layer(own=("sdk/proto",), third=("protobuf", "expected"), posix=False),
    "core/store": layer(own=("core/model", "sdk/proto"), third=("protobuf", "expected", "sqlite", "openssl", "curl")),
    "core/plugins": layer(own=("core/model", "sdk/proto", "sdk/loading"), headers=("berth/plugin_abi.h", "berth/result.hpp"),
                          third=("protobuf", "expected", "spdlog", "asio")),
    "core/control": layer(own=("core/model", "core/placement", "sdk/proto"), headers=("core/store/store.hpp", "openssl/sha.h"),
                          third=("protobuf", "expected"), posix=False),
    "core/net": layer(third=("asio", "beast", "openssl")),
    "core/api": layer(own=("core/model", "core/control", "core/net", "sdk/proto"),
                      third=("protobuf", "expected", "asio", "beast", "json", "openssl", "spdlog", "prometheus")),
    "core/cli": layer(own=("core/model", "core/net", "sdk/proto"),
                      third=("protobuf", "expected", "asio", "beast", "json", "openssl", "curl", "cli11", "toml", "process")),
    "core/daemon": layer(own=("core/model", "core/placement", "core/store", "core/plugins", "core/control", "core/api", "sdk/proto", "sdk/loading"),
                         third=("protobuf", "expected", "asio", "beast", "json", "openssl", "curl", "cli11", "toml", "spdlog",
                                "prometheus", "sqlite", "process")),
    # The contract, and the toolkit beside it.
    "sdk/include": layer(own=("sdk/proto",), third=("protobuf",)),
    "sdk/proto": layer(third=("protobuf",)),
    "sdk/cdi": layer(own=("sdk/include", "sdk/proto"), headers=("sdk/runtime/owned_fd.hpp",), third=("json", "protobuf", "yaml")),
    "sdk/hosts": layer(own=("sdk/include", "sdk/proto", "sdk/fleet", "sdk/runtime"), third=("protobuf",)),
    "sdk/isolation": layer(headers=("berth/plugin_abi.h",)),
    "sdk/loading": layer(headers=("berth/plugin_abi.h", "berth/result.hpp"), third=("dll",)),
    "sdk/check": layer(own=("sdk/include", "sdk/proto"), third=("protobuf",)),
    "sdk/example": layer(own=("sdk/include", "sdk/proto"), third=("protobuf",)),
    "sdk/fleet": layer(own=("sdk/include", "sdk/proto", "sdk/runtime"), third=_RUNTIME),
    "sdk/runtime": layer(own=("sdk/include", "sdk/proto", "sdk/fleet", "sdk/loading"), third=_RUNTIME),
    "sdk": layer(own=("sdk/include", "sdk/proto"), third=("protobuf",)),
    # Plugins: the SDK, and never each other.
    "plugins/": layer(own=("sdk/include", "sdk/proto", "sdk/cdi", "sdk/fleet", "sdk/hosts", "sdk/runtime"),
                      third=("asio", "beast", "json", "protobuf", "spdlog", "openssl", "curl", "toml", "sqlite")),
}

# Folders whose answers are functions of what they are given.
PURE = ("core/model", "core/placement", "core/control")

# These move bytes: sdk/isolation's programs link no Protobuf at all, and sdk/loading is linked by those of either flavour.
NO_PROTOBUF = ("sdk/isolation", "sdk/loading")


def folder_of(path):
    """The layer that a file of the repository belongs to ("core/api", "plugins/ec2"), or None."""
    parts = path.split("/")
    if parts[0] == "plugins" and len(parts) > 2:
        return "/".join(parts[:2])
    for size in (2, 1):
        name = "/".join(parts[:size])
        if name in LAYERS and len(parts) > size:
            return name
    return None


def layer_of(folder):
    return LAYERS["plugins/"] if folder.startswith("plugins/") else LAYERS[folder]


def may_link(folder):
    """Folders that a library of this one may link: what it may include, and what those may."""
    seen, todo = set(), [folder]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        todo.extend(layer_of(one).own if one in LAYERS or one.startswith("plugins/") else ())
    return seen


def may_use(folder):
    """Keys of the libraries that a program of this folder may link: its own, and those of what it may link."""
    return frozenset().union(*(layer_of(one).third for one in may_link(folder) if one in LAYERS or one.startswith("plugins/")))
