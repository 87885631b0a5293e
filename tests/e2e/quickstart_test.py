# SPDX-License-Identifier: Apache-2.0
"""The first command that a newcomer types, and the one that takes it all back."""
import os
import re
import subprocess
import unittest

from stack import BIN, Scene, run, until

ROOT = os.path.realpath(os.path.dirname(os.path.abspath(__file__)) + "/../..")


def processes_of(directory):
    """Command lines that name the directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                command = cmdline.read().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if directory in command:
            found.append(f"{pid} {command}")
    return found


@unittest.skipUnless(os.path.realpath(BIN) == ROOT + "/build/release/bin", "quickstart builds the preset release: tested with that")
class Quickstart(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.addCleanup(self.scene.check_closed)
        self.directory = self.scene.directory + "/quickstart"
        doctor = run([BIN + "/berth", "doctor", "--data-dir", self.directory + "/berth"], check=False)
        if doctor.returncode != 0:
            self.skipTest("quickstart asks for a host on which nothing FAILs:\n" + doctor.stdout)
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, "BERTH_QUICKSTART_DIR": self.directory, "BERTH_API_PORT": "0",
                    "AWS_EC2_METADATA_DISABLED": "true"}

    def quickstart(self, *arguments):
        return run([ROOT + "/quickstart", *arguments], timeout=400, env=self.env)

    def test_shows_two_web_tasks_goes_on_where_it_is_and_leaves_no_trace(self):
        with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as setting:
            forward = setting.read()
        others = run(["ip", "-o", "link", "show", "type", "bridge"]).stdout != ""
        self.addCleanup(lambda: os.path.exists(self.directory) and self.quickstart("--down"))
        said = self.quickstart().stdout
        self.assertEqual(len(set(re.findall(r"served by task container (\S+)</p>", said))), 2, said)
        self.assertEqual(len(re.findall(r"^serving on port 80 as ", said, re.MULTILINE)), 2, said)
        self.assertRegex(said, r"(?s)== berth ps.*RUNNING.*RUNNING.*== try next")

        # What it says to try next works as it stands.
        lines = said.split("== try next", 1)[1].splitlines()
        shell = "\n".join(line for line in lines if line.startswith("export ") or line.startswith("berth run"))
        tried = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, env=self.env)
        self.assertEqual(tried.stdout, "hello\n3\n", tried.stderr)

        until("the registry and both programs run", lambda: len(processes_of(self.directory)) >= 3)
        again = self.quickstart().stdout
        self.assertEqual(len(set(re.findall(r"served by task container (\S+)</p>", again))), 2, again)

        self.assertIn("removed " + self.directory, self.quickstart("--down").stdout)
        self.assertFalse(os.path.exists(self.directory))
        self.assertEqual(processes_of(self.directory), [])
        until("nothing is left", lambda: self.scene.footprint.left() == {})
        if not others:
            with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as setting:
                self.assertEqual(setting.read(), forward)
        self.assertIn("removed " + self.directory, self.quickstart("--down").stdout)


if __name__ == "__main__":
    unittest.main()
