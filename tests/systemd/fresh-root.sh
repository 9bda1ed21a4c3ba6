#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Do the README's two commands work on a machine that has nothing? Makes a
# minimal Debian 12, clones the tree into it and runs both there, with nothing
# of this machine in sight but its kernel and its network. Takes a quarter of an
# hour, so it is not one of the ordinary tests: `ninja -C build fresh-root`.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d /var/tmp/nbd-clientd-fresh-root.XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT
# Root's own, as the root of a machine is.
chmod 0755 "$root"

echo "Making a minimal root in $root"
mirror=$(apt-get indextargets --format '$(CODENAME) $(ORIGIN) $(REPO_URI)' \
	'Created-By: Packages' 2>/dev/null |
	awk '$1 == "bookworm" && $2 == "Debian" { print $3; exit }') || mirror=
debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} \
	>"$root.log" 2>&1 </dev/null || {
	tail -n 40 "$root.log"
	exit 1
}
rm -f "$root.log"
git clone -q --no-hardlinks "$source" "$root/root/nbd-clientd"

# The new root becomes the root of a mount namespace, not merely a chroot: the
# container that the tests boot needs that.
cat >"$root/root/enter" <<'END'
set -euo pipefail
root=$1
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p mnt/old
pivot_root . mnt/old
cd /root/nbd-clientd
umount -l /mnt/old
run() {
	echo "== $*"
	env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin CI=true "$@" </dev/null
}
run bash tests/demo.sh
run bash tests/run.sh
END
unshare --fork --pid --kill-child --mount --propagation private \
	bash "$root/root/enter" "$root"
