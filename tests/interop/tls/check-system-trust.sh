#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Without certificates of its own a program trusts whom the system trusts, and
# nobody else: nbdinfo on our library, and a server whose certificate is signed
# by an authority that is the system's only here, under a mount of ours.
# Usage: check-system-trust.sh LIBRARY WITH-SERVER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
library=$(readlink -f "$1")
with_server=$(readlink -f "$2")
store=/etc/ssl/certs/ca-certificates.crt
PATH=/usr/bin:/bin:$PATH
export PATH

sanitizer=$(ldd "$library" | awk '/lib[at]san/ { print $3; exit }')
look() {
	LD_LIBRARY_PATH=$(dirname "$library") LD_PRELOAD=$sanitizer \
		ASAN_OPTIONS=detect_leaks=0 HOME=/nonexistent \
		nbdinfo --size "nbds://$1:$port/"
}

# Called again beside the server.
if [ "${CHECK_TRUST-}" ]; then
	if look localhost 2>error; then
		echo "an authority that nobody trusts was trusted"
		exit 1
	fi
	grep -i certificate error
	mount --bind "$CHECK_TRUST/ca-cert.pem" "$store"
	[ "$(look localhost)" = 1048576 ]
	# Trusted, but somebody else.
	if look 127.0.0.1 2>error; then
		echo "a certificate of another name was accepted"
		exit 1
	fi
	grep -i certificate error
	exit
fi

skip() {
	echo "$*"
	exit 77
}
for program in nbdinfo certtool nbdkit unshare; do
	command -v $program >/dev/null || skip "$program is not installed"
done
[ -e "$store" ] || skip "there is no $store: ca-certificates is not installed"
unshare --mount true 2>/dev/null || skip "only root may mount"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# certificate NAME ARGUMENT...: NAME-key.pem and, as certtool's template on
# standard input says, NAME-cert.pem.
certificate() {
	name=$1
	shift
	cat >template
	certtool --generate-privkey --key-type=ecdsa --outfile "$name-key.pem"
	certtool --load-privkey "$name-key.pem" --template template \
		--outfile "$name-cert.pem" "$@"
}
{
	certificate ca --generate-self-signed <<-END
		cn = "the tests"
		ca
		cert_signing_key
	END
	certificate server --generate-certificate \
		--load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \
		<<-END
		cn = "test server"
		dns_name = localhost
		tls_www_server
		signing_key
	END
} 2>log || {
	cat log
	exit 1
}

"$with_server" --tcp nbdkit --tls=require --tls-certificates="$dir" memory 1M -- \
	env CHECK_TRUST="$dir" unshare --mount --propagation private \
	"$here/$(basename "$0")" "$library" "$with_server"
