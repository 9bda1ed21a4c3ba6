#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a static analyzer over the C files of some folders, as the build
compiles them, and fails if it finds anything.

Usage: analyze.py gcc|clang-tidy BUILD-DIRECTORY SOURCE-ROOT FOLDER...
"""

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys


def commands(build, source, folders):
    """Each file once, with the arguments it is compiled with."""
    with open(os.path.join(build, "compile_commands.json"),
              encoding="utf-8") as database:
        entries = json.load(database)
    found = {}
    for entry in entries:
        path = os.path.realpath(os.path.join(entry["directory"],
                                             entry["file"]))
        inside = os.path.relpath(path, os.path.realpath(source))
        if inside.split(os.sep)[0] in folders and path.endswith(".c"):
            found.setdefault(path, entry)
    return found


def gcc(build, path, entry):
    del build
    words = shlex.split(entry["command"])
    kept = []
    while words:
        word = words.pop(0)
        if word in ("-o", "-MF", "-MQ"):
            words.pop(0)
        elif word not in ("-MD", "-c"):
            kept.append(word)
    # It forgets who owns what once a pointer is in an array or is that of an
    # embedded member; AddressSanitizer looks for leaks.
    kept += ["-fanalyzer", "-Wno-analyzer-malloc-leak", "-Werror",
             "-c", "-o", "/dev/null"]
    # Where references are counted, it takes each for the last; and of a
    # variable with a cleanup it says that it has no value, where the optimiser
    # has found that it is NULL. Neither is in the library. Sanitizers and
    # clang-tidy look for both.
    if f"{os.sep}client-lib{os.sep}" not in path:
        kept += ["-Wno-analyzer-use-after-free",
                 "-Wno-analyzer-use-of-uninitialized-value"]
    return kept


def clang_tidy(build, path, entry):
    del entry
    return ["clang-tidy", "--quiet", "-p", build, path]


def main():
    tool = {"gcc": gcc, "clang-tidy": clang_tidy}[sys.argv[1]]
    build, source, folders = sys.argv[2], sys.argv[3], sys.argv[4:]
    files = commands(build, source, folders)

    def analyze(item):
        path, entry = item
        return path, subprocess.run(tool(build, path, entry),
                                    cwd=entry["directory"],
                                    capture_output=True, text=True,
                                    check=False)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        for path, done in workers.map(analyze, files.items()):
            if done.returncode != 0:
                failed += 1
                print(f"{os.path.relpath(path, source)}:\n{done.stdout}"
                      f"{done.stderr}")
    print(f"{len(files)} files, findings in {failed}")
    sys.exit(1 if failed or not files else 0)


if __name__ == "__main__":
    main()
