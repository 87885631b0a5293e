#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py --source DIR [--build DIR] [--known FILE]: the rules of the house that a compiler does not check.

Exits with 1 where one is broken, and says how to mend it. With --build, link lines are read from that directory's build.ninja.
The table of who may include whom is layers.py. --known names a file of "path rule" lines: violations that are known and still to
be mended. They are printed and do not fail; a line that nothing answers to any more does.
"""
import argparse
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

import links  # noqa: E402
import sources  # noqa: E402


def read_known(path):
    known = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                known.append(tuple(words[:2]))
    return known


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--build")
    parser.add_argument("--known")
    options = parser.parse_args()
    violations = list(sources.check(options.source))
    if options.build:
        violations += links.check(options.build)
    known = read_known(options.known) if options.known else []
    fresh = [v for v in violations if (v.path, v.rule) not in known]
    stale = [k for k in known if k not in {(v.path, v.rule) for v in violations}]
    for violation in violations:
        print(("" if violation in fresh else "known: ") + str(violation))
    for path, rule in stale:
        print(f"{options.known}: '{path} {rule}' is mended\n    mend: remove the line")
    print(f"{len(fresh)} new, {len(violations) - len(fresh)} known, {len(stale)} stale")
    return 1 if fresh or stale else 0


if __name__ == "__main__":
    sys.exit(main())
