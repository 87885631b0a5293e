#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py under test: a small clean tree passes; each planted violation is caught, by its rule, in its file."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

# What a clean tree may hold, also what looks wrong and is not.
CLEAN = {
    "core/placement/engine.cpp": '#include "core/placement/engine.hpp"\n#include <immintrin.h>\n#include <vector>\n',
    "core/placement/tally.hpp": "#include <unordered_map>\nstd::unordered_map<int, int> by_name_[2];\n"
                                "std::vector<int> ordered;\nauto f() { for (int i : ordered) g(i); return by_name_[0].find(3); }\n",
    "core/model/x.hpp": '#include <google/protobuf/message.h>\n#include "berth/v1/launch.pb.h"\n#include <tl/expected.hpp>\n',
    "core/control/a.cpp": '#include "core/placement/engine.hpp"\n#include "core/store/store.hpp"\n'
                          '// steady_clock::now() and rand() in words\nconst char* s = "sleep_for(1)";\nint sometime(int); int x = sometime(0);\n'
                          "void f(Task& t) { t.time(0); auto big = 1'000'000; }\n",
    "core/daemon/main.cpp": '#include "core/api/server.hpp"\n#include "sdk/loading/loader.hpp"\n#include <CLI/CLI.hpp>\n#include <unistd.h>\n'
                            "auto now = std::chrono::steady_clock::now();\n",
    "sdk/include/berth/plugin_abi.h": "#include <stddef.h>\n#include <stdint.h>\n",
    "plugins/ec2/ec2.cpp": '#include "plugins/ec2/plan.hpp"\n#include "sdk/fleet/server.hpp"\n#include "berth/fleet/v1/fleet.pb.h"\n#include <poll.h>\n',
    "tests/a_test.cpp": "#include <gtest/gtest.h>\n" + "\n" * 700,
}

# name: (file, text, rule, words of the message)
PLANTED = {
    "placement includes model": ("core/placement/a.cpp", '#include "core/model/ids.hpp"\n', "layers", "core/placement includes core/model/ids.hpp"),
    "placement includes a library": ("core/placement/a.cpp", "#include <spdlog/spdlog.h>\n", "third-party", "spdlog"),
    "placement includes a message": ("core/placement/a.hpp", '#  include "berth/v1/resources.pb.h"\n', "layers", "sdk/proto"),
    "model includes control": ("core/model/a.cpp", '#include "core/control/tasks.hpp"\n', "layers", "core/control"),
    "control includes api": ("core/control/a.cpp", '#include "core/api/server.hpp"\n', "layers", "core/api"),
    "control includes a store": ("core/control/a.cpp", '#include "core/store/sqlite_store.hpp"\n', "layers", "sqlite_store"),
    "control includes the C++ of the SDK": ("core/control/a.cpp", '#include "berth/result.hpp"\n', "layers", "sdk/include"),
    "api includes a store": ("core/api/ecs/a.cpp", '#include "core/store/store.hpp"\n', "layers", "core/store"),
    "api includes plugins": ("core/api/a.cpp", '#include "core/plugins/instance.hpp"\n', "layers", "core/plugins"),
    "cli includes control": ("core/cli/a.cpp", '#include "core/control/commands.hpp"\n', "layers", "core/control"),
    "sdk includes the core": ("sdk/runtime/task/a.cpp", '#include "core/model/ids.hpp"\n', "layers", "core/model"),
    "the loading of plugins includes a message": ("sdk/loading/a.cpp", '#include "berth/v1/plugin.pb.h"\n', "layers", "sdk/proto"),
    "sdk includes a record": ("sdk/fleet/a.cpp", '#include "berth/model/stored.pb.h"\n', "layers", "core/model"),
    "a plugin includes another": ("plugins/gpu/a.cpp", '#include "plugins/ec2/plan.hpp"\n', "layers", "plugins/ec2"),
    "a plugin includes the core": ("plugins/ec2/a.cpp", '#include "core/model/arn.hpp"\n', "layers", "core/model"),
    "the contract includes a library": ("sdk/include/berth/a.hpp", "#include <boost/asio/post.hpp>\n", "third-party", "asio"),
    "the contract includes the toolkit": ("sdk/include/berth/a.hpp", '#include "sdk/fleet/server.hpp"\n', "layers", "sdk/fleet"),
    "plugin_abi.h includes more": ("sdk/include/berth/plugin_abi.h", "#include <stdbool.h>\n", "contract", "stdbool.h"),
    "a library in no list": ("core/api/a.cpp", "#include <folly/String.h>\n", "third-party", "in no list"),
    "an include beside the file": ("core/store/a.cpp", '#include "schema.hpp"\n', "include-path", "repository's root"),
    "a pure folder calls the system": ("core/control/a.cpp", "#include <unistd.h>\n", "pure", "unistd.h"),
    "a clock in control": ("core/control/a.cpp", "auto t = std::chrono::system_clock::now();\n", "pure", "reads a clock"),
    "a clock in model": ("core/model/a.cpp", "auto t = Clock::time_point(); auto n = steady_clock :: now();\n", "pure", "reads a clock"),
    "C's clock": ("core/model/a.cpp", "auto t = time(nullptr);\n", "pure", "reads a clock"),
    "C's other clock": ("core/placement/a.cpp", "clock_gettime(CLOCK_REALTIME, &t);\n", "pure", "reads a clock"),
    "a random device": ("core/placement/a.cpp", "std::random_device chance;\n", "pure", "draws chance"),
    "rand": ("core/control/a.cpp", "int i = rand() % 6;\n", "pure", "draws chance"),
    "a thread": ("core/control/a.cpp", "std::jthread(work);\n", "pure", "threads"),
    "unordered iteration": ("core/control/a.cpp", "std::unordered_map<int, std::pair<int, int>> tasks_;\nvoid f() { for (auto& [k, v] : tasks_) g(k); }\n",
                            "unordered", "iterates tasks_"),
    "unordered iteration by iterator": ("core/model/a.cpp", "std::unordered_set<int> ids;\nauto f() { return ids.begin(); }\n", "unordered", "iterates ids"),
    "unordered iteration of an alias": ("core/model/a.cpp", "using Ids = std::unordered_set<int>;\nvoid f(const Ids& ids) { for (int i : ids) g(i); }\n", "unordered", "ids"),
    "sleep_for": ("plugins/ec2/a.cpp", "std::this_thread::sleep_for(1s);\n", "sleep", "sleep_for"),
    "usleep in a test": ("tests/a_test.cpp", "void f() { ::usleep(10); }\n", "sleep", "usleep"),
    "sleep in C": ("sdk/runtime/monitor/a.c", "void f() { sleep(1); }\n", "sleep", "sleep"),
    "a long file": ("core/api/a.cpp", "\n" * 601, "length", "600 is the most"),
    "a long test": ("tests/a_test.cpp", "\n" * 801, "length", "800 is the most"),
}

LIB = "/usr/lib/x86_64-linux-gnu/"


def static(output, folder, deps=""):
    return f"build {output}: CXX_STATIC_LIBRARY_LINKER__x_Debug {folder}/CMakeFiles/x.dir/a.cpp.o || {deps} some_gen\n  TARGET_FILE = {output}\n\n"


def program(output, folder, libraries, kind="EXECUTABLE"):
    return (f"build {output}: CXX_{kind}_LINKER__x_Debug {folder}/CMakeFiles/x.dir/a.cpp.o | {libraries} || {libraries}\n"
            f"  FLAGS = -O0\n  LINK_LIBRARIES = {libraries}\n\n")


CLEAN_NINJA = (static("core/placement/libberth_placement.a", "core/placement") +
               static("core/control/libberth_control.a", "core/control",
                      "core/model/libberth_model.a core/placement/libberth_placement.a sdk/libberth_proto_full.a") +
               program("bin/berthd", "core/daemon", f"core/control/libberth_control.a core/store/libberth_store.a sdk/libberth_proto_full.a {LIB}libprotobuf.so") +
               program("lib/berth/plugins/libberth-ec2.so", "plugins/ec2", f"sdk/fleet/libberth_fleet.a sdk/libberth_proto_lite.a {LIB}libprotobuf-lite.so",
                       "MODULE_LIBRARY"))

# name: (link lines, output, rule, words)
PLANTED_LINKS = {
    "both flavours": (program("tests/x", "tests/x", f"sdk/libberth_proto_lite.a core/model/libberth_model.a {LIB}libprotobuf.so {LIB}libprotobuf-lite.so"),
                      "tests/x", "flavours", "links both"),
    "a plugin with the core": (program("lib/x.so", "plugins/ec2", "core/model/libberth_model.a sdk/libberth_proto_lite.a", "MODULE_LIBRARY"),
                               "lib/x.so", "layers", "plugins/ec2 links core/model/libberth_model.a"),
    "a plugin with the full runtime": (program("lib/x.so", "plugins/gpu", f"{LIB}libprotobuf.so.32", "SHARED_LIBRARY"), "lib/x.so", "flavours", "plugins/gpu links"),
    "the agent with the core": (program("bin/berth-agent", "sdk/runtime/agent", "core/store/libberth_store.a"), "bin/berth-agent", "layers", "core/store"),
    "the core with LITE": (program("bin/berthd", "core/daemon", "sdk/libberth_proto_lite.a"), "bin/berthd", "flavours", "berth_proto_full"),
    "placement with anything": (static("core/placement/libberth_placement.a", "core/placement", f"{LIB}libfmt.so.9.1.0"), "core/placement/libberth_placement.a",
                                "layers", "link nothing"),
    "control with a store": (static("core/control/libberth_control.a", "core/control", "core/store/libberth_store.a"), "core/control/libberth_control.a",
                             "layers", "core/store"),
    "a library that the folder's line has not": (program("lib/x.so", "plugins/ec2", f"{LIB}libprometheus-cpp-core.so.1.0.1", "MODULE_LIBRARY"), "lib/x.so",
                                                "third-party", "plugins/ec2 links"),
    "a library in no list": (program("bin/berth", "core/cli", f"{LIB}libcurl.so -lgpgme"), "bin/berth", "third-party", "-lgpgme, which is in no list"),
    "the loading of plugins with Protobuf": (static("sdk/loading/libberth_loading.a", "sdk/loading", "sdk/libberth_proto_lite.a"),
                                             "sdk/loading/libberth_loading.a", "flavours", "moves bytes"),
    "the isolating host with Protobuf": (program("bin/berth-plugin-host", "sdk/isolation", f"{LIB}libprotobuf-lite.so"), "bin/berth-plugin-host", "flavours",
                                         "moves bytes"),
}


class Tidy(unittest.TestCase):
    def run_on(self, files, ninja=None, known=None):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            arguments = [sys.executable, os.path.join(HERE, "tidy.py"), "--source", root]
            if ninja is not None:
                arguments += ["--build", root]
                with open(os.path.join(root, "build.ninja"), "w", encoding="utf-8") as file:
                    file.write(ninja)
            if known is not None:
                arguments += ["--known", os.path.join(root, "known")]
                with open(os.path.join(root, "known"), "w", encoding="utf-8") as file:
                    file.write(known)
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout

    def test_passes_a_clean_tree(self):
        code, said = self.run_on(CLEAN, CLEAN_NINJA)
        self.assertEqual((code, said), (0, "0 new, 0 known, 0 stale\n"))

    def test_catches_each_planted_source(self):
        for name, (path, text, rule, words) in PLANTED.items():
            with self.subTest(name):
                code, said = self.run_on({**CLEAN, path: text})
                self.assertEqual(code, 1, said)
                first = said.split("\n")[0]
                self.assertTrue(first.startswith(path), said)
                self.assertIn(f"[{rule}]", first)
                self.assertIn(words, said)
                self.assertIn("mend: ", said)

    def test_catches_each_planted_link_line(self):
        for name, (lines, output, rule, words) in PLANTED_LINKS.items():
            with self.subTest(name):
                code, said = self.run_on(CLEAN, CLEAN_NINJA + lines)
                self.assertEqual(code, 1, said)
                self.assertIn(f"{output}: [{rule}]", said)
                self.assertIn(words, said)

    def test_says_so_when_it_understands_no_link_line(self):
        code, said = self.run_on(CLEAN, "rule x\n")
        self.assertEqual(code, 1, said)
        self.assertIn("no link line", said)

    def test_lets_known_violations_pass_until_they_are_mended(self):
        path, text, rule, _ = PLANTED["usleep in a test"]
        code, said = self.run_on({**CLEAN, path: text}, known=f"{path} {rule}  # why\n")
        self.assertEqual(code, 0, said)
        self.assertIn("known: tests/a_test.cpp", said)
        code, said = self.run_on(CLEAN, known=f"{path} {rule}\n")
        self.assertEqual(code, 1, said)
        self.assertIn("is mended", said)


if __name__ == "__main__":
    unittest.main()
