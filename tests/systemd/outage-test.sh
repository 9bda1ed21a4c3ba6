#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Three servers, and the plug of each is pulled: does every acknowledged write
# survive, and do status, journal, events and metrics tell what happened?
# Arguments: the build directory and meson.
set -u
. "$(dirname "$0")/machine.sh"
. "$(dirname "$0")/operator.sh"
machine_enter "$@"
build=$1
meson=$2
connected=MESSAGE_ID=5c2f1d8e0f6b4a3e9d7c41b0a6e2f813
lost=MESSAGE_ID=a91e64b75d2c4f0c8b3e7f12d0c5a946
replayed=MESSAGE_ID=0b9f6d21c84e4e57b3a0f5d2176c9e48

# server NAME COMMAND: a unit whose socket is the group's.
server() {
	printf '[Service]\nGroup=nbd-clientd\nUMask=0007\nExecStart=%s\n' "$2" \
		>"$machine_root/etc/systemd/system/$1.service"
}

# One in memory, which forgets all when it is killed, and two that keep what the
# kernel has been given.
describe_servers() {
	server memory '/usr/bin/nbdkit --foreground --ipaddr=127.0.0.1 memory 64M'
	server image "/usr/bin/qemu-nbd --persistent --shared=8 \
		--socket=/srv/image.sock --format=qcow2 /srv/image.qcow2"
	server file '/usr/bin/nbd-server -d -C /srv/nbd-server.conf'
	printf '[generic]\nunixsock = %s\nallowlist = true\n[disk]\nexportname = %s\nflush = true\n' \
		/srv/file.sock /srv/file.raw >"$machine_root/srv/nbd-server.conf"
	volume memory Uri=nbd://127.0.0.1/
	volume image 'Uri=nbd+unix:///?socket=/srv/image.sock'
	volume file 'Uri=nbd+unix:///disk?socket=/srv/file.sock'
}

start_servers() {
	machine_run truncate --size=64M /srv/file.raw &&
		machine_run chgrp nbd-clientd /srv/file.raw &&
		machine_run qemu-img create -q -f qcow2 /srv/image.qcow2 64M &&
		machine_run systemctl start memory image file
}

# status_says VOLUME STATE ERROR: patterns of what nbdctl status tells.
status_says() {
	as_alice nbdctl status -o json | python3 -c '
import json, re, sys
name, state, error = sys.argv[1:]
volume, = [v for v in json.load(sys.stdin)["volumes"] if v["name"] == name]
print(volume)
sys.exit(not (re.search(state, volume["state"]) and
              re.search(error, volume["last_error"] or "")))' "$@"
}

# metric_is_positive NAME VOLUME
metric_is_positive() {
	machine_run_as carol nbdctl metrics |
		grep -E "^nbd_clientd_volume_$1\{.*volume=\"$2\".*\} [1-9]"
}

# The daemon's own flush would make less of the test: nothing asks for one.
write_without_flush() {
	as_alice sh -ec 'head -c 1M /dev/urandom >/tmp/'"$1"'
		nbdctl write '"$1"' --offset 12345 /tmp/'"$1"'
		# Over the middle of the first.
		head -c 5000 /dev/urandom >/tmp/more
		nbdctl write '"$1"' --offset 54321 /tmp/more
		dd if=/tmp/more of=/tmp/'"$1"' bs=1 seek=41976 conv=notrunc \
			2>/dev/null'
}

is_intact() {
	as_alice sh -ec 'nbdctl flush '"$1"'
		nbdctl read '"$1"' --offset 12345 --length 1M /tmp/back
		cmp /tmp/'"$1"' /tmp/back'
}

pull_the_plug() {
	machine_run systemctl kill --signal=KILL "$1" &&
		wait_for 20 "it is dead" property_is "$1.service" ActiveState '^failed$' &&
		machine_run rm -f "/srv/$1.sock" &&
		machine_run systemctl reset-failed "$1"
}

# outage VOLUME OTHERS ENDPOINT
outage() {
	local volume=$1 others=$2 endpoint=$3 reader
	check "$volume: a write is acknowledged" write_without_flush "$volume"
	check "$volume: its server is killed" pull_the_plug "$volume"
	check "$volume: health says no" \
		wait_for 20 "it does" exits_with 2 . as_alice nbdctl health "$volume"
	check "$volume: the status says which server is missed, and why" \
		wait_for 20 "it does" \
		status_says "$volume" '^(recovering|connecting)$' "$endpoint"
	for other in $others; do
		check "$volume: meanwhile $other serves" round_trip "$other"
		check "$volume: and $other is well" \
			as_alice nbdctl health "$other"
	done
	as_alice nbdctl read "$volume" --offset 12345 --length 1M /tmp/waited &
	reader=$!
	check "$volume: a read waits" \
		wait_for 20 "it does" metric_is_positive requests_waiting "$volume"
	check "$volume: its server comes back" machine_run systemctl start "$volume"
	wait $reader
	check "$volume: the read is answered" test $? -eq 0
	check "$volume: with what was written" \
		as_alice cmp "/tmp/$volume" /tmp/waited
	check "$volume: after a flush all is there" is_intact "$volume"
	check "$volume: the status says that it is well" \
		status_says "$volume" '^ready$' ''
	check "$volume: the journal tells of the loss" \
		journal_has $lost NBD_VOLUME="^$volume\$" NBD_ENDPOINT="$endpoint" \
		PRIORITY='^4$'
	check "$volume: and of the writes that were carried out again" \
		journal_has $replayed NBD_VOLUME="^$volume\$"
	check "$volume: and of the new connection" \
		journal_has $connected NBD_VOLUME="^$volume\$" NBD_ENDPOINT="$endpoint"
	check "$volume: so do the events" exits_with 0 \
		"lost.*$volume" machine_run_as carol nbdctl daemon events --once
	check "$volume: it is counted" metric_is_positive reconnects_total "$volume"
	check "$volume: so are those writes" \
		metric_is_positive replayed_writes_total "$volume"
}

machine_root_mount
install_build || give_up "the build installs"
machine_boot || give_up "the container boots"
settle_in || give_up "users and directories are made"
add_people || give_up "people are there"
describe_servers
machine_run systemctl daemon-reload
start_servers || give_up "the servers are there"
check "the service starts" machine_run systemctl start nbd-clientd
for volume in memory image file; do
	check "$volume: is ready" as_alice nbdctl volume wait "$volume"
done

outage memory 'image file' 'nbd://127.0.0.1'
outage image 'memory file' '/srv/image.sock'
outage file 'memory image' '/srv/file.sock'
tell_the_end
