#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An example copies an export whole, over a unix socket and over TCP, and says
# no when there is nobody. Usage: copy.sh PROGRAM WITH-SERVER
set -eu
program=$1
with_server=$2
command -v nbdkit >/dev/null || {
	echo "nbdkit is not installed"
	exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
head -c 5000000 /dev/urandom >"$dir/image"
export program dir

"$with_server" nbdkit file "$dir/image" -- \
	sh -c '"$program" "$uri" "$dir/copy"'
cmp "$dir/image" "$dir/copy"
rm "$dir/copy"
"$with_server" --tcp nbdkit --filter=delay file "$dir/image" rdelay=5ms -- \
	sh -c '"$program" "$uri" "$dir/copy"'
cmp "$dir/image" "$dir/copy"

# Nobody there; a server that cannot read.
! "$program" "nbd+unix:///?socket=$dir/nobody" "$dir/copy"
"$with_server" nbdkit --filter=error file "$dir/image" error-pread-rate=100% \
	-- sh -c '! "$program" "$uri" "$dir/copy"'
