#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the built library export what is recorded, under the recorded
versions, and nothing else? Usage: check-library.py LIBRARY"""

import re
import subprocess
import sys

import records

wrong = []


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def exported(library):
    """name -> version of every defined dynamic symbol."""
    symbols = {}
    for line in readelf("--dyn-syms", library).splitlines():
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit():
            continue
        section, name = fields[6], fields[7]
        if section == "UND":
            continue
        name, _, version = name.partition("@@")
        symbols[name] = (version or None, fields[3], section)
    return symbols


def check_symbols(library):
    symbols = exported(library)
    recorded = {f["name"]: f["version"]
                for f in records.functions() + records.ext_functions()}
    for name, version in recorded.items():
        if name not in symbols:
            wrong.append(f"{name} is not exported")
        elif symbols[name][0] != version:
            wrong.append(f"{name} has version {symbols[name][0]}, "
                         f"recorded is {version}")
        elif symbols[name][1] != "FUNC":
            wrong.append(f"{name} is no function")
    for name, (_, _, section) in symbols.items():
        if name in records.NODES + records.EXT_NODES:
            if section != "ABS":
                wrong.append(f"{name} is no absolute symbol")
        elif name not in recorded:
            wrong.append(f"{name} is exported and not recorded")
    for node in records.NODES + records.EXT_NODES:
        if node not in symbols:
            wrong.append(f"the version node {node} is missing")
    return len(recorded)


def check_chain(library):
    """Each version node names the one before as its parent."""
    parents = {}
    node = None
    for line in readelf("-V", library).splitlines():
        match = re.search(r"Flags: \S+\s+Index: \d+\s+Cnt: \d+\s+Name: (\S+)",
                          line)
        if match:
            node = match.group(1)
            parents[node] = None
        match = re.search(r"Parent \d+: (\S+)", line)
        if match and node:
            parents[node] = match.group(1)
    before = None
    for node in records.NODES:
        if node not in parents:
            wrong.append(f"{node} is not defined")
        elif parents[node] != before:
            wrong.append(f"{node} has parent {parents[node]}, "
                         f"recorded is {before}")
        before = node
    for node in records.EXT_NODES:
        if parents.get(node, "not defined") is not None:
            wrong.append(f"{node}: the parent is {parents.get(node)}")


def check_dynamic(library):
    dynamic = readelf("-d", library)
    if "[libnbd.so.0]" not in dynamic:
        wrong.append("the SONAME is not libnbd.so.0")
    if not re.search(r"FLAGS_1.*NODELETE", dynamic):
        wrong.append("the library can be unloaded (no NODELETE)")
    if "TEXTREL" in dynamic:
        wrong.append("the library has text relocations")


n = check_symbols(sys.argv[1])
check_chain(sys.argv[1])
check_dynamic(sys.argv[1])
for line in wrong:
    print(line)
print(f"{n} functions recorded, {len(wrong)} complaints")
sys.exit(1 if wrong else 0)
