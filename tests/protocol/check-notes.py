#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the tests exist that docs/protocol-notes.md and docs/server-quirks.md
name? The last cell of each row of their tables must name one: `folder/name` is
a transcript, `function` (file) a test function in a file below tests/, which
may stand for several functions before it. Of a quirk the cell may begin with a
dash and say why there is none. Quirks are numbered, and none is left out.

  check-notes.py SOURCE-ROOT
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
NOTES = ROOT / "docs/protocol-notes.md"
QUIRKS = ROOT / "docs/server-quirks.md"
LAST_QUIRK = 77
# A reason has so many words at least.
WORDS_OF_A_REASON = 6


def rows(path):
    """The line and the cells of each row that is not a heading."""
    for line in path.read_text().splitlines():
        if line.startswith("| ") and not line.endswith("shown by |"):
            yield line, line.strip("| ").split(" | ")


def has_function(path, name):
    return path.exists() and re.search(rf"^{name}\(void \*\*state\)$",
                                       path.read_text(), flags=re.M)


def mistakes(cell, may_be_a_reason):
    """What is wrong with the names in the last cell of a row."""
    functions = []
    words = re.findall(r"`([^`]+)`|\(([^)]+\.c)\)", cell)
    is_reason = may_be_a_reason and cell.startswith("— ")
    if not words and not is_reason:
        yield "no test is named"
    if is_reason and len(cell.split()) <= WORDS_OF_A_REASON:
        yield "what is the reason?"
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


def unnamed(transcripts, path):
    """Transcripts of quirks that the table does not know."""
    text = path.read_text()
    for transcript in sorted(transcripts.glob("*.nbdt")):
        name = f"{transcript.parent.name}/{transcript.stem}"
        if f"`{name}`" not in text:
            yield f"{name}: not in {path.name}"


def main():
    wrong = []
    for path in NOTES, QUIRKS:
        table = list(rows(path))
        wrong += [f"{path.name}: {mistake}: {line[:70]}"
                  for line, cells in table
                  for mistake in mistakes(cells[-1], path == QUIRKS)]
        print(f"{path.name}: {len(table)} rows")
        if not table:
            wrong.append(f"{path.name}: there is no table")
    numbers = [int(cells[0]) for _, cells in rows(QUIRKS)]
    if numbers != list(range(1, LAST_QUIRK + 1)):
        wrong.append(f"{QUIRKS.name}: the numbers are {numbers}")
    wrong += unnamed(ROOT / "tests/protocol/transcripts/servers", QUIRKS)
    print("\n".join(wrong) or "all tests exist")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
