#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Is every C file as clang-format would write it? Usage: check-format.sh
# CLANG-FORMAT SOURCE-ROOT. "ninja format" puts it right.
set -eu
clang_format=$1
cd "$2"
find common client-lib proto daemon cli tests -name '*.[ch]' -print |
	xargs "$clang_format" --dry-run --Werror
