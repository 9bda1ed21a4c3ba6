#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes an archive of one object, in which only the functions of the public
# headers can be seen: a program that is linked with it may have a fail() or a
# dead() of its own. Usage: make-archive.sh LD OBJCOPY AR INPUT OUTPUT
set -eu
ld=$1
objcopy=$2
ar=$3
input=$4
output=$5

trap 'rm -f "$output.o"' EXIT
"$ld" -r --whole-archive "$input" -o "$output.o"
# All else was compiled with hidden visibility.
"$objcopy" --localize-hidden "$output.o"
rm -f "$output"
"$ar" rcs "$output" "$output.o"
