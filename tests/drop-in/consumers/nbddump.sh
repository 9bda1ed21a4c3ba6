# SPDX-License-Identifier: LGPL-2.1-or-later
# nbddump: the content in hexadecimal.
on nbddump "$uri" >dump
wc -l <dump
sha256sum <dump
head -n 3 dump
tail -n 3 dump
# hexdump's format but for the width of the offset: what is read is right.
size=$(stat -c %s "$reference")
od -A n -t x1 -v "$reference" | tail -n 1
show nbddump --limit=64 "$uri"
show nbddump -n $((size + 1)) "$uri" | tail -n 2
show nbddump "$wrong_uri" | tail -n 2
show nbddump "nbd+unix:///?socket=$work/nobody-listens"
[ "$channel" != plain ] || show nbddump -- [ nbdkit data "1 2 3 @1024 4" ]
