# SPDX-License-Identifier: LGPL-2.1-or-later
# nbdkit's nbd plugin: an NBD client that is a server. Behind it stands
# qemu-img, which has a client of its own.

# proxy WORDS... -- COMMAND: nbdkit with the plugin, for as long as a shell
# command, which sees $uri, lasts.
proxy() {
	words=
	while [ "$1" != -- ]; do
		words="$words $1"
		shift
	done
	echo "== nbd$words: $2"
	on nbdkit --exit-with-parent --unix - nbd $words --run "$2" 2>&1 ||
		fail "nbdkit nbd$words"
}

if [ "$unixsocket" ]; then
	where="socket=$unixsocket"
else
	where="hostname=127.0.0.1 port=$port"
fi
case $channel in
certificate) where="$where tls=require tls-certificates=$material/pki" ;;
psk) where="$where tls=require tls-psk=$material/psk/keys.psk
	tls-username=alice" ;;
esac
named="$where export=$export"

# Without the library on trial: these are not consumers of it here.
alone="env -u LD_LIBRARY_PATH -u LD_PRELOAD"
read_all="$alone qemu-img convert -f raw -O raw \"\$uri\" copy &&
	cmp $reference copy"
write_all="$alone qemu-img convert -n -f raw -O raw $work/other \"\$uri\""
restore="$alone qemu-img convert -n -f raw -O raw $reference \"\$uri\""
look="$alone nbdinfo --json \"\$uri\" | grep -v '\"uri\"'"
map="$alone nbdinfo --map \"\$uri\""

head -c 6295552 /dev/zero | tr '\0' 'z' >other
proxy $named -- "$look"
proxy $named -- "$map"
proxy $named -- "$read_all"
proxy $named -- "$write_all"
same_data other "$image"
proxy $named shared=true -- "$restore"
same_data "$reference" "$image"
proxy $named shared=true -- "$look && $read_all &&
	$alone nbdcopy --connections=4 --requests=8 \"\$uri\" copy &&
	cmp $reference copy"

# The client's export name goes through, and so does the list.
proxy $where dynamic-export=true -- "$alone nbdinfo --list \"\$uri\" |
	grep -v '^protocol\|uri:' || echo no list"
proxy $where dynamic-export=true -- "$alone nbdinfo --size \
	\"nbd+unix:///$export?socket=\$unixsocket\""
proxy $where dynamic-export=true -- "$alone nbdinfo --size \
	\"nbd+unix:///no-such-export?socket=\$unixsocket\" 2>/dev/null ||
	echo refused"
case $channel in
plain) proxy "$bare_uri" -- "$read_all" ;;
certificate) proxy "$bare_uri" tls-certificates=$material/pki -- "$read_all" ;;
esac

if [ "$channel" = plain ]; then
	proxy command=nbdkit arg=--exit-with-parent arg=pattern arg=1M \
		-- "$look"

	# With retry, a server that comes late is waited for.
	echo "== retry"
	mkfifo said
	on nbdkit --exit-with-parent --verbose --unix late.sock nbd \
		socket="$work/later.sock" retry=10 shared=true 2>said \
		--run "$alone nbdinfo --size \"\$uri\"" &
	client=$!
	sed -n '/try again/{s/.*\(try again\).*/\1/p;q}' said
	# It must not be stopped by a full pipe.
	exec 8<>said
	cat <&8 >/dev/null &
	reader=$!
	nbdkit --exit-with-parent --unix "$work/later.sock" memory 3M &
	late=$!
	wait "$client"
	kill "$late" "$reader"
	wait "$late" "$reader" 2>/dev/null || true
fi
