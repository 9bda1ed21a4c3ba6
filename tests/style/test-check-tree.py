#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does check-tree.py see what it is there to see? Plants one mistake at a
time in a copy of a few lines of tree and expects a complaint about it."""

import os
import subprocess
import sys
import tempfile

CHECK = sys.argv[1]
C = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"

# What is planted where, and a piece of the complaint; None: it is allowed.
CASES = [
    ("common/a.c", C + '#include "client-lib/base/error.h"\n', "common/a.c:2"),
    ("client-lib/wire/a.c", C + '#include "client-lib/engine/handle.h"\n',
     "may include only"),
    ("client-lib/wire/a.c", C + "#include <libnbd.h>\n", "knows no handle"),
    ("client-lib/stream/a.c", C + '#include "client-lib/wire/reader.h"\n',
     "may include only"),
    ("client-lib/engine/a.c", C + '#include "client-lib/api/guard.h"\n',
     "may include only"),
    ("client-lib/engine/a.c", C + "int a(void)\n{\n\treturn poll(0, 0, 0);\n}\n",
     "never waits"),
    ("client-lib/engine/a.c", C + "pthread_mutex_lock(l);\n", "never locks"),
    ("client-lib/engine/a.c", C + "/* calls poll() */\n", None),
    ("client-lib/api/a.c", C + '#include "client-lib/engine/handle.h"\n', None),
    ("daemon/a.c", C + '#include "client-lib/engine/handle.h"\n',
     "may include only"),
    ("daemon/a.c", C + "#include <libnbd.h>\n", None),
    ("daemon/a.c", C + "#include <systemd/sd-daemon.h>\n", None),
    ("daemon/a.c", C + "#include <proto/codec.h>\n", "in quotes"),
    ("daemon/a.c", C + '#include "client-lib/include/libnbd.h"\n',
     "<libnbd.h>"),
    ("cli/a.c", C + "#include <libnbd.h>\n", "nbdctl"),
    ("cli/a.c", "int a;\n", "SPDX"),
    ("cli/a.h", C + "int a;\n", "#pragma once"),
    ("cli/a.c", C + "\n" * 600, "the limit"),
]


def run(path, text):
    with tempfile.TemporaryDirectory() as root:
        for n in range(10):
            os.makedirs(os.path.join(root, "docs"), exist_ok=True)
            with open(os.path.join(root, f"docs/{n}.c"), "w") as file:
                file.write(C)
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as file:
            file.write(text)
        done = subprocess.run([sys.executable, CHECK, root], text=True,
                              stdout=subprocess.PIPE, check=False)
        return done.returncode, done.stdout


failed = 0
for path, text, expected in CASES:
    status, output = run(path, text)
    good = (status == 0) if expected is None else (
        status == 1 and expected in output)
    if not good:
        failed += 1
        print(f"{path}: {text[len(C):][:60]!r}: expected {expected!r}, "
              f"got status {status}:\n{output}")
sys.exit(1 if failed else 0)
