#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The README's test command: installs what is needed, builds from scratch and
# runs every test, then does both again with the address and undefined-behaviour
# sanitizers, and for the tests with several threads with the thread sanitizer.
# Ends with "N passed, N failed" and fails if a test did.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8
unset MESON_TESTTHREADS MAKEFLAGS
exec </dev/null
logs=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$logs"' EXIT
# Most tests wait more than they compute.
at_once=$(($(nproc) * 3 / 2))

# step WHAT COMMAND...: its output goes to a log, shown on failure.
step() {
	local log=$logs/step what=$1
	shift
	echo "$what"
	"$@" >"$log" 2>&1 && return 0
	echo "$what: failed. The end of its output:"
	tail -n 80 "$log"
	return 1
}

# build_in DIRECTORY SETUP-OPTIONS: a fresh build.
build_in() {
	local dir=$1
	shift
	rm -rf "$dir"
	step "Configuring $dir" meson setup "$dir" "$@" &&
		step "Compiling $dir" meson compile -C "$dir"
}

# test_in DIRECTORY TEST-OPTIONS: what was built. Its verdict is read from its
# log, by summarise.
test_in() {
	local dir=$1
	shift
	echo "Testing $dir"
	meson test -C "$dir" --no-rebuild --num-processes "$at_once" "$@" |
		grep -E '^ *[0-9]+/[0-9]+ '
}

# fuzz_in DIRECTORY: two minutes with each fuzzer, of what the processors have to
# spare.
fuzz_in() {
	FUZZ_SECONDS=120 nice -n 19 meson test -C "$1" --no-rebuild --suite fuzz \
		--num-processes "$(nproc)" --logbase fuzzlog >"$logs/fuzz" 2>&1
	grep -E '^ *[0-9]+/[0-9]+ ' "$logs/fuzz"
}

# run_suite DIRECTORY SUITE TEST-OPTIONS -- SETUP-OPTIONS: the same for one suite,
# of which only what its tests need is compiled.
run_suite() {
	local dir=$1 suite=$2 test_options=()
	shift 2
	while [ "$1" != -- ]; do
		test_options+=("$1")
		shift
	done
	shift
	rm -rf "$dir"
	step "Configuring $dir" meson setup "$dir" "$@" || return 1
	echo "Compiling and testing $dir"
	meson test -C "$dir" --suite "$suite" --num-processes "$at_once" \
		"${test_options[@]}" \
		>"$logs/suite" 2>&1
	grep -E '^ *[0-9]+/[0-9]+ nbd-clientd:' "$logs/suite" && return 0
	echo "$dir: no test was run. The end of the output:"
	tail -n 80 "$logs/suite"
	return 1
}

sh tests/support/install-packages || exit 1

if build_in build -Dwerror=true; then
	fuzz_in build &
	test_in build --no-suite fuzz
fi

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# With sanitizers gcc warns of what cannot happen, so warnings are no errors. Less
# optimisation takes a third off the time to compile, and leaves more to be seen.
# Not again what looks at the sources, at what users get, or in a container; and
# a program of others cannot load a library with sanitizers.
build_in build-asan -Db_sanitize=address,undefined -Db_lundef=false \
	-Doptimization=1 &&
	test_in build-asan --timeout-multiplier 4 --no-suite style \
		--no-suite abi --no-suite systemd --no-suite drop-in

# gRPC and others are not built for this sanitizer: what they do inside of
# themselves, with locks that it does not see, is not for us to judge.
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
TSAN_OPTIONS+=:ignore_noninstrumented_modules=1
run_suite build-tsan threads --timeout-multiplier 4 -- \
	-Db_sanitize=thread -Db_lundef=false -Doptimization=1

wait
python3 tests/support/summarise build build:fuzzlog build-asan build-tsan
