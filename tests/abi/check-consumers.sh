#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs compiled against another libnbd run on ours and print the same.
# Usage: check-consumers.sh LIBRARY WITH-SERVER
set -eu
library=$1
with_server=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
PATH=/usr/bin:/bin:$PATH
export PATH

# The sanitizers' run-time must come first; the leaks of others are theirs.
sanitizer=$(ldd "$library" | awk '/lib[at]san/ { print $3; exit }')
# Runs a command on our library.
ours() {
	LD_LIBRARY_PATH=$(dirname "$library") LD_PRELOAD=$sanitizer \
		ASAN_OPTIONS=detect_leaks=0 "$@"
}

need() {
	command -v "$1" >/dev/null || {
		echo "$1 is not installed"
		exit 77
	}
}
need nbdinfo
need nbdcopy
need nbdsh

truncate -s 8M "$dir/image"
printf 'begin' | dd of="$dir/image" conv=notrunc status=none
printf 'middle' | dd of="$dir/image" bs=1M seek=5 conv=notrunc status=none
image=$dir/image

# Is it our library at all?
version=$(ours nbdsh -c 'print(h.get_version())')
if [ "$version" != 1.24.4 ]; then
	echo "nbdsh runs on libnbd $version"
	exit 1
fi

# Everything there is to see, with what the arguments run a program on.
look() {
	"$@" nbdinfo "$uri"
	"$@" nbdinfo --json "$uri"
	"$@" nbdinfo --map "$uri"
	"$@" nbdinfo --list --content "$uri"
	"$@" nbdinfo --size "$uri"
	"$@" nbdinfo --can multi-conn "$uri"
	"$@" nbdsh --uri "$uri" -c 'print(h.pread(6, 5 * 1024 * 1024))' \
		-c 'print(h.get_protocol(), h.can_trim(), h.get_uri())'
	"$@" nbdsh --opt-mode --uri "$uri" \
		-c 'h.opt_list(lambda name, text: print(name, text))' \
		-c 'h.opt_info(); print(h.get_size()); h.opt_abort()'
}

check() {
	# meson sets the path for everybody.
	look env -u LD_LIBRARY_PATH >"$dir/theirs"
	look ours >"$dir/ours"
	diff -u "$dir/theirs" "$dir/ours"
	ours nbdcopy "$uri" "$dir/copy"
	cmp "$image" "$dir/copy"
	rm "$dir/copy"
	ours nbdcopy --connections=4 --requests=8 "$uri" "$dir/copy"
	cmp "$image" "$dir/copy"
	ours nbdcopy --synchronous "$dir/copy" "$uri"
	ours nbdcopy "$uri" null:
}

# Called again beside the server. There is one for both libraries, so that
# even the URIs are the same.
if [ "${CHECK_URI-}" ]; then
	uri=$CHECK_URI
	image=$CHECK_IMAGE
	check
	exit
fi
"$with_server" nbdkit file "$image" -- \
	env CHECK_IMAGE="$image" sh -c 'CHECK_URI=$uri exec "$@"' \
	sh "$0" "$library" "$with_server"
ours nbdcopy -- [ nbdkit pattern 4M ] [ nbdkit memory 4M ]
