# SPDX-License-Identifier: LGPL-2.1-or-later
# A program in OCaml, by way of Debian's bindings.
succeed "$consumer_binary" "$uri"
sha256sum <"$image"
