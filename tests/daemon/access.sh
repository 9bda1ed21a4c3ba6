#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may do what, as another user sees it. Usage: access.sh NBD-CLIENTD NBDCTL
set -eu

daemon=$1
nbdctl=$2
user=nobody

skip() {
	echo "$1" >&2
	exit 77
}

[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
command -v setpriv >/dev/null || skip "setpriv is not installed"
command -v nbdkit >/dev/null || skip "nbdkit is not installed"

work=$(mktemp -d /tmp/nbdtest.XXXXXX)
pid=
cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
chmod 755 "$work"
mkdir "$work/volumes.d"
# Where the other user can run it, whoever owns the build.
cp "$nbdctl" "$work/nbdctl"
library=$(ldd "$nbdctl" | sed -n 's/.*libnbd\.so\.0 => \([^ ]*\).*/\1/p')
[ -z "$library" ] || cp -L "$library" "$work/libnbd.so.0"

volume() {
	printf '[Volume]\nUri=nbd+unix:///?socket=%s\n%s\n' "$work/nbd.sock" "$2" \
		>"$work/volumes.d/$1.conf"
}
volume open ''
volume closed 'AllowUsers=0'
volume locked "ReadOnlyUsers=$user"
printf '[Daemon]\nListen=%s\nMaxClientsPerUser=2\n' "$work/sock" >"$work/nbd-clientd.conf"

mkfifo "$work/log"
nbdkit --foreground --unix "$work/nbd.sock" --exit-with-parent memory 1M &
"$daemon" --config="$work/nbd-clientd.conf" 2>"$work/log" &
pid=$!
exec 3<"$work/log"
while read -r line <&3; do
	echo "$line"
	case $line in *serving*) break ;; esac
done
chmod 666 "$work/sock"

export NBDCTL_ADDRESS="$work/sock"
as_other() {
	LD_LIBRARY_PATH=$work \
		setpriv --reuid="$user" --clear-groups "$work/nbdctl" "$@"
}
# expect STATUS ARGS...: nbdctl as the other user.
expect() {
	wanted=$1 status=0
	shift
	as_other "$@" >"$work/said" 2>&1 || status=$?
	[ "$status" -eq "$wanted" ] && return 0
	echo "nbdctl $*: exit status $status, expected $wanted; it said:"
	cat "$work/said"
	exit 1
}

head -c 512 /dev/zero >"$work/zeroes"
chmod 644 "$work/zeroes"

expect 0 read open --offset 0 --length 512 -
expect 0 write open --offset 0 --length 512 "$work/zeroes"
# What one may not use is not there.
expect 4 read closed --offset 0 --length 512 -
expect 0 volume ls
! grep -q closed "$work/said" || exit 1
expect 0 read locked --offset 0 --length 512 -
expect 6 write locked --offset 0 --length 512 "$work/zeroes"
expect 6 trim locked --offset 0 --length 512
# Nor may this user name servers, reload or drain.
expect 6 info nbd://localhost
expect 6 list "nbd+unix:///?socket=$work/nbd.sock"
expect 6 daemon reload
expect 6 -y daemon drain
# Two connections are all that this user may have; others have theirs.
uid=$(id -u "$user")
hold() {
	mkfifo "$work/hold$1"
	as_other copy - open <"$work/hold$1" >/dev/null 2>&1 &
	eval "exec $1>\"$work/hold$1\""
	until [ "$("$nbdctl" client ls -o value --columns uid |
		grep -cx "$uid")" -eq "$2" ]; do
		sleep 0.02
	done
}
hold 4 1
hold 5 2
expect 13 ping
grep -q MaxClientsPerUser "$work/said"
"$nbdctl" ping
exec 4>&- 5>&-
until as_other ping >"$work/said" 2>&1; do sleep 0.02; done

"$nbdctl" write closed --offset 0 --length 512 "$work/zeroes"
"$nbdctl" daemon reload

kill -TERM "$pid"
cat <&3
wait "$pid"
pid=
