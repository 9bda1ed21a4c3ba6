#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian 13's tools, which were compiled against libnbd 1.22 and know extended
# headers, on that libnbd as the control and on ours, with a qemu-nbd that has
# them: both print the same and leave the same disk behind. Usage: newer.sh
# LIBRARY WITH-SERVER SUPPORT-FOLDER CHANNEL, the last one plain or psk.
set -euo pipefail
here=$(dirname "$0")

# Runs a program of the newer root on the library on trial.
newer() {
	"$root/lib64/ld-linux-x86-64.so.2" --library-path "$path" \
		"$root/usr/bin/$1" "${@:2}" 2>&1
}

# The same, with the command and its status in what is compared.
show() {
	local status=0
	echo "\$ $1 ${*:2}"
	newer "$@" || status=$?
	echo "exit status $status"
}

# Beside a running server, whose $unixsocket with-server has told.
session() {
	local scheme=nbd+unix:// query=
	if [ "$channel" = psk ]; then
		scheme=nbds+unix://alice@
		query="&tls-psk-file=$work/keys.psk"
	fi
	newer nbdinfo --version >"$work/version"
	export uri="$scheme/?socket=$unixsocket$query"
	show nbdinfo "$uri"
	show nbdinfo --json --list "$uri"
	show nbdinfo --map "$uri"
	show nbdinfo --map=qemu:allocation-depth --totals "$uri"
	show nbdinfo --can zero "$uri"
	show nbdinfo "${uri/?socket/no-such-export?socket}"
	show nbddump -n 512 "$uri"
	PYTHONHOME=$root/usr PYTHONPATH=$root/usr/lib/python3/dist-packages \
		show "$python" "$here/newer.py"
	rm -f "$work/copy"
	show nbdcopy "$uri" "$work/copy"
	qemu-img compare -f raw -F qcow2 "$work/copy" "$work/disk.qcow2" -U
	show nbdcopy --flush "$work/source" "$uri"
	qemu-img compare -f raw -F qcow2 "$work/source" "$work/disk.qcow2" -U
}

if [ "${5:-}" = session ]; then
	channel=$4
	session
	exit
fi

library=$1
with_server=$2
support=$3
export channel=$4
root=$("$support/newer-root" libnbd-bin,python3-libnbd)
words=$("$support/newer-qemu-nbd")
mapfile -t qemu <<<"$words"
python=$(basename "$(echo "$root"/usr/bin/python3.*[0-9])")
libraries=$root/usr/lib/x86_64-linux-gnu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export root python work

# 16 GiB with a little in it, and another one to be copied over it.
qemu-img create -q -f qcow2 "$work/original.qcow2" 16G
qemu-io -f qcow2 -c 'write -q -P 7 5G 1M' -c 'write -q -P 9 0 64k' \
	"$work/original.qcow2"
truncate -s 16G "$work/source"
printf 'one' | dd of="$work/source" bs=1M seek=9000 conv=notrunc status=none
psktool -u alice -p "$work/keys.psk" >/dev/null 2>&1
options=()
if [ "$channel" = psk ]; then
	options=(--tls-creds tls0 --object
		"tls-creds-psk,id=tls0,endpoint=server,dir=$work")
fi

run_on() {
	cp "$work/original.qcow2" "$work/disk.qcow2"
	env path="$1:$libraries" "$with_server" "${qemu[@]}" -t -e 16 \
		--discard=unmap --allocation-depth -f qcow2 "${options[@]}" \
		"$work/disk.qcow2" -- bash "$0" "$library" "$with_server" \
		"$support" "$channel" session >"$work/said" 2>&1 || {
		cat "$work/said"
		echo "the session with $1 failed"
		exit 1
	}
	# Where the server listens, and the words of errors and states.
	sed -E 's,/tmp/nbdtest\.\w{6},SERVER-DIR,g; s/(nbd_\w+): .*/\1: MESSAGE/' \
		"$work/said" >"$2"
}

run_on "$libraries" "$work/theirs"
grep -q 'libnbd 1\.22\.' "$work/version"
run_on "$(dirname "$library")" "$work/ours"
grep -q 'libnbd 1\.24\.4' "$work/version"
diff "$work/theirs" "$work/ours" || {
	echo "the two libraries differ"
	exit 1
}
grep -q 'using extended packets' "$work/ours"
echo "Both libraries, $(wc -l <"$work/ours") lines:"
cat "$work/ours"
