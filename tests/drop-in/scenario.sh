# SPDX-License-Identifier: LGPL-2.1-or-later
# Words for the scenarios in consumers/, and the URI of the server beside which
# with-server runs this. Usage: scenario.sh CONSUMER-SCRIPT
set -eu
exec 2>&1

# on WORDS...: a command with the library on trial.
on() {
	env $library_environment "$@"
}

# show WORDS...: the same, with the command, all it says and its exit status
# made part of what is compared.
show() {
	echo "\$ $*"
	status=0
	on "$@" 2>&1 || status=$?
	echo "exit status $status"
}

# The data is right, or the scenario ends here.
same_data() {
	cmp "$1" "$2" || exit 1
	sha256sum <"$2"
}

# succeed WORDS...: show what must not fail.
succeed() {
	show "$@"
	[ "$status" -eq 0 ] || fail "$*"
}

fail() {
	echo "wrong: $*"
	exit 1
}

case $channel in
plain) query= ;;
certificate) query="tls-certificates=$material/pki" ;;
psk) query="tls-psk-file=$material/psk/keys.psk" ;;
esac

# uri_with EXPORT QUERY: the server's address, with TLS if it speaks that.
uri_with() {
	scheme=nbd user=
	[ "$channel" = plain ] || scheme=nbds
	[ "$channel" != psk ] || user=alice@
	if [ "$unixsocket" ]; then
		echo "$scheme+unix://$user/$1?socket=$unixsocket${2:+&$2}"
	else
		echo "$scheme://${user}127.0.0.1:$port/$1${2:+?$2}"
	fi
}

# For all programs; and for those that let a URI name no local file.
uri=$(uri_with "$export" "$query")
bare_uri=$(uri_with "$export" "")
wrong_uri=$(uri_with no-such-export "$query")
export uri bare_uri wrong_uri

# as_user WORDS...: what takes certificates only from the user's home must not
# be root; it keeps root's rights to files and mounts.
as_user() {
	if [ "$channel" != certificate ]; then
		on "$@"
	elif [ "$(id -u)" -eq 0 ]; then
		on env HOME="$material/home" setpriv --reuid=65534 \
			--regid=65534 --clear-groups \
			--inh-caps=+dac_override,+sys_admin \
			--ambient-caps=+dac_override,+sys_admin "$@"
	else
		on env HOME="$material/home" "$@"
	fi
}

cd "$work"
. "$1"
