# SPDX-License-Identifier: Apache-2.0
"""Rules about source files: includes, purity, sleeping, length."""
import os
import re

import layers
from report import Violation

SUFFIXES = (".c", ".h", ".cpp", ".hpp")
ROOTS = ("core", "sdk", "plugins", "tests", "bench")
MAX_LINES, MAX_TEST_LINES = 600, 800

C_HEADERS = set("assert ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint stdio "
                "stdlib string time uchar wchar wctype".split())
# C headers that a pure folder has no use for, or that the clock and signals come from.
POSIX = set("unistd fcntl poll dirent dlfcn elf sched spawn pthread termios pty pwd grp glob fnmatch link ifaddrs netdb syslog mntent "
            "semaphore utime libgen strings endian getopt execinfo malloc features regex".split())
POSIX_PREFIXES = ("sys/", "linux/", "net/", "netinet/", "arpa/", "asm/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

PURE_BANNED = (
    (re.compile(r"\b(?:system|steady|high_resolution|utc|file)_clock\s*::\s*now\b"), "reads a clock", "take the time as an argument"),
    (re.compile(r"\b(?:clock_gettime|gettimeofday|timespec_get)\s*\(|(?<![\w.>:])time\s*\(\s*(?:nullptr|NULL|0)?\s*\)|\bstd::time\s*\("),
     "reads a clock", "take the time as an argument"),
    (re.compile(r"\brandom_device\b|\b(?:s?rand|random|arc4random\w*|getrandom|getentropy)\s*\("), "draws chance",
     "take a number of berth::Rng as an argument"),
    (re.compile(r"\bthis_thread\b|\b(?:std::)?(?:jthread|async)\b\s*[({]"), "waits or starts threads", "leave threads to the daemon"),
)
SLEEPS = re.compile(r"\b(?:sleep_for|sleep_until)\b|(?<![\w\"])(?:::|std::)?(?:usleep|nanosleep|clock_nanosleep)\s*\(|(?<![\w.>])(?:::)?sleep\s*\(")

UNORDERED = re.compile(r"\b(?:std::)?unordered_(?:flat_)?(?:multi)?(?:map|set)\s*<")


def blank_out(text):
    """The text with comments, strings and characters blanked, lines kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![\w])\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def walk(root):
    """(path, text) of each source file, paths relative and sorted."""
    for top in ROOTS:
        for directory, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(files):
                if name.endswith(SUFFIXES):
                    full = os.path.join(directory, name)
                    with open(full, encoding="utf-8", errors="replace") as file:
                        yield os.path.relpath(full, root).replace(os.sep, "/"), file.read()


def own_folder(header):
    """The folder of ours that a header belongs to, or None if it is not ours."""
    if header.startswith(("core/", "sdk/", "plugins/", "tests/", "bench/")):
        return layers.folder_of(header) or header.split("/")[0]
    for prefix, folder in layers.GENERATED:
        if header.startswith(prefix):
            return folder
    return None


def third_party(header):
    for name, prefixes in layers.THIRD_PARTY.items():
        if header.startswith(prefixes):
            return name
    return None


def is_standard(header):
    stem = header[:-2] if header.endswith(".h") else header
    if header.endswith(".h"):
        return stem in C_HEADERS
    return re.fullmatch(r"[a-z_0-9]+", header) is not None  # <vector>, <cstdint>


def is_posix(header):
    return header.startswith(POSIX_PREFIXES) or (header.endswith(".h") and header[:-2] in POSIX)


def check_include(path, line, quote, header):
    folder = layers.folder_of(path)
    if folder is None:
        return
    layer = layers.layer_of(folder)
    if path == "sdk/include/berth/plugin_abi.h":
        if header not in ("stdint.h", "stddef.h"):
            yield Violation(path, line, "contract", f"plugin_abi.h includes {header}",
                            "it is plain C with nothing but <stdint.h> and <stddef.h>")
        return
    owner = own_folder(header)
    if owner is not None:
        if owner == folder or owner in layer.own or header in layer.headers:
            return
        allowed = ", ".join(sorted(layer.own | layer.headers)) or "nothing of ours"
        yield Violation(path, line, "layers", f"{folder} includes {header} of {owner}",
                        f"{folder} may include {allowed}; reach the rest through an interface of its own")
        return
    library = third_party(header)
    if library is not None:
        if library not in layer.third and header not in layer.headers:
            yield Violation(path, line, "third-party", f"{folder} includes {header}",
                            f"it may use {', '.join(sorted(layer.third)) or 'no library'}; move the code, or argue for a line in tests/tidy/layers.py")
        return
    if quote == '"':
        yield Violation(path, line, "include-path", f'includes "{header}"', "write includes of ours from the repository's root")
    elif is_standard(header):
        return
    elif is_posix(header):
        if not layer.posix:
            yield Violation(path, line, "pure", f"{folder} includes <{header}>", "system calls belong to the daemon, stores and plugins")
    else:
        yield Violation(path, line, "third-party", f"includes <{header}>, which is in no list",
                        "add the library to THIRD_PARTY and to the folder's line in tests/tidy/layers.py, if design wants it there")


def unordered_names(code):
    """Names of variables (and functions) declared with an unordered type, through aliases of the same file too."""
    names, aliases = set(), set()
    types = [m.start() for m in UNORDERED.finditer(code)]
    for start in types:
        open_at = code.index("<", start)
        depth, end = 0, open_at
        while end < len(code):
            depth += {"<": 1, ">": -1}.get(code[end], 0)
            end += 1
            if depth == 0:
                break
        alias = re.search(r"\busing\s+(\w+)\s*=\s*(?:std::)?$", code[:start])
        if alias:
            aliases.add(alias.group(1))
            continue
        declared = re.match(r"[\s&*>,]*(?:const\s+)?[\s&*]*(\w+)", code[end:])
        if declared:
            names.add(declared.group(1))
    for alias in aliases:
        names.update(re.findall(rf"\b{alias}\b[\s&*]+(\w+)", code))
    return names


def check_unordered(path, code, names):
    for name in sorted(names):
        pattern = re.compile(rf"\bfor\s*\([^;()]*(?:\([^()]*\)[^;()]*)*:\s*(?:[\w.>\-\[\]]*[.>\]])?{name}(?:\[[^\]]*\])?\s*\)|"
                             rf"\b{name}(?:\[[^\]]*\])?\s*(?:\.|->)\s*c?begin\s*\(")
        for match in pattern.finditer(code):
            yield Violation(path, line_of(code, match.start()), "unordered", f"iterates {name}, whose order is not defined",
                            "use std::map or a sorted vector where order can reach an answer")


def check(root):
    pure_files, pure_names = [], {}
    for path, text in walk(root):
        for match in INCLUDE.finditer(text):
            yield from check_include(path, line_of(text, match.start(1)), match.group(1), match.group(2))
        is_test = path.startswith("tests/")
        lines, limit = text.count("\n"), MAX_TEST_LINES if is_test else MAX_LINES
        if lines > limit:
            yield Violation(path, lines, "length", f"has {lines} lines; {limit} is the most", "give each type a file of its own")
        code = blank_out(text)
        for match in SLEEPS.finditer(code):
            yield Violation(path, line_of(code, match.start()), "sleep", f"sleeps ({match.group().strip()})",
                            "wait for an event or a condition with a deadline (tests: tests/support)")
        folder = layers.folder_of(path)
        if folder in layers.PURE:
            pure_files.append((path, folder, code))
            pure_names.setdefault(folder, set()).update(unordered_names(code))
            for pattern, what, mend in PURE_BANNED:
                for match in pattern.finditer(code):
                    yield Violation(path, line_of(code, match.start()), "pure", f"{what} ({match.group().strip()})", mend)
    for path, folder, code in pure_files:
        yield from check_unordered(path, code, pure_names[folder])
