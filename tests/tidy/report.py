# SPDX-License-Identifier: Apache-2.0
"""One broken rule."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    path: str
    line: int  # 0: the whole file
    rule: str
    what: str
    mend: str

    def __str__(self):
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: [{self.rule}] {self.what}\n    mend: {self.mend}"
