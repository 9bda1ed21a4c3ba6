#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's nbdcopy, nbdinfo and Python module copy and read disks on the given
# libnbd, between real servers, and the data is compared by checksum.
# Usage: drop-in.sh LIBRARY WITH-SERVER
set -eu
library=$1
with_server=$2
PATH=/usr/bin:/bin:$PATH
export PATH
# meson sets it for everybody; here only one program at a time gets it.
unset LD_LIBRARY_PATH

for program in nbdcopy nbdinfo nbdkit qemu-nbd qemu-img; do
	command -v "$program" >/dev/null || {
		echo "skipped: $program is not installed"
		exit 77
	}
done
/usr/bin/python3 -c 'import nbd' 2>/dev/null || {
	echo "skipped: python3-libnbd is not installed"
	exit 77
}

# The sanitizers' run-time must come first; the leaks of others are theirs.
sanitizer=$(ldd "$library" | awk '/lib[at]san/ { print $3; exit }')
on_library() {
	LD_PRELOAD="$sanitizer $library" ASAN_OPTIONS=detect_leaks=0 "$@"
}

checksum() {
	sha256sum <"$1"
}

# Beside both servers: $source is a sparse qcow2 behind qemu-nbd, $target an
# empty disk behind nbdkit.
copy_and_compare() {
	target=$uri
	on_library nbdcopy "$source" "$target"
	on_library nbdcopy "$target" "$dir/back"
	[ "$(checksum "$dir/raw")" = "$(checksum "$dir/back")" ]
	on_library nbdcopy --connections=1 --requests=4 "$source" - |
		cmp - "$dir/raw"
	on_library nbdcopy --synchronous "$target" "$dir/again"
	cmp "$dir/raw" "$dir/again"
	# What qemu-img says about the holes, nbdinfo says too.
	on_library nbdinfo --map --json "$source" |
		/usr/bin/python3 "$dir/zeroes.py" length type >"$dir/ours"
	qemu-img map --output=json -f raw "$source" |
		/usr/bin/python3 "$dir/zeroes.py" length zero >"$dir/qemu"
	diff -u "$dir/qemu" "$dir/ours"
	[ "$(on_library nbdinfo --size "$target")" = 16777216 ]
	on_library /usr/bin/python3 "$dir/read.py" "$source" "$library" \
		>"$dir/sum"
	[ "$(cat "$dir/sum")" = "$(checksum "$dir/raw" | cut -d' ' -f1)" ]
	echo "copied, mapped and read on $library"
}

if [ "${DROP_IN_SOURCE-}" ]; then
	dir=$DROP_IN_DIR
	source=$DROP_IN_SOURCE
	copy_and_compare
	exit
fi

dir=$(mktemp -d /tmp/nbdtest.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# A sparse disk with data at its beginning, in its middle and at its end.
truncate -s 16M "$dir/raw"
for at in 0 5 15; do
	head -c 1M /dev/urandom |
		dd of="$dir/raw" bs=1M seek="$at" conv=notrunc status=none
done
qemu-img convert -f raw -O qcow2 "$dir/raw" "$dir/qcow2"

# Total length of what reads as zero, from either program's map.
cat >"$dir/zeroes.py" <<'END'
import json, sys
length, zero = sys.argv[1:]
extents = json.load(sys.stdin)
# nbdinfo counts in bits, of which 2 is "reads as zero".
print(sum(e[length] for e in extents
          if (e[zero] & 2 if zero == "type" else e[zero])))
END
# Reads a disk with many commands in flight.
cat >"$dir/read.py" <<'END'
import hashlib, os, sys
import nbd
h = nbd.NBD()
loaded = {line.split()[-1] for line in open("/proc/self/maps")}
if os.path.realpath(sys.argv[2]) not in loaded:
    sys.exit(f"not on {sys.argv[2]} but on "
             f"{[path for path in loaded if 'libnbd.so' in path]}")
h.connect_uri(sys.argv[1])
STEP = 64 * 1024
pieces = []
for offset in range(0, h.get_size(), STEP):
    buffer = nbd.Buffer(STEP)
    pieces.append(buffer)
    h.aio_pread(buffer, offset, lambda error: 1)
while h.aio_in_flight() > 0:
    h.poll(-1)
h.shutdown()
print(hashlib.sha256(b"".join(p.to_bytearray() for p in pieces)).hexdigest())
END

"$with_server" qemu-nbd -t -e 8 -f qcow2 "$dir/qcow2" -- \
	env DROP_IN_DIR="$dir" sh -c '
		DROP_IN_SOURCE=$uri
		export DROP_IN_SOURCE
		exec "$2" nbdkit memory 16M -- "$0" "$1" "$2"' \
	"$0" "$library" "$with_server"
