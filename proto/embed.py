#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the bytes of a file as a C array and its size.

Usage: embed.py FILE NAME OUTPUT
"""

import sys

PER_LINE = 12


def main(path, name, output):
    with open(path, "rb") as source:
        content = source.read()
    lines = [", ".join(str(byte) for byte in content[at:at + PER_LINE])
             for at in range(0, len(content), PER_LINE)]
    with open(output, "w", encoding="ascii") as out:
        out.write("#include <stddef.h>\n"
                  f"extern const unsigned char {name}[];\n"
                  f"extern const size_t {name}_size;\n"
                  f"const unsigned char {name}[] = {{\n\t"
                  + ",\n\t".join(lines)
                  + "\n};\n"
                  f"const size_t {name}_size = sizeof({name});\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
