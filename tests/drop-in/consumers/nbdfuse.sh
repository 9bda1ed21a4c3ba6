# SPDX-License-Identifier: LGPL-2.1-or-later
# nbdfuse: a server as a file. It takes no keys, and certificates only from
# the user's home, so with TLS it does not run as root.
mkdir mount
mkfifo ready
# Open for both, so that neither end waits for the other.
exec 9<>ready

# mounted OPTION WORDS...: mounts, with what comes before the mount point and
# what comes after. If it fails, what nbdfuse says is shown.
mounted() {
	option=$1
	shift
	(
		as_user nbdfuse -P ready $option mount/disk "$@" 2>&1 || true
		echo "ended" >&9
	) &
	fuse=$!
	# Its process ID, not ended by a newline, once the mount is there.
	case $(head -c 1 <&9) in
	e) fail "nbdfuse $* does not mount" ;;
	esac
}

unmounted() {
	as_user fusermount3 -u mount
	wait "$fuse"
	read -r _ <&9
}

# by USER and not by us: others may not look into a user's mount.
checks() {
	as_user stat -c '%s %a' mount/disk
	as_user cmp "$reference" mount/disk || fail "the mounted data differs"
	as_user sha256sum mount/disk
}

try() {
	echo "== nbdfuse $*"
	mounted "$@"
	checks
	as_user dd if="$work/other" of=mount/disk bs=48k conv=notrunc,fsync \
		status=none
	as_user cmp other mount/disk || fail "what was written is not there"
	as_user dd if="$reference" of=mount/disk bs=1M conv=notrunc,fsync \
		status=none
	unmounted
	same_data "$reference" "$image"
}

head -c 1000000 /dev/zero | tr '\0' 'y' >other
head -c 1000000 "$reference" | cmp -s - other && fail "the data is the same"
tail -c +1000001 "$reference" >>other

try "" "$bare_uri"
try --connections=4 "$bare_uri"
echo "== read-only"
mounted --readonly "$bare_uri"
checks
as_user dd if=other of=mount/disk bs=1M count=1 conv=notrunc 2>/dev/null &&
	fail "a read-only file was written"
unmounted

if [ "$channel" = plain ]; then
	if [ "$unixsocket" ] && [ -z "$export" ]; then
		try "" --unix "$unixsocket"
	fi
	try "" [ nbdkit file "$image" ]
	try "" --command nbdkit -s --exit-with-parent file "$image"
fi
show nbdfuse mount "nbd+unix:///?socket=$work/nobody-listens"
