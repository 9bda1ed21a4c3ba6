#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the daemon says of its configuration and its command line without
# starting. Usage: check-config.sh NBD-CLIENTD KEYS.H
# MANUAL
set -eu

daemon=$1
work=$(mktemp -d /tmp/nbdtest.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/volumes.d"

# expect STATUS TEXT ARGS...: the exit status, and a text in the output.
expect() {
	wanted=$1 text=$2 status=0
	shift 2
	"$daemon" "$@" >"$work/said" 2>&1 || status=$?
	if [ "$status" -ne "$wanted" ] || ! grep -qF -e "$text" "$work/said"; then
		echo "nbd-clientd $*: exit status $status, expected $wanted" \
			"and '$text'; it said:"
		cat "$work/said"
		exit 1
	fi
}

conf=$work/nbd-clientd.conf
echo '[Daemon]' >"$conf"
expect 0 "The configuration is good: 0 volumes." --check-config --config="$conf"

printf '[Volume]\nUri=nbd://server/disk\nInFlight=0\n' >"$work/volumes.d/a.conf"
printf '[Daemon]\nIoThreads=many\n' >"$conf"
expect 1 "$conf:2: IoThreads=many: not a whole number from 1 to 64" \
	--check-config --config="$conf"
# Both mistakes are told at once.
expect 1 "$work/volumes.d/a.conf:3: InFlight=0: not a whole number from 1 to" \
	--check-config --config="$conf"
# Nor does it start with them.
expect 1 "$conf:2: IoThreads=many" --config="$conf" --listen="$work/sock"
[ ! -e "$work/sock" ]

expect 1 "$work/none.conf: cannot read it: No such file or directory" \
	--check-config --config="$work/none.conf"
# Each value is shown with where it comes from.
printf '[Daemon]\nIoThreads=3\nMaxClients=7\n' >"$conf"
mkdir "$work/conf.d"
printf '[Daemon]\n\nMaxClients=9\n' >"$work/conf.d/later.conf"
printf '[Volume]\nUri=nbd://a/\nUri=nbd://b/\n' >"$work/volumes.d/a.conf"
shown() {
	"$daemon" --config="$conf" --show-config="$1" | tr -s ' ' >"$work/shown"
	shift
	for line; do
		grep -qxF "$line" "$work/shown" || {
			echo "not shown: $line"
			cat "$work/shown"
			exit 1
		}
	done
}
shown all "IoThreads=3 # $conf:2" "MaxClients=9 # $work/conf.d/later.conf:3" \
	"DrainTimeout=10s # default" "Uri=nbd://a/ # $work/volumes.d/a.conf:2" \
	"Uri=nbd://b/ # $work/volumes.d/a.conf:3" "InFlight=64 # default"
! grep -q MaxClients=7 "$work/shown" || exit 1
shown set "IoThreads=3 # $conf:2"
! grep -q default "$work/shown" || exit 1
shown default "IoThreads=2 # default" "InFlight=64 # default"
rm -r "$work/conf.d"

# What LoadCredential= names.
printf '[Volume]\nUri=nbds://a/\nTlsPskFile=%%d/keys\n' \
	>"$work/volumes.d/a.conf"
expect 1 "a.conf:3: TlsPskFile=%d/keys: %d stands for" \
	--check-config --config="$conf"
CREDENTIALS_DIRECTORY=$work
export CREDENTIALS_DIRECTORY
expect 0 "The configuration is good: 1 volumes." --check-config --config="$conf"
unset CREDENTIALS_DIRECTORY

# The manual tells of every key.
keys=$(sed -n 's/^[[:space:]]*X(\([A-Za-z]*\),.*/\1/p' "$2")
[ "$(echo "$keys" | wc -l)" -gt 20 ]
for key in $keys; do
	grep -q "^\.B.*[ ]$key=" "$3" || {
		echo "$3 does not tell of $key="
		exit 1
	}
done

expect 0 "nbd-clientd " --version
expect 0 "--check-config" --help
expect 2 "unexpected argument 'start'" start
expect 2 "--log-level=loud: not one of error, warning" --log-level=loud
expect 2 "Try 'nbd-clientd --help'" --nonsense
