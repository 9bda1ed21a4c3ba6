#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the tests exist that docs/protocol-notes.md names? Each row of its tables
must name one: `folder/name` is a transcript, `function` (file) a test function
in a file below tests/, which may stand for several functions before it.

  check-notes.py SOURCE-ROOT
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
NOTES = ROOT / "docs/protocol-notes.md"


def rows():
    """The last cell of each row that is not a heading."""
    for line in NOTES.read_text().splitlines():
        if line.startswith("| ") and not line.endswith("shown by |"):
            yield line, line.strip("| ").split(" | ")[-1]


def has_function(path, name):
    return path.exists() and re.search(rf"^{name}\(void \*\*state\)$",
                                       path.read_text(), flags=re.M)


def mistakes(cell):
    """What is wrong with the names in the last cell of a row."""
    functions = []
    words = re.findall(r"`([^`]+)`|\(([^)]+\.c)\)", cell)
    if not words:
        yield "no test is named"
    for name, file in words:
        if "/" in name:
            path = ROOT / "tests/protocol/transcripts" / f"{name}.nbdt"
            if not path.exists():
                yield f"there is no transcript {name}"
        elif name:
            functions.append(name)
        for function in functions if file else ():
            if not has_function(ROOT / "tests" / file, function):
                yield f"there is no {function} in tests/{file}"
        if file:
            functions = []
    for function in functions:
        yield f"in which file is {function}?"


def main():
    wrong = [f"{mistake}: {line[:70]}" for line, cell in rows()
             for mistake in mistakes(cell)]
    n_rows = len(list(rows()))
    print("\n".join(wrong) or f"all tests of {n_rows} rows exist")
    return 1 if wrong or n_rows == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
