#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds rows.tsv, the transcripts and the list of tests against each other.

Every row of the catalogue of faulty servers is in the table, with the
transcripts that play it or a note: the tests that do, each as `function` (file
below tests/), or the reason why none can. Each transcript that names a row is
in the table; and each is run.

  check-rows.py FOLDER
"""
import pathlib
import re
import sys

LAST_ROW = 208


def rows_of(transcript):
    """The rows that a transcript says it plays."""
    for line in transcript.read_text().splitlines():
        if line.startswith("rows:"):
            yield from map(int, line.split()[1:])


def transcripts_of(folder):
    """Name -> rows, of every transcript that is a test by itself."""
    names = {}
    for path in sorted(folder.glob("transcripts/*/*.nbdt")):
        if path.parent.name != "parts":
            names[f"{path.parent.name}/{path.stem}"] = set(rows_of(path))
    return names


def read_table(folder):
    """Row -> (names, note)."""
    lines = (folder / "rows.tsv").read_text().splitlines()[1:]
    table = {}
    for line in lines:
        row, names, note = line.split("\t")
        table[int(row)] = (set(names.split()), note)
    return table


def missing_tests(folder, note):
    """Test functions that a note names and that are not there. A file stands
    for all names before it."""
    names = []
    for name, file in re.findall(r"`([^`]+)`|\(([^)]+\.c)\)", note):
        if name:
            names.append(name)
            continue
        path = folder.parent / file
        text = path.read_text() if path.exists() else ""
        yield from (f"there is no {function} in {file}" for function in names
                    if not re.search(rf"^{function}\(void \*\*state\)$", text,
                                     flags=re.M))
        names = []
    yield from (f"in which file is {function}?" for function in names)


def mistakes(folder):
    transcripts = transcripts_of(folder)
    table = read_table(folder)
    tests = (folder / "meson.build").read_text()
    for row in range(1, LAST_ROW + 1):
        names, note = table.get(row, (set(), ""))
        if not names and not note:
            yield f"row {row}: neither transcript nor reason"
        yield from (f"row {row}: {mistake}"
                    for mistake in missing_tests(folder, note))
        for name in names - {n for n, rows in transcripts.items() if row in rows}:
            yield f"row {row}: {name} does not play it"
    for name, rows in transcripts.items():
        for row in rows:
            if name not in table.get(row, (set(), ""))[0]:
                yield f"{name}: not in rows.tsv under {row}"
        if f"'{name.split('/')[1]}'" not in tests:
            yield f"{name}: not a test in meson.build"


def main():
    found = list(mistakes(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "every row is accounted for")
    return 1 if found else 0


sys.exit(main())
