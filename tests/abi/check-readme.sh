#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The shortest program of the README compiles and prints the first sector of
# a real server's disk. Usage: check-readme.sh SOURCE-ROOT LIBRARY WITH-SERVER
# COMPILER...
set -eu
root=$1
library=$2
with_server=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

awk '/^```c$/ { on = 1; next } /^```/ && on { exit } on' \
	"$root/README.md" >"$dir/first.c"
"$@" -Wall -Wextra -Werror -I "$root/client-lib/include" \
	-o "$dir/first" "$dir/first.c" "$library" \
	-Wl,-rpath,"$(dirname "$library")"

"$with_server" nbdkit data 'data="first sector"' size=1M -- \
	sh -c '"$1" "$uri"' sh "$dir/first" >"$dir/sector"
printf 'first sector' >"$dir/expected"
truncate -s 512 "$dir/expected"
cmp "$dir/expected" "$dir/sector"

# And it says what is wrong.
if "$dir/first" nbd+unix:///?socket=/no/such/socket 2>"$dir/error"; then
	echo "connecting to nothing succeeded"
	exit 1
fi
grep -q 'nbd_connect_uri: .*No such file or directory' "$dir/error"
