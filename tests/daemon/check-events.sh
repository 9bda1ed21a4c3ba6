#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every event of the daemon's log has an entry in the journal's catalog and a
# line in the manual, and there are no others. Arguments: log.h, the catalog, the
# manual page.
set -eu
log=$1
catalog=$2
manual=$3

events=$(sed -n 's/^[[:space:]]*X([A-Z_]*, *"\([a-z-]*\)", *"\([0-9a-f]*\)").*/\1 \2/p' "$log")
n=$(echo "$events" | wc -l)
[ "$n" -ge 8 ]
echo "$events" | while read -r name id; do
	echo "$name $id"
	grep -qx -- "-- $id" "$catalog"
	grep -q "^$name@$id@." "$manual"
done
[ "$(grep -c '^-- ' "$catalog")" -eq "$n" ]
[ "$(grep -c '^Subject: .' "$catalog")" -eq "$n" ]
[ "$(grep -cE '^[a-z-]+@[0-9a-f]{32}@' "$manual")" -eq "$n" ]
if command -v journalctl >/dev/null; then
	echo "journalctl takes the catalog:"
	work=$(mktemp -d)
	trap 'rm -r "$work"' EXIT
	mkdir -p "$work/usr/lib/systemd/catalog" "$work/var/lib/systemd/catalog"
	cp "$catalog" "$work/usr/lib/systemd/catalog/"
	journalctl --root="$work" --update-catalog
	[ "$(journalctl --root="$work" --list-catalog | wc -l)" -eq "$n" ]
fi
