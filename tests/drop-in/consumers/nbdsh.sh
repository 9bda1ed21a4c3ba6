# SPDX-License-Identifier: LGPL-2.1-or-later
# nbdsh: the Python module, which has every function of its libnbd.

# What --uri does, for URIs that name files, too.
opened="h.set_uri_allow_local_file(True); h.connect_uri(\"$uri\")"

show nbdsh -c "$opened" -c 'print(h.get_size(), h.pread(6, 0))' \
	-c 'print(h.get_protocol(), h.can_trim(), h.get_uri())'
show nbdsh --opt-mode -c "$opened" \
	-c 'h.opt_list(lambda name, text: print(name, text))' \
	-c 'h.opt_info(); print(h.get_size()); h.opt_abort()'
show nbdsh --base-allocation -c "$opened" \
	-c 'h.block_status(h.get_size(), 0, lambda *a: print(a[:3]))'
# What goes wrong outside of any try: text and exit status.
show nbdsh -c "$opened" -c 'h.pread(1, h.get_size())'
show nbdsh --uri "$wrong_uri" -c 'print(h.get_size())'
show nbdsh --uri "$uri" -c 'print(h.get_size())'
# Where the extents of a file come from varies with the file system; these do
# not.
show nbdsh --base-allocation -c 'h.connect_systemd_socket_activation(
    ["nbdkit", "data", "@1048576 1 @3145728 2", "size=8M"])' \
	-c 'h.block_status(h.get_size(), 0, lambda *a: print(a[:3]))'
succeed nbdsh -c - <"$consumers/session.py"
# It has put everything back.
same_data "$reference" "$image"
