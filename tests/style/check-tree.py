#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the tree with the picture in docs: who includes whom, licence
lines, file lengths. Usage: check-tree.py SOURCE-ROOT"""

import os
import re
import sys

# For each folder: the folders of ours that it may include by full path.
# The most specific entry counts.
LIB = "client-lib/"
LAYERS = {
    "common/": ["common/"],
    LIB + "base/": ["common/", LIB + "base/"],
    LIB + "wire/": ["common/", LIB + "wire/"],
    LIB + "stream/": ["common/", LIB + "base/", LIB + "stream/"],
    LIB + "engine/": ["common/", LIB + "base/", LIB + "wire/",
                      LIB + "stream/", LIB + "engine/"],
    LIB + "api/": ["common/", LIB + "base/", LIB + "wire/",
                   LIB + "stream/", LIB + "engine/", LIB + "api/"],
    LIB + "include/": [],
    "proto/": ["common/", "proto/"],
    "daemon/": ["common/", "proto/", "daemon/"],
    "cli/": ["common/", "proto/", "cli/"],
    "tests/": ["common/", LIB, "proto/", "daemon/", "cli/", "tests/"],
}

# Headers that would break a promise of a layer, and the promise.
FORBIDDEN = {
    "common/": [(r"<libnbd\.h>|<grpc|protobuf-c",
                 "common knows neither NBD nor gRPC")],
    LIB + "base/": [(r"<sys/socket\.h>|<poll\.h>", "base does no I/O")],
    LIB + "wire/": [(r"<libnbd\.h>|<sys/socket\.h>|<unistd\.h>|<stdlib\.h>"
                     r"|<poll\.h>", "wire knows no handle, does no I/O and "
                     "allocates nothing")],
    LIB + "stream/": [(r"<libnbd\.h>", "stream knows no NBD")],
    LIB + "engine/": [(r"<poll\.h>|<threads\.h>",
                       "engine never locks and never waits")],
    "proto/": [(r"<libnbd\.h>", "proto is not tied to the library")],
    "cli/": [(r"<libnbd\.h>", "of nbdctl only --direct knows the library")],
    "cli/direct": [],
}

# Words that would break a promise without any header.
FORBIDDEN_WORDS = {
    LIB + "engine/": [(r"\bpthread_\w*(lock|wait)\s*\(|\bSCOPED_LOCK\b",
                       "engine never locks"),
                      (r"\b(clock_gettime|gettimeofday|poll|ppoll|select)\s*\(",
                       "engine never waits and never reads the clock")],
}

LINES_WISHED = 400
LINES_ALLOWED = 500
# Documentation or data rather than code.
LONG_BY_NATURE = {LIB + "include/libnbd.h", LIB + "include/libnbd-ext.h"}

FOLDERS = ["common", "client-lib", "proto", "daemon", "cli", "systemd",
           "tests", "docs"]
# Those that hold code; <systemd/...> is the system's.
CODE_FOLDERS = ["common", "client-lib", "proto", "daemon", "cli", "tests"]
WITH_LICENCE = (".c", ".h", ".py", ".sh", ".proto", ".map", "meson.build",
                "meson_options.txt")
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"


def files(root):
    for folder in FOLDERS:
        for where, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if not f.startswith(".")
                          and f != "__pycache__"
                          and not os.path.exists(
                              os.path.join(where, f, "meson-private"))]
            for name in names:
                yield os.path.relpath(os.path.join(where, name), root)


def rule_of(table, path):
    matching = [prefix for prefix in table if path.startswith(prefix)]
    return table[max(matching, key=len)] if matching else None


def check_includes(path, lines):
    allowed = rule_of(LAYERS, path)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*(["<][^">]*[">])', line)
        if not match:
            continue
        target = match.group(1)
        for pattern, promise in rule_of(FORBIDDEN, path) or []:
            if re.search(pattern, target):
                yield f"{path}:{number}: includes {target}: {promise}"
        ours = target[1:-1].split("/")[0] in CODE_FOLDERS
        if ours and target[0] == "<":
            yield f"{path}:{number}: {target}: ours go in quotes"
        elif target == '"libnbd.h"' or target.endswith('/libnbd.h"'):
            yield f"{path}:{number}: the public header is <libnbd.h>"
        elif ours and allowed is not None and not any(
                target[1:].startswith(prefix) for prefix in allowed):
            yield (f"{path}:{number}: includes {target}, but may include "
                   f"only {', '.join(allowed) or 'nothing of ours'}")


def without_comments(text):
    """The text with comments and strings blanked, lines kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text,
                  flags=re.S)


def check_words(path, text):
    rules = rule_of(FORBIDDEN_WORDS, path)
    if not rules:
        return
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        for pattern, promise in rules:
            match = re.search(pattern, line)
            if match:
                yield f"{path}:{number}: {match.group(0)}: {promise}"


def check_file(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    if path.endswith(WITH_LICENCE):
        first = lines[1] if lines[0].startswith("#!") and len(
            lines) > 1 else lines[0]
        if SPDX not in first:
            yield f"{path}:1: does not begin with the line '{SPDX}'"
    if path.endswith((".c", ".h")):
        yield from check_includes(path, lines)
        yield from check_words(path, text)
        if path.endswith(".h") and "#pragma once" not in text \
                and path not in LONG_BY_NATURE:
            yield f"{path}: a header without #pragma once"
        count = len(lines) - 1
        if path in LONG_BY_NATURE:
            pass
        elif count > LINES_ALLOWED:
            yield (f"{path}: {count} lines, the limit is {LINES_ALLOWED}: "
                   "it owns more than one thing")
        elif count > LINES_WISHED:
            print(f"note: {path}: {count} lines, {LINES_WISHED} is the aim")


def main():
    root = sys.argv[1]
    wrong = []
    n_files = 0
    for path in sorted(files(root)):
        if path.endswith((".c", ".h") + WITH_LICENCE):
            n_files += 1
            wrong += check_file(root, path)
    # An empty walk would mean a wrong root, not a clean tree.
    if n_files < 10:
        wrong.append(f"{root}: only {n_files} files found")
    for line in wrong:
        print(line)
    print(f"{n_files} files, {len(wrong)} complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
