#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's nbdinfo, nbdcopy and nbdsh over TLS, on our library and on the
# system's: they must print and copy the same.
# Usage: check-tools.sh LIBRARY WITH-SERVER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
library=$(readlink -f "$1")
with_server=$(readlink -f "$2")
PATH=/usr/bin:/bin:$PATH
export PATH

# The sanitizers' run-time must come first; the leaks of others are theirs.
sanitizer=$(ldd "$library" | awk '/lib[at]san/ { print $3; exit }')
ours() {
	LD_LIBRARY_PATH=$(dirname "$library") LD_PRELOAD=$sanitizer \
		ASAN_OPTIONS=detect_leaks=0 "$@"
}

look() {
	"$@" nbdinfo "$uri"
	"$@" nbdinfo --json "$uri"
	"$@" nbdinfo --map "$uri"
	"$@" nbdinfo --list "$uri"
	"$@" nbdinfo --size "$uri"
	"$@" nbdsh -c 'h.set_uri_allow_local_file(True)' \
		-c "h.connect_uri('$uri')" \
		-c 'print(h.pread(6, 5 * 1024 * 1024))' \
		-c 'print(h.get_tls_negotiated(), h.get_uri())' \
		-c 'h.shutdown()'
}

# Called again beside a server, with the part of the URI that is about TLS.
if [ "${CHECK_TLS-}" ]; then
	if [ "$unixsocket" ]; then
		uri="nbds+unix://alice@/?socket=$unixsocket&$CHECK_TLS"
	else
		uri="nbds://alice@127.0.0.1:$port/?$CHECK_TLS"
	fi
	cd "$CHECK_DIR"
	# meson sets the path for everybody.
	look env -u LD_LIBRARY_PATH >theirs
	look ours >ours
	diff -u theirs ours
	ours nbdcopy "$uri" copy
	cmp image copy
	ours nbdcopy --connections=4 --requests=8 "$uri" copy
	cmp image copy
	ours nbdcopy --synchronous copy "$uri"
	ours nbdcopy copy "$uri"
	ours nbdcopy "$uri" null:
	# Which library reads does not matter to what the other has written.
	env -u LD_LIBRARY_PATH nbdcopy "$uri" copy
	cmp image copy
	exit
fi

for program in nbdinfo nbdcopy nbdsh certtool psktool nbdkit qemu-nbd; do
	command -v $program >/dev/null || {
		echo "$program is not installed"
		exit 77
	}
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# Makes NAME-key.pem and, with further arguments to certtool, NAME-cert.pem.
certificate() {
	name=$1
	shift
	cat >template
	{
		certtool --generate-privkey --key-type=ecdsa \
			--outfile "$name-key.pem"
		certtool --load-privkey "$name-key.pem" --template template \
			--outfile "$name-cert.pem" "$@"
	} >log 2>&1 || {
		cat log
		exit 1
	}
}
certificate ca --generate-self-signed <<-END
	cn = "the tests"
	ca
	cert_signing_key
END
for who in server client; do
	certificate $who --generate-certificate --load-ca-certificate \
		ca-cert.pem --load-ca-privkey ca-key.pem <<-END
		cn = "test $who"
		dns_name = localhost
		ip_address = 127.0.0.1
		tls_www_$who
		signing_key
		encryption_key
	END
done
psktool -u alice -p keys.psk >log

truncate -s 8M image
printf 'begin' | dd of=image conv=notrunc status=none
printf 'middle' | dd of=image bs=1M seek=5 conv=notrunc status=none

# beside QUERY TRANSPORT SERVER...: all of the above beside that server.
beside() {
	query=$1 transport=$2
	shift 2
	"$with_server" $transport "$@" -- \
		env CHECK_TLS="$query" CHECK_DIR="$dir" \
		"$script" "$library" "$with_server"
}
script=$here/$(basename "$0")
keys="tls-psk-file=$dir/keys.psk"
certificates="tls-certificates=$dir"
for transport in "" --tcp; do
	beside "$keys" "$transport" nbdkit --tls=require \
		--tls-psk="$dir/keys.psk" file image
	beside "$certificates" "$transport" nbdkit --tls=require \
		--tls-verify-peer --tls-certificates="$dir" file image
	beside "$keys" "$transport" qemu-nbd -t -e 16 -f raw --tls-creds t \
		--object "tls-creds-psk,id=t,endpoint=server,dir=$dir" image
	beside "$certificates" "$transport" qemu-nbd -t -e 16 -f raw \
		--tls-creds t --object \
		"tls-creds-x509,id=t,endpoint=server,verify-peer=on,dir=$dir" \
		image
done
