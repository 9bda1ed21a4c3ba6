# SPDX-License-Identifier: LGPL-2.1-or-later
# nbdcopy: out of the server and into it, in every manner it has.
copy() {
	rm -f copy
	show nbdcopy "$@" "$uri" copy
	same_data "$reference" copy
}

copy
copy --synchronous
copy --synchronous --no-extents
copy --connections=1 --requests=1
copy --connections=4 --threads=2 --requests=8 --request-size=65536
copy --no-extents --sparse=0
copy --allocated
copy --request-size=1048576 --sparse=65536
show nbdcopy "$uri" null:
on nbdcopy "$uri" - >copy
same_data "$reference" copy

# Into the server: something else first, so that there is something to see.
head -c 6295552 /dev/zero | tr '\0' 'x' >other
into() {
	show nbdcopy "$@" other "$uri"
	same_data other "$image"
	show nbdcopy "$@" --flush "$reference" "$uri"
	same_data "$reference" "$image"
}

into
into --synchronous
into --connections=4 --requests=4 --request-size=131072
into --allocated --no-extents
on nbdcopy - "$uri" <other
same_data other "$image"

# Does not fit, does not exist, is not read-write.
truncate -s 16M large
show nbdcopy large "$uri"
show nbdcopy "$uri" "$work/no/such/place"

if [ "$channel" = plain ]; then
	show nbdcopy -- [ nbdkit pattern 4M ] [ nbdkit memory 4M ]
	rm -f pattern
	show nbdcopy -- [ nbdkit pattern 4M ] pattern
	sha256sum pattern
	show nbdcopy -- "$uri" [ nbdkit memory 8M ]
	rm -f copy
	show nbdcopy -- [ qemu-nbd -f raw "$reference" ] copy
	same_data "$reference" copy
	show nbdcopy -- other [ nbdkit --readonly memory 8M ]
fi
