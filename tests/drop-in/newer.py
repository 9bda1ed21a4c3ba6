# SPDX-License-Identifier: LGPL-2.1-or-later
# What is newer than nbdsh's session.py can know: extended headers, 64 bits.
import os

import nbd

GiB = 1 << 30
uri = os.environ["uri"]


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except nbd.Error as error:
        print(what, "-> error", error.errno)


def extents(context, offset, entries, error):
    print("  ", context, offset, entries)


h = nbd.NBD()
h.set_uri_allow_local_file(True)
h.add_meta_context("base:allocation")
h.add_meta_context("qemu:allocation-depth")
h.set_opt_mode(True)
h.set_full_info(True)
h.connect_uri(uri)
print(h.get_extended_headers_negotiated(), h.get_tls_negotiated(),
      h.get_structured_replies_negotiated())
attempt("again", h.opt_extended_headers)
attempt("list", h.opt_list, lambda name, text: print("  ", repr(name), text))
attempt("contexts", h.opt_list_meta_context, lambda name: print("  ", name))
attempt("info", h.opt_info)
attempt("description", h.get_export_description)
h.opt_go()
for size in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM,
             nbd.SIZE_PAYLOAD):
    print(h.get_block_size(size))
print(h.get_size(), h.get_protocol(), h.can_block_status_payload())

attempt("zero", h.zero, 6 * GiB, 8 * GiB)
attempt("trim", h.trim, 5 * GiB, 0)
attempt("cache", h.cache, 5 * GiB, 0)
attempt("too far", h.zero, 16 * GiB, 1 << 20)
attempt("map", h.block_status_64, 16 * GiB, 0, extents)
attempt("filter", h.block_status_filter, 8 * GiB, 0, ["base:allocation"],
        extents)
attempt("unknown", h.block_status_filter, 512, 0, ["x:y"], extents)
attempt("narrow", h.block_status, 16 * GiB, 0, extents)

done = []
data = nbd.Buffer.from_bytearray(bytearray(b"x" * 65536))
cookie = h.aio_pwrite(data, 3 * GiB,
                      lambda error: done.append(error.value) or 1)
while h.aio_in_flight() > 0:
    h.poll2(-1, -1)
print(cookie, done, h.pread(4, 3 * GiB + 65534))
attempt("chunks", lambda: h.pread_structured(
    1024, 3 * GiB,
    lambda part, offset, kind, error: print("  ", len(part), offset, kind))
    == b"x" * 1024)
before = h.stats_bytes_sent(), h.stats_chunks_sent()
h.flush()
print(h.stats_bytes_sent() - before[0], h.stats_chunks_sent() - before[1])
h.shutdown()
print(h.aio_is_closed())
