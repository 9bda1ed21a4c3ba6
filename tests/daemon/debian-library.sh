#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon sees the library as any program does: it also runs on the
# distribution's libnbd.so.0. Usage: debian-library.sh NBD-CLIENTD NBDCTL
set -eu

daemon=$1
nbdctl=$2

skip() {
	echo "$1" >&2
	exit 77
}

command -v nbdkit >/dev/null || skip "nbdkit is not installed"
library=$(ldconfig -p | sed -n 's/.*libnbd\.so\.0 .* => //p' | head -n 1)
[ -n "$library" ] || skip "there is no libnbd.so.0 but ours"

work=$(mktemp -d /tmp/nbdtest.XXXXXX)
pid=
cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

version=$(LD_LIBRARY_PATH=$(dirname "$library") "$daemon" --version)
case $version in
*"libnbd 1.24.4"*) skip "the library at $library is of our own version" ;;
esac
echo "$version"

mkfifo "$work/ready"
LD_LIBRARY_PATH=$(dirname "$library") "$daemon" --demo --listen="$work/sock" \
	2>"$work/ready" &
pid=$!
while read -r line; do
	echo "$line"
	case $line in *connected*) break ;; esac
done <"$work/ready"

export NBDCTL_ADDRESS="$work/sock"
"$nbdctl" status | grep -F "$(expr "$version" : '.*(\(.*\))')"
head -c 3000000 /dev/urandom >"$work/in"
"$nbdctl" write demo --offset 1234432 --length 3000000 "$work/in"
"$nbdctl" flush demo
"$nbdctl" read demo --offset 1234432 --length 3000000 "$work/out"
cmp "$work/in" "$work/out"
"$nbdctl" map demo
"$nbdctl" list "nbd+unix:///?socket=$work/volume-demo.sock"
# So does nbdctl without the daemon.
direct() {
	LD_LIBRARY_PATH=$(dirname "$library") "$nbdctl" --direct "$@"
}
uri="nbd+unix:///?socket=$work/volume-demo.sock"
direct info "$uri"
LD_DEBUG=libs direct size "$uri" 2>&1 | grep "calling init: .*$library"
direct map "$uri"
direct read "$uri" --offset 1234432 --length 3000000 "$work/direct"
cmp "$work/in" "$work/direct"

kill -TERM "$pid"
wait "$pid"
pid=
