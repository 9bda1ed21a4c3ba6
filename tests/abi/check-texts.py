#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the version script and the manual name every recorded function, and no
other? Usage: check-texts.py LIBNBD.MAP LIBNBD.3"""

import re
import sys

import records

wrong = []
recorded = {f["name"]: f["version"] for f in records.functions()}
ext_recorded = {f["name"]: f["version"] for f in records.ext_functions()}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def check_map(path):
    text = re.sub(r"#.*", "", read(path))
    mapped = {}
    before = None
    nodes = []
    for node, body, parent in re.findall(
            r"(LIBNBD_[\d.]+)\s*{([^}]*)}\s*(LIBNBD_[\d.]+)?\s*;", text):
        nodes.append(node)
        if (parent or None) != before:
            wrong.append(f"{path}: {node} follows {parent or 'nothing'}, "
                         f"not {before}")
        before = node
        for name in re.findall(r"\b(nbd_\w+)\s*;", body):
            if name in mapped:
                wrong.append(f"{path}: {name} stands twice")
            mapped[name] = node
    if nodes != records.NODES:
        wrong.append(f"{path}: the nodes are {nodes}")
    for node, body in re.findall(r"(LIBNBD_EXT_[\d.]+)\s*{([^}]*)}\s*;", text):
        mapped.update((name, node)
                      for name in re.findall(r"\b(nbd_\w+)\s*;", body))
    expected = {**recorded, **ext_recorded}
    for name in sorted(expected.keys() | mapped.keys()):
        if expected.get(name) != mapped.get(name):
            wrong.append(f"{path}: {name} is in {mapped.get(name)}, "
                         f"recorded is {expected.get(name)}")


def check_manual(path):
    # References are to pages, whose names need not be functions'.
    text = re.sub(r"^\.Xr .*", "", read(path), flags=re.M)
    named = set(re.findall(r"\bnbd_[a-z0-9_]*[a-z0-9]\b", text))
    named = {name for name in named if not re.fullmatch(
        r"nbd_(chunk|completion|context|debug|extent|extent64|list)_callback"
        r"|nbd_extent|nbd_handle", name)}
    for name in sorted(recorded.keys() - named):
        wrong.append(f"{path}: does not mention {name}")
    for name in sorted(named - recorded.keys()):
        wrong.append(f"{path}: mentions {name}, which does not exist")


check_map(sys.argv[1])
check_manual(sys.argv[2])
for line in wrong:
    print(line)
sys.exit(1 if wrong else 0)
