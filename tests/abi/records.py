# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recorded interface: which functions, constants and types programs that
were built against libnbd 1.24.4 count on. The files beside this one only
grow."""

import csv
import os

HERE = os.path.dirname(os.path.abspath(__file__))

# The version nodes, each chained to the one before.
NODES = ["LIBNBD_1.0", "LIBNBD_1.2", "LIBNBD_1.4", "LIBNBD_1.6", "LIBNBD_1.8",
         "LIBNBD_1.12", "LIBNBD_1.16", "LIBNBD_1.18", "LIBNBD_1.22",
         "LIBNBD_1.24"]

# Those of our additions, <libnbd-ext.h>, which follow nothing.
EXT_NODES = ["LIBNBD_EXT_1.0"]


def table(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t",
                                   quoting=csv.QUOTE_NONE))


def functions():
    return table("functions.tsv")


def ext_functions():
    return table("ext-functions.tsv")


def constants():
    return table("constants.tsv")


def types():
    return table("types.tsv")
