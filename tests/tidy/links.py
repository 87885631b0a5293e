# SPDX-License-Identifier: Apache-2.0
"""Rules about what is linked, read from build.ninja: what is asked of the linker, whether it was built yet or not."""
import os
import re

import layers
from report import Violation

BUILD = re.compile(r"^build (?P<out>[^:|]+?)(?: \|[^:]*)?: (?:C|CXX)_(?P<kind>STATIC_LIBRARY|SHARED_LIBRARY|MODULE_LIBRARY|EXECUTABLE)_LINKER__\S+(?P<inputs>.*)$")


class Linked:
    """One library or program: its folder, and the libraries that it links."""

    def __init__(self, output, kind, inputs):
        self.output, self.kind = output, kind
        explicit = inputs.split(" | ")[0].split(" || ")[0].split()
        self.objects = [o for o in explicit if o.endswith(".o")]
        self.libraries = []
        if kind == "STATIC_LIBRARY" and " || " in inputs:  # what its users will link for it
            self.libraries = [w for w in inputs.split(" || ")[1].split() if re.search(r"\.(a|so)(\.[\d.]+)?$", w)]
        self.folder = None
        for name in self.objects:
            source = name.split("/CMakeFiles/")[0] + "/x"
            self.folder = layers.folder_of(source)
            break


def read(path):
    """All libraries and programs of a build.ninja."""
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("$\n", "")
    found, current = [], None
    for line in text.split("\n"):
        match = BUILD.match(line)
        if match:
            current = Linked(match["out"].split()[0], match["kind"], match["inputs"])
            found.append(current)
        elif current and line.startswith("  LINK_LIBRARIES ="):
            words = line.split("=", 1)[1].split()
            current.libraries = [w for w in words if not w.startswith("-Wl")]
        elif not line.startswith("  "):
            current = None
    return found


def is_full(library):
    name = os.path.basename(library)
    return "berth_proto_full" in name or re.match(r"libprotobuf\.(so|a)", name) or library in ("-lprotobuf",)


def is_lite(library):
    name = os.path.basename(library)
    return "berth_proto_lite" in name or re.match(r"libprotobuf-lite\.(so|a)", name) or library in ("-lprotobuf-lite",)


def own_folder(library):
    """The folder of ours that a library was made in, or None."""
    if library.startswith("/") or not library.endswith(".a"):
        return None
    if os.path.basename(library) in ("libberth_proto_lite.a", "libberth_proto_full.a"):
        return "sdk/proto"
    return layers.folder_of(library)


def foreign_name(library):
    """"curl" of "/usr/lib/x/libcurl.so.4" and of "-lcurl"; None for what is of ours, or no library."""
    if library.startswith("-l"):
        return library[2:]
    match = re.match(r"/.*/lib([^/]+?)\.(?:so|a)(?:\.[\d.]+)?$", library)
    return match[1] if match else None


def check_third(linked):
    """Libraries that are not of ours, against the lines of `layers.py`."""
    allowed = layers.may_use(linked.folder)
    for library in linked.libraries:
        name = foreign_name(library)
        if name is None or name in layers.SYSTEM_LIBRARIES:
            continue
        key = layers.THIRD_PARTY_LIBRARIES.get(name)
        if key is None:
            yield Violation(linked.output, 0, "third-party", f"{linked.folder} links {library}, which is in no list", "add it to tests/tidy/layers.py")
        elif key not in allowed:
            yield Violation(linked.output, 0, "third-party", f"{linked.folder} links {library}", f"it may link {', '.join(sorted(allowed)) or 'none'}")


def check_one(linked):
    full = [l for l in linked.libraries if is_full(l)]
    lite = [l for l in linked.libraries if is_lite(l)]
    where = linked.output
    if full and lite:
        yield Violation(where, 0, "flavours", f"links both {os.path.basename(full[0])} and {os.path.basename(lite[0])}",
                        "two Protobuf runtimes in one process abort: dlopen the plugin, or link one flavour")
    folder = linked.folder
    if folder is None:
        return
    if not folder.startswith("core/") and full:
        yield Violation(where, 0, "flavours", f"{folder} links {os.path.basename(full[0])}", "sdk and plugins link berth_proto_lite")
    if folder.startswith("core/") and lite:
        yield Violation(where, 0, "flavours", f"{folder} links {os.path.basename(lite[0])}", "the core links berth_proto_full")
    if folder in layers.NO_PROTOBUF and (full or lite):
        yield Violation(where, 0, "flavours", f"{folder} links Protobuf", "it moves bytes: link nothing")
    allowed = layers.may_link(folder)
    for library in linked.libraries:
        owner = own_folder(library)
        if owner is not None and owner not in allowed:
            yield Violation(where, 0, "layers", f"{folder} links {library} of {owner}",
                            f"it may link {', '.join(sorted(allowed - {folder})) or 'nothing of ours'}")
    yield from check_third(linked)
    if folder == "core/placement":
        for library in linked.libraries:
            yield Violation(where, 0, "layers", f"core/placement links {library}", "the engine stands alone: link nothing")


def check(build):
    found = read(os.path.join(build, "build.ninja"))
    for linked in found:
        yield from check_one(linked)
    if not found:
        yield Violation(os.path.join(build, "build.ninja"), 0, "layers", "holds no link line that is understood",
                        "mend tests/tidy/links.py: it would find nothing ever")
