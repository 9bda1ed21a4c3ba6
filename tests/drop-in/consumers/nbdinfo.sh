# SPDX-License-Identifier: LGPL-2.1-or-later
# nbdinfo: all that can be asked about an export, and how it says no.
show nbdinfo "$uri"
show nbdinfo --json "$uri"
show nbdinfo --size "$uri"
show nbdinfo --size --json "$uri"
show nbdinfo --content "$uri"
show nbdinfo --list "$uri"
show nbdinfo --list --content --json "$uri"
for what in read-only rotational; do
	show nbdinfo --is "$what" "$uri"
done
for what in cache connect df fast-zero flush fua multi-conn read trim write \
	zero structured-reply; do
	show nbdinfo --can "$what" "$uri"
done
show nbdinfo --is tls "$uri"
for options in --map "--map --totals" "--map --json" "--map --totals --json" \
	--map=base:allocation --map=qemu:allocation-depth; do
	show nbdinfo $options "$uri"
done

# A server that takes every name (nbdkit's file plugin) says yes.
show nbdinfo "$wrong_uri"
show nbdinfo --can connect "$wrong_uri"
show nbdinfo --can connect "nbd+unix:///?socket=$work/nobody-listens"
show nbdinfo "nbd+unix:///?socket=$work/nobody-listens"
show nbdinfo "nbd+unix:///"
show nbdinfo "nbx://localhost"
# A plain client at a server that wants TLS, and the other way round.
case $channel in
plain) other=$(echo "$bare_uri" | sed 's/^nbd/nbds/') ;;
*) other=$(echo "$bare_uri" | sed 's/^nbds/nbd/') ;;
esac
show nbdinfo --can connect "$other"

if [ "$channel" = plain ]; then
	show nbdinfo -- [ nbdkit --exit-with-parent memory 1M ]
	show nbdinfo --map -- [ nbdkit data "@1M 1 @3M 2" size=8M ]
	show nbdinfo --map=qemu:allocation-depth -- \
		[ qemu-nbd -A -f raw "$image" ]
	show nbdinfo --size -- [ qemu-nbd -f raw "$image" ]
fi
