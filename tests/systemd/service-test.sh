#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# nbd-clientd as a service of a real systemd: installs the build in a container
# and does there what an operator and two users would. Arguments: the build
# directory and meson.
set -u
. "$(dirname "$0")/machine.sh"
. "$(dirname "$0")/operator.sh"
machine_enter "$@"
build=$1
meson=$2

# NBD servers in the container, on TCP, on a unix socket of the group, and with
# TLS.
start_servers() {
	machine_run mkdir -m 0755 /run/store &&
		machine_run systemd-run --quiet --unit=store-tcp \
			nbdkit --foreground --ipaddr=127.0.0.1 --port=10809 memory 64M &&
		wait_for 10 "the server listens" machine_run bash -c \
			': </dev/tcp/127.0.0.1/10809' &&
		start_unix_server && start_tls_server
}

start_unix_server() {
	machine_run sh -c 'systemctl reset-failed store-unix 2>/dev/null || :'
	machine_run systemd-run --quiet --unit=store-unix \
		nbdkit --foreground --unix=/run/store/sock memory 16M &&
		wait_for 10 "the server listens" \
			machine_run test -S /run/store/sock &&
		machine_run chgrp nbd-clientd /run/store/sock &&
		machine_run chmod 0660 /run/store/sock
}

# It wants to see a key that only root can read.
start_tls_server() {
	machine_run sh -ec 'umask 077
		echo alice:00112233445566778899aabbccddeeff >/run/store/psk'
	machine_run systemd-run --quiet --unit=store-tls nbdkit --foreground \
		--ipaddr=127.0.0.1 --port=10810 --tls=require \
		--tls-psk=/run/store/psk memory 16M
	wait_for 10 "the server listens" \
		machine_run bash -c ': </dev/tcp/127.0.0.1/10810'
}

uses_our_library() {
	# nbdctl loads it where it needs it.
	machine_run sh -ec '
		ldconfig -p | grep libnbd.so.0
		ldd $(command -v nbd-clientd) | grep /usr/local/.*libnbd.so.0
		LD_DEBUG=libs nbdctl --direct size nbd://127.0.0.1/ 2>&1 |
			grep "calling init: /usr/local/.*libnbd.so.0"'
}

service_and_socket_are_sound() {
	machine_run systemd-analyze verify --man=no \
		nbd-clientd.service nbd-clientd.socket
}

is_well_confined() {
	machine_run systemd-analyze security --no-pager --threshold=15 \
		nbd-clientd.service | tail -n 1
	return "${PIPESTATUS[0]}"
}

# systemd has been told that it lives, since it was started.
watchdog_was_fed() {
	property_is nbd-clientd.service WatchdogTimestampMonotonic '[1-9]' &&
		[ "$(machine_run systemctl show --value \
			-p WatchdogTimestampMonotonic nbd-clientd)" -gt \
			"$(machine_run systemctl show --value \
			-p ActiveEnterTimestampMonotonic nbd-clientd)" ]
}

# With less patience than the unit has, so that the test need not wait long.
be_impatient() {
	local overrides=$machine_root/etc/systemd/system/nbd-clientd.service.d
	mkdir -p "$overrides" &&
		printf '[Service]\nWatchdogSec=2\n' >"$overrides/impatient.conf" &&
		machine_run systemctl daemon-reload &&
		machine_run systemctl restart nbd-clientd.service
}

restarts_when_it_hangs() {
	local pid
	pid=$(machine_run systemctl show -p MainPID --value nbd-clientd)
	# Zero would be the process group that asks.
	[ "$pid" -gt 0 ] || return 1
	machine_run kill -STOP "$pid"
	wait_for 150 "the watchdog has restarted it" \
		property_is nbd-clientd.service NRestarts '^1$' &&
		wait_for 20 "it is active again" \
			machine_run systemctl is-active nbd-clientd
}

# A daemon without a socket unit: its own socket is in systemd's store.
start_alone() {
	machine_run sh -ec '
		mkdir -p /etc/alone/volumes.d
		echo "[Daemon]\nListen=/run/alone.sock" >/etc/alone/alone.conf
		echo "[Volume]\nUri=nbd://127.0.0.1/" >/etc/alone/volumes.d/tcp.conf'
	machine_run systemd-run --quiet --unit=alone --property=Type=notify \
		--property=FileDescriptorStoreMax=4 \
		nbd-clientd --config=/etc/alone/alone.conf &&
		property_is alone.service NFileDescriptorStore '^1$'
}

# No socket is left behind where nobody listens.
stop_alone() {
	machine_run systemctl stop alone.service &&
		machine_run test ! -e /run/alone.sock
}

# The key is root's; systemd hands it to the service, and to nobody else.
use_credentials() {
	local overrides=$machine_root/etc/systemd/system/nbd-clientd.service.d
	mkdir -p "$overrides" &&
		printf '[Service]\nLoadCredential=keys:/run/store/psk\n' \
			>"$overrides/credentials.conf" &&
		machine_run systemctl daemon-reload &&
		volume secret 'Uri=nbds://alice@127.0.0.1:10810/
TlsPskFile=%d/keys' &&
		machine_run systemctl restart nbd-clientd.service &&
		as_alice nbdctl volume wait secret &&
		! as_alice cat /run/credentials/nbd-clientd.service/keys
}

# Every request is slow that takes longer than no time at all.
slow_request_is_found() {
	volume slow 'Uri=nbd://127.0.0.1/
SlowRequest=1us' &&
		machine_run systemctl reload nbd-clientd &&
		wait_for 10 "the volume is there" \
			as_alice nbdctl volume wait slow &&
		round_trip slow &&
		machine_run journalctl -u nbd-clientd -o json NBD_VOLUME=slow |
		grep -E '"NBD_REQUEST":"[1-9]'
}

# The server is killed, and comes back.
loss_is_found() {
	machine_run systemctl kill --signal=KILL store-unix.service &&
		wait_for 10 "the loss is in the journal" \
			journal_has MESSAGE_ID=a91e64b75d2c4f0c8b3e7f12d0c5a946 \
			NBD_VOLUME='^unix$' NBD_ENDPOINT='/run/store/sock' \
			NBD_CONNECTION='^[1-9][0-9]*$' PRIORITY='^4$' &&
		machine_run rm -f /run/store/sock && start_unix_server &&
		round_trip unix
}

# The client of the soak works on a channel, and knows what each byte must be.
channel_goes_on_through_restarts() {
	local client status
	cp "$build/tests/soak/soak-client" "$machine_root/usr/local/bin/"
	as_alice sh -c 'echo $$ >/tmp/pid
		exec soak-client /run/nbd-clientd/nbd-clientd.sock tcp \
			33554432 12000000 1 300 channel >/tmp/worked 2>&1' \
		</dev/null &
	client=$!
	for n in 1 2; do
		wait_for 20 "it works" machine_run sh -c \
			'[ $(grep -c ^at /tmp/worked) -ge '$n' ]' &&
			machine_run systemctl restart nbd-clientd || return 1
	done
	machine_run sh -c 'kill $(cat /tmp/pid)'
	wait $client
	status=$?
	machine_run cat /tmp/worked
	return $status
}

# copy_goes_on_through_restarts SERVICE [OPTION]: Alice copies and verifies,
# slowly, while the service is restarted twice.
copy_goes_on_through_restarts() {
	local copy service=$1
	shift
	machine_run_as alice sh -ec 'head -c 24M /dev/urandom >/tmp/image
		rm -f /tmp/progress'
	as_alice sh -c 'exec nbdctl copy /tmp/image tcp --rate=4M --verify \
		--progress=json "$@" 2>/tmp/progress' - "$@" &
	copy=$!
	for done in 1 2; do
		wait_for 20 "the copy has begun" machine_run \
			grep -Eq "\"done\":[$done-9][0-9]{6}" /tmp/progress &&
			machine_run systemctl restart "$service" || return 1
	done
	wait $copy || { machine_run tail -n 3 /tmp/progress; return 1; }
	as_alice sh -ec 'nbdctl read tcp --offset 0 --length 24M /tmp/back
		cmp /tmp/image /tmp/back
		rm /tmp/image /tmp/back'
}

# A server that is slow to read, and forgets when it is restarted. Argument: how
# much it serves.
start_odd_server() {
	machine_run systemd-run --quiet --collect --unit=store-odd \
		--property=KillSignal=SIGKILL nbdkit --foreground \
		--ipaddr=127.0.0.1 --port=10811 --filter=delay memory "$1" \
		delay-read=200ms
}

serve_odd_volume() {
	start_odd_server 1M && wait_for 10 "the server listens" \
		machine_run bash -c ': </dev/tcp/127.0.0.1/10811' &&
		volume odd 'Uri=nbd://127.0.0.1:10811/
SlowRequest=50ms' &&
		machine_run systemctl reload nbd-clientd &&
		as_alice nbdctl volume wait odd
}

# What is acknowledged, and no flush covers it, when the server forgets.
odd_server_forgets() {
	as_alice sh -c 'head -c 512 /dev/urandom | nbdctl write odd' &&
		machine_run systemctl restart store-odd.service
}

odd_server_shrinks() {
	machine_run systemctl stop store-odd.service && start_odd_server 512K
}

odd_volume_goes() {
	rm "$machine_root/etc/nbd-clientd/volumes.d/odd.conf"
	machine_run systemctl reload nbd-clientd &&
		machine_run systemctl stop store-odd.service
}

# A server that wants TLS, and keys in a pipe that nobody writes to: whoever
# opens it waits for ever. On a unix socket that is an I/O thread; on TCP it may
# be a thread that looks up the name.
add_a_trap() {
	machine_run systemd-run --quiet --unit=store-trap nbdkit --foreground \
		--unix=/run/store/trap --tls=require --tls-psk=/run/store/psk memory 1M
	wait_for 10 "the server listens" machine_run test -S /run/store/trap &&
		machine_run chmod 0666 /run/store/trap &&
		machine_run mkfifo -m 0644 /etc/nbd-clientd/keys &&
		volume trap 'Uri=nbds+unix://alice@/?socket=/run/store/trap
Connections=1
TlsPskFile=/etc/nbd-clientd/keys'
}

# systemd ends it with SIGABRT; after that there is no trap any more.
restarts_when_an_io_thread_is_stuck() {
	local before
	before=$(machine_run systemctl show -p NRestarts --value nbd-clientd)
	add_a_trap && machine_run systemctl reload nbd-clientd || return 1
	wait_for 60 "an I/O thread is stuck" \
		machine_run sh -c 'journalctl -u nbd-clientd -o cat |
			grep "an I/O thread does not answer"' || return 1
	rm "$machine_root/etc/nbd-clientd/volumes.d/trap.conf"
	wait_for 150 "the watchdog has restarted it" \
		property_is nbd-clientd.service NRestarts "^$((before + 1))\$" &&
		wait_for 20 "it is active again" \
			machine_run systemctl is-active nbd-clientd
}

examples_are_good() {
	machine_run sh -ec '
		mkdir -p /tmp/examples/volumes.d
		cd /usr/local/share/doc/nbd-clientd/examples
		cp nbd-clientd.conf /tmp/examples
		cp disk0.conf /tmp/examples/volumes.d
		nbd-clientd --config=/tmp/examples/nbd-clientd.conf --check-config'
}

machine_root_mount
install_build || give_up "the build installs"
machine_boot || give_up "the container boots"
settle_in || give_up "users and directories are made"
add_people && start_servers || give_up "people and servers are there"
volume tcp Uri=nbd://127.0.0.1/
volume unix 'Uri=nbd+unix:///?socket=/run/store/sock'
volume child 'Command=nbdkit --foreground memory 16M'

check "systemd-analyze finds nothing wrong in the units" \
	service_and_socket_are_sound
check "the programs use our library, though Debian's is there too" \
	uses_our_library
check "systemctl start succeeds" machine_run systemctl start nbd-clientd
check "the service is active" property_is nbd-clientd.service ActiveState '^active$'
check "it says what it serves" property_is nbd-clientd.service StatusText .
check "a member of the group sees the daemon" as_alice nbdctl status
check "a member writes a volume on TCP and reads it back" round_trip tcp
check "a member writes a volume on a unix socket and reads it back" \
	round_trip unix
check "a member uses a volume that a child of the daemon serves" \
	round_trip child
check "one who is no member is refused" \
	exits_with 6 'nbd-clientd' as_mallory nbdctl status
check "a member who is no administrator may not reload" \
	exits_with 6 . as_alice nbdctl daemon reload

volume late Uri=nbd://127.0.0.1/
check "a reload succeeds" machine_run systemctl reload nbd-clientd
check "after a reload the new volume is there" \
	wait_for 10 "the volume is listed" as_alice nbdctl volume show late
check "an administrator may reload" \
	machine_run_as carol nbdctl daemon reload

check "a verified copy goes on while the service is restarted" \
	copy_goes_on_through_restarts nbd-clientd.service
check "so does a channel, and no byte is wrong" \
	channel_goes_on_through_restarts
check "systemd stores the socket of a daemon that made its own" start_alone
check "and a verified copy goes on while that is restarted" \
	copy_goes_on_through_restarts alone.service --address=/run/alone.sock
check "after a stop no socket of it is left" stop_alone
check "a connection in the journal has an id, and fields to search for" \
	journal_has MESSAGE_ID=5c2f1d8e0f6b4a3e9d7c41b0a6e2f813 NBD_VOLUME='^tcp$' \
	NBD_ENDPOINT='^nbd://127.0.0.1/$' NBD_CONNECTION='^[1-9][0-9]*$' \
	PRIORITY='^6$' MESSAGE='connected'
check "journalctl explains it" \
	machine_run sh -c 'journalctl -x -u nbd-clientd NBD_VOLUME=tcp |
		grep "Subject: Volume tcp is connected"'
check "so has a reload" \
	journal_has MESSAGE_ID=3d70c9f4e81b4b6fa25e90d7c3618ab2 MESSAGE='1 volumes added'
check "so has a drain" \
	journal_has MESSAGE_ID=e4b8a2136f9d4c75b01d58c7f2903e6d MESSAGE='draining'

check "it is confined to 1.5 or better" is_well_confined
check "stopping it succeeds" machine_run systemctl stop nbd-clientd.service
check "it ended well" property_is nbd-clientd.service Result '^success$'
check "with exit status 0" property_is nbd-clientd.service ExecMainStatus '^0$'
check "the socket outlives the service" \
	machine_run systemctl is-active nbd-clientd.socket
check "a client's connection starts it again" as_alice nbdctl status
check "and it serves" round_trip tcp
check "its messages say which volume they are about" \
	machine_run sh -c 'journalctl -o cat NBD_VOLUME=tcp | grep connected'
# Its own words: of a busy machine's control groups systemd has complaints, too.
check "it complains of nothing" machine_run sh -c '! journalctl \
	-p warning -o cat _SYSTEMD_UNIT=nbd-clientd.service | grep .'

check "a request that is slow is in the journal, with its number" \
	slow_request_is_found
check "so is the loss of a connection, and then it serves on" loss_is_found
check "a key comes by LoadCredential=, and nobody else can read it" \
	use_credentials
check "and a volume with TLS uses it" round_trip secret

odd="NBD_VOLUME=^odd$"
odd_endpoint="NBD_ENDPOINT=^nbd://127.0.0.1:10811/\$"
check "a volume is added to the running daemon" serve_odd_volume
check "the journal has its beginning" journal_gets \
	MESSAGE_ID=68d3e0a7f91c45b2862f0c7be5194da3 "$odd" PRIORITY='^6$'
check "a slow read is read" as_alice nbdctl dump odd --length 512
check "the journal has the request, its volume and endpoint" journal_gets \
	NBD_VOLUME=odd NBD_REQUEST='^[1-9][0-9]*$' "$odd_endpoint" \
	NBD_CONNECTION='^[1-9][0-9]*$' PRIORITY='^4$' MESSAGE='slow request .* queue .* s, wire .* s, server'
check "a server forgets" odd_server_forgets
check "the journal has the loss of the connection" journal_gets \
	MESSAGE_ID=a91e64b75d2c4f0c8b3e7f12d0c5a946 "$odd" "$odd_endpoint" \
	NBD_CONNECTION='^[1-9][0-9]*$' PRIORITY='^4$'
check "and the writes that were carried out again" journal_gets \
	MESSAGE_ID=0b9f6d21c84e4e57b3a0f5d2176c9e48 "$odd" "$odd_endpoint"
check "a server comes back smaller" odd_server_shrinks
check "the journal has the quarantine" journal_gets \
	MESSAGE_ID=f2617ac05b3d4980a7e14c92d80b365e "$odd" "$odd_endpoint"
check "the volume is removed" odd_volume_goes
check "the journal has its end" journal_gets \
	MESSAGE_ID=c7402be98d6f4f1ab5937d10e62ca8f5 "$odd"

check "it restarts with another watchdog" be_impatient
check "it feeds the watchdog" wait_for 10 "it has" watchdog_was_fed
check "if it hangs, the watchdog restarts it" restarts_when_it_hangs
check "and it serves again" round_trip tcp
check "if an I/O thread is stuck, the watchdog restarts it" \
	restarts_when_an_io_thread_is_stuck
check "and it serves then, too" round_trip tcp

check "the example files are good" examples_are_good
echo garbage >"$machine_root/etc/nbd-clientd/conf.d/10-bad.conf"
check "a reload of a bad configuration is refused, naming the file" \
	exits_with '[1-9].*' 10-bad.conf machine_run_as carol nbdctl daemon reload
check "and the daemon serves on" round_trip tcp
machine_run systemctl stop --quiet nbd-clientd.service
check "it does not start on a bad configuration" \
	exits_with 1 . machine_run systemctl start nbd-clientd.service
check "and says in the journal which file is bad" \
	machine_run sh -c 'journalctl -u nbd-clientd -o cat | grep 10-bad.conf'

machine_run systemctl stop --quiet nbd-clientd.service nbd-clientd.socket
check "everything stops" \
	property_is nbd-clientd.socket ActiveState '^inactive$'

tell_the_end
