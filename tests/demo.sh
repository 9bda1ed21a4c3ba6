#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The README's demonstration: builds the tree, starts the daemon with its RAM
# disk volume on a private socket, and does the main job with nbdctl. Leaves
# nothing behind but the build directory; fails if any step does.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

sh tests/support/install-packages
echo "Building"
work=$(mktemp -d)
daemon=
server=
clean_up() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	wait
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

build() {
	[ -f build/build.ninja ] || meson setup build
	meson compile -C build
}
build >"$work/build.log" 2>&1 </dev/null || {
	tail -n 80 "$work/build.log"
	echo "the build failed" >&2
	exit 1
}
export PATH="$PWD/build/cli:$PWD/build/daemon:$PATH"
export NBDCTL_ADDRESS=$work/nbd-clientd.sock
cd "$work"

# Shows a command, then runs it.
show() {
	printf '\n$ %s\n' "$*"
	"$@"
}

wait_until() {
	local tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ]; then
			echo "gave up waiting for: $*" >&2
			cat "$work"/*.log >&2
			exit 1
		fi
		sleep 0.05
	done
}

printf '\n$ nbd-clientd --demo --listen=%s &\n' "$NBDCTL_ADDRESS"
nbd-clientd --demo --listen="$NBDCTL_ADDRESS" 2>daemon.log &
daemon=$!
wait_until nbdctl ping

head -c 1000000 /dev/urandom >there
show nbdctl write demo --offset 1048576 --length 1000000 there
show nbdctl read demo --offset 1048576 --length 1000000 back
show cmp there back
echo "identical: $(sha256sum <back | cut -c 1-64)"
show nbdctl map demo

printf '\n$ qemu-nbd --socket=%s --export-name=holiday ...\n' "$work/server.sock"
truncate -s 64M disk.img
qemu-nbd --persistent --shared=0 --format=raw --socket="$work/server.sock" \
	--export-name=holiday --description='pictures of the sea' disk.img &
server=$!
wait_until test -S "$work/server.sock"
show nbdctl list "nbd+unix:///?socket=$work/server.sock"

show nbdctl status

printf '\n$ kill %s    # the daemon finishes what it has begun and leaves\n' \
	"$daemon"
kill "$daemon"
wait "$daemon" || {
	echo "the daemon left with status $?" >&2
	cat daemon.log >&2
	daemon=
	exit 1
}
daemon=
echo
echo "The demonstration is complete."
