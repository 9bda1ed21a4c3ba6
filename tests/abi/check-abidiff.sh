#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing that the distribution's libnbd0 exports is missing or different
# here, says abidiff; what is new is fine. Usage: check-abidiff.sh ABIDIFF
# LIBRARY INCLUDE-DIR
set -eu
abidiff=$1
ours=$2
for theirs in /usr/lib/*/libnbd.so.0 /usr/lib/libnbd.so.0; do
	if [ -e "$theirs" ]; then
		# Types of ours that no header shows are nobody's business.
		exec "$abidiff" --no-added-syms --drop-private-types \
			--headers-dir1 "$3" --headers-dir2 "$3" \
			"$theirs" "$ours"
	fi
done
echo "no libnbd.so.0 of the distribution (package libnbd0)"
exit 77
