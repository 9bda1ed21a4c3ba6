#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a package of the library would hold: pkg-config finds it, programs in C
# and C++ are built with what it says, against the shared library and against
# the static one, and read from a real server; each function has a page.
# Usage: check-installed.sh MESON BUILD-ROOT WITH-SERVER PREFIX LIBDIR CC [CXX]
set -euo pipefail
meson=$1
build=$2
with_server=$3
prefix=$4
libdir=$5
cc=$6
cxx=${7:-}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
root=$dir/root

fail() {
	echo "$*" >&2
	exit 1
}

if ! DESTDIR=$root "$meson" install -C "$build" --no-rebuild \
	>"$dir/log" 2>&1; then
	cat "$dir/log"
	fail "meson install failed"
fi

libraries=$root$prefix/$libdir
export PKG_CONFIG_LIBDIR=$libraries/pkgconfig
export PKG_CONFIG_SYSROOT_DIR=$root

[ "$(pkg-config --modversion libnbd)" = 1.24.4 ] ||
	fail "version: $(pkg-config --modversion libnbd)"
[ -z "$(pkg-config --print-requires libnbd)" ] ||
	fail "requires: $(pkg-config --print-requires libnbd)"
read -r -a dynamic <<<"$(pkg-config --cflags --libs libnbd)"
# All but the library itself, which stands for the shared one.
read -r -a static <<<"$(pkg-config --static --libs-only-l libnbd |
	sed 's/-lnbd\>//')"
[[ " ${dynamic[*]} " != *" -lgnutls "* ]] ||
	fail "programs should not need ${dynamic[*]}"

# Its functions have names that the library uses inside.
cat >"$dir/program.c" <<'EOF'
#include <libnbd.h>
#include <libnbd-ext.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
int fail(void);
int dead(void);
int receive_run(void);
int fail(void) { return 1; }
int dead(void) { return 2; }
int receive_run(void) { return 3; }
#ifdef __cplusplus
}
#endif

int main(int argc, char **argv)
{
	char start[16] = "";
	struct nbd_handle *h = nbd_create();

	if (argc != 2 || !h || fail() + dead() + receive_run() != 6)
		return 1;
	if (nbd_ext_set_connect_timeout(h, 60000) == -1 ||
	    nbd_connect_uri(h, argv[1]) == -1 ||
	    nbd_pread(h, start, 12, 0, 0) == -1) {
		fprintf(stderr, "%s\n", nbd_get_error());
		return 1;
	}
	printf("%s %s", nbd_get_version(h), start);
	/* The server refuses what is beyond its end, or we do. */
	if (nbd_pread(h, start, 12, (uint64_t)1 << 40, 0) != -1 ||
	    strncmp(nbd_get_error(), "nbd_pread: ", 11) != 0)
		return 1;
	if (nbd_shutdown(h, 0) == -1)
		return 1;
	nbd_close(h);
	return 0;
}
EOF

works() {
	local seen
	seen=$("$with_server" nbdkit data 'data="first sector"' size=1M -- \
		env LD_LIBRARY_PATH="$libraries" sh -c '"$1" "$uri"' sh "$1")
	[ "$seen" = "1.24.4 first sector" ] || fail "$1 saw: $seen"
}

warnings=(-Wall -Wextra -Wpedantic -Werror)
read -r -a cc <<<"$cc"
"${cc[@]}" "${warnings[@]}" -std=c99 "$dir/program.c" -o "$dir/shared" \
	"${dynamic[@]}"
works "$dir/shared"
readelf -d "$dir/shared" | grep -q 'NEEDED.*libnbd\.so\.0' ||
	fail "the program does not need libnbd.so.0"

"${cc[@]}" "${warnings[@]}" -std=c99 -I"$root$prefix/include" \
	"$dir/program.c" -o "$dir/static" "$libraries/libnbd.a" \
	"${static[@]}" -lpthread
works "$dir/static"
if readelf -d "$dir/static" | grep -q libnbd; then
	fail "the static program needs the shared library"
fi

if [ -n "$cxx" ]; then
	"$cxx" "${warnings[@]}" -x c++ "$dir/program.c" -o "$dir/c++" \
		"${dynamic[@]}"
	works "$dir/c++"
fi

# No more can be seen in the archive than in the library.
names() {
	sed 's/@.*//' | grep '^nbd_' | sort
}
nm -g --defined-only "$libraries/libnbd.a" | awk 'NF == 3 { print $3 }' |
	tee "$dir/archive" | names >"$dir/in-archive"
if grep -v '^nbd_' "$dir/archive"; then
	fail "the archive defines names that are not the library's"
fi
nm -D --defined-only "$libraries/libnbd.so.0" | awk '{ print $NF }' |
	names >"$dir/in-library"
diff "$dir/in-archive" "$dir/in-library" || fail "archive and library differ"

while read -r function; do
	[ -e "$root$prefix/share/man/man3/$function.3" ] ||
		fail "no page for $function is installed"
done <"$dir/in-library"
echo "$(wc -l <"$dir/in-library") functions, shared and static"
