#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is every public function in docs/function-coverage.tsv, and does each test
that the table names call it? Usage: check-coverage.py SOURCE-ROOT"""

import csv
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
TABLE = ROOT / "docs/function-coverage.tsv"
HEADERS = sorted((ROOT / "client-lib/include").glob("*.h"))
wrong = []


def code_of(path):
    """The file without its comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)


def declared():
    """Every function that a public header declares."""
    names = set()
    for header in HEADERS:
        names |= set(re.findall(r"^(?!#).*?\b(nbd_\w+)\s*\((?!\*)",
                                code_of(header), flags=re.M))
    return names


def is_compiled(path):
    """Is the file part of some test's program?"""
    for folder in (path.parent, path.parent.parent):
        build = folder / "meson.build"
        if build.exists() and re.search(r"'(\w+/)?" + path.stem + r"(\.c)?'",
                                        build.read_text()):
            return True
    return False


def check_test(function, name):
    path = ROOT / "tests" / name
    if not path.is_file():
        wrong.append(f"{function}: there is no tests/{name}")
    elif not re.search(r"\b" + function + r"\b", code_of(path)):
        wrong.append(f"{function}: tests/{name} does not call it")
    elif not is_compiled(path):
        wrong.append(f"{function}: tests/{name} is part of no test")


def main():
    with open(TABLE, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    names = [row["function"] for row in rows]
    functions = declared()
    for name in functions - set(names):
        wrong.append(f"{name} is not in the table")
    for name in set(names) - functions:
        wrong.append(f"{name} is in the table and in no header")
    for name in {n for n in names if names.count(n) > 1}:
        wrong.append(f"{name} is in the table twice")
    for row in rows:
        tests = row["tests"].split()
        if not tests:
            wrong.append(f"{row['function']}: no test is named")
        for test in tests:
            check_test(row["function"], test)
    print("\n".join(sorted(wrong)))
    print(f"{len(functions)} functions, {len(wrong)} complaints")
    return 1 if wrong else 0


sys.exit(main())
