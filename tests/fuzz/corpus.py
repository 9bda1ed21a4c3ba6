#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inputs of a fuzzer as one text file, an input a line, in base64.

    corpus.py unpack FILE DIRECTORY    FILE may be absent
    corpus.py pack DIRECTORY FILE      in order of size
"""

import base64
import hashlib
import os
import sys


def unpack(file, directory):
    if not os.path.exists(file):
        return
    with open(file, encoding="ascii") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            data = base64.b64decode(line, validate=False)
            name = hashlib.sha1(data).hexdigest()
            with open(os.path.join(directory, name), "wb") as out:
                out.write(data)


def pack(directory, file):
    inputs = set()
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as data:
            inputs.add(data.read())
    with open(file, "w", encoding="ascii") as out:
        out.write("# SPDX-License-Identifier: LGPL-2.1-or-later\n")
        for data in sorted(inputs, key=lambda data: (len(data), data)):
            out.write(base64.b64encode(data).decode() + "\n")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](*sys.argv[2:])
