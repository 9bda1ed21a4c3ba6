# SPDX-License-Identifier: LGPL-2.1-or-later
# A throw-away machine with a real systemd: the cached root under an overlay in
# memory, booted by systemd-nspawn. To be sourced by a test, which calls
#
#   machine_enter "$@"        first: skips, or runs the test again in namespaces
#   machine_root_mount        after which $machine_root can be written to
#   machine_boot
#   machine_run COMMAND...    as root, in the booted machine
#   machine_run_as USER COMMAND...
#
# The test's processes and mounts live in namespaces of their own that end with
# its first process, however it ends, so nothing is left behind but empty
# control groups, which machine_enter removes. One machine runs at a time: all
# of them would have the same control group.

machine_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
machine_root=/run/nbd-clientd-test/root
machine_console=/run/nbd-clientd-test/console

machine_skip() {
	echo "skipped: $*"
	exit 77
}

machine_require() {
	local tool
	[ "$(id -u)" -eq 0 ] || machine_skip "a container needs root"
	for tool in systemd-nspawn debootstrap unshare nsenter flock; do
		command -v $tool >/dev/null || machine_skip "$tool is not installed"
	done
	[ "$(. /etc/os-release && echo "$ID")" = debian ] ||
		machine_skip "the container's root is Debian's, this system is not"
	unshare --mount --propagation unchanged --pid --fork true 2>/dev/null ||
		machine_skip "this system allows no new namespaces"
	[ -w /sys/fs/cgroup ] ||
		machine_skip "no control groups in /sys/fs/cgroup that we may make"
}

# nspawn leaves the groups that it made in ours; those in use stay.
machine_remove_cgroups() {
	local hierarchy path group
	while IFS=: read -r _ hierarchy path; do
		for group in "/sys/fs/cgroup/${hierarchy#name=}$path" \
			"/sys/fs/cgroup/unified$path"; do
			find "$group/payload" "$group/supervisor" -depth -type d \
				-exec rmdir {} + 2>/dev/null
		done
	done </proc/self/cgroup
}

# In a chroot "/" is no mount, and neither unshare nor nspawn can work there. A
# bind mount of the chroot to itself is one.
machine_is_chroot() {
	! unshare --mount --propagation private true 2>/dev/null
}

machine_chroot=/run/nbd-clientd-test-chroot
machine_leave_chroot='set -e
	mount --rbind / "$0"
	mount --make-rprivate "$0"
	exec chroot "$0" env --chdir="$PWD" "$@"'

machine_enter() {
	[ -z "${MACHINE_IMAGE:-}" ] || return 0
	machine_require
	MACHINE_IMAGE=$("$machine_here/root-image") || exit 1
	export MACHINE_IMAGE
	exec 8>"$MACHINE_IMAGE.lock"
	flock 8
	local inside=(bash "$0" "$@") propagation=private
	if machine_is_chroot; then
		propagation=unchanged
		inside=(bash -c "$machine_leave_chroot" "$machine_chroot" "${inside[@]}")
		mkdir -p "$machine_chroot"
	fi
	unshare --fork --pid --kill-child --mount-proc --mount \
		--propagation $propagation "${inside[@]}" 8>&- &
	trap 'kill -KILL $!' TERM INT HUP
	wait $!
	local result=$?
	machine_remove_cgroups
	umount --lazy "$machine_chroot" 2>/dev/null
	rmdir "${machine_root%/*}" "$machine_chroot" 2>/dev/null
	exit $result
}

machine_root_mount() {
	local dir=${machine_root%/*}
	# nspawn keeps notes of its machines here.
	mkdir -p "$dir" /run/systemd
	mount -t tmpfs tmpfs /run/systemd
	mount -t tmpfs tmpfs "$dir"
	mkdir "$dir/upper" "$dir/work" "$machine_root"
	mount -t overlay overlay "$machine_root" \
		-o "lowerdir=$MACHINE_IMAGE,upperdir=$dir/upper,workdir=$dir/work"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			echo "gave up waiting until $what ($*)"
			return 1
		fi
		sleep 0.05
	done
}

# The machine's PID 1. For a moment nspawn has another child, too, which is gone
# once that is there.
machine_leader_is_there() {
	local child
	for child in $(pgrep -P "$machine_nspawn"); do
		grep -Eq '^NSpid:.*\s1$' "/proc/$child/status" || continue
		machine_leader=$child
		return 0
	done
	return 1
}

machine_is_up() {
	case $(machine_run systemctl is-system-running) in
	running | degraded) ;;
	*) false ;;
	esac
}

machine_boot() {
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn \
		--directory="$machine_root" --machine=nbd-clientd-test \
		--register=no --keep-unit --console=pipe --link-journal=no \
		--resolv-conf=off --timezone=off --capability=all \
		--private-network --boot \
		</dev/null >"$machine_console" 2>&1 &
	machine_nspawn=$!
	wait_for 60 "the container has a PID 1" machine_leader_is_there &&
		wait_for 240 "the container is booted" machine_is_up && return 0
	cat "$machine_console"
	return 1
}

# Its root as well as its namespaces: in a chroot the two differ.
machine_run() {
	nsenter --target "$machine_leader" --all --root --wd -- \
		env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "$@"
}

# With the user's groups, as a log-in would give them.
machine_run_as() {
	local user=$1
	shift
	machine_run setpriv --reuid="$user" --regid="$user" --init-groups -- \
		env HOME=/ PATH=/usr/local/bin:/usr/bin "$@"
}
