# SPDX-License-Identifier: LGPL-2.1-or-later
# What an operator does in the machine of machine.sh, and how a test says what
# it expects: one sentence for each check. To be sourced after machine.sh by a
# test that knows $build and $meson.

failures=0

# check SENTENCE COMMAND...: says whether the command, and so the sentence, held.
check() {
	local sentence=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok - $sentence"
	else
		echo "not ok - $sentence"
		printf '%s\n' "command: $*" "$output" | sed 's/^/    /'
		failures=$((failures + 1))
	fi
}

# exits_with STATUS PATTERN COMMAND...: both match, as patterns.
exits_with() {
	local status=$1 pattern=$2 seen
	shift 2
	local output
	output=$("$@" 2>&1)
	seen=$?
	printf '%s\n' "$output" "(exit status $seen)"
	[[ $seen =~ ^($status)$ ]] && grep -Eq -- "$pattern" <<<"$output"
}

property_is() {
	local seen
	seen=$(machine_run systemctl show --property="$2" --value "$1")
	echo "$1: $2 is '$seen'"
	[[ $seen =~ $3 ]]
}

give_up() {
	echo "not ok - $*"
	exit 1
}

as_alice() {
	machine_run_as alice "$@"
}

as_mallory() {
	machine_run_as mallory "$@"
}

install_build() {
	DESTDIR=$machine_root "$meson" install -C "$build" --quiet --no-rebuild
}

# The work of a package's installation.
settle_in() {
	machine_run ldconfig &&
		machine_run systemd-sysusers &&
		machine_run systemd-tmpfiles --create &&
		machine_run journalctl --update-catalog &&
		machine_run systemctl daemon-reload
}

add_people() {
	machine_run useradd --groups nbd-clientd alice &&
		machine_run useradd --groups nbd-clientd,nbd-clientd-admin carol &&
		machine_run useradd mallory
}

volume() {
	printf '[Volume]\n%s\nAllowGroups=nbd-clientd\n' "$2" \
		>"$machine_root/etc/nbd-clientd/volumes.d/$1.conf"
}

round_trip() {
	as_alice sh -ec '
		head -c 300000 /dev/urandom >/tmp/there
		nbdctl write '"$1"' --offset 4096 --length 300000 /tmp/there
		nbdctl read '"$1"' --offset 4096 --length 300000 /tmp/back
		cmp /tmp/there /tmp/back
		rm /tmp/there /tmp/back'
}

# journal_has MATCH FIELD=PATTERN...: of the entries that journalctl finds by
# MATCH, one has these fields.
journal_has() {
	local match=$1
	shift
	machine_run journalctl -u nbd-clientd -o json "$match" |
		python3 -c '
import json, re, sys
wanted = [word.split("=", 1) for word in sys.argv[1:]]
seen = [json.loads(line) for line in sys.stdin]
print(len(seen), "entries; the last:", seen[-1:])
sys.exit(not any(all(re.search(pattern, str(entry.get(name, "")))
                     for name, pattern in wanted) for entry in seen))
' "$@"
}

# journal_gets as journal_has, for what is about to come.
journal_gets() {
	wait_for 20 "an entry with $*" journal_has "$@"
}

# To be the last command of a test.
tell_the_end() {
	[ $failures -eq 0 ] && return 0
	echo "The service's journal:"
	machine_run journalctl --no-pager -o short-precise -u nbd-clientd |
		tail -n 100
	return 1
}
