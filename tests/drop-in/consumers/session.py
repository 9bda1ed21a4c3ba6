# SPDX-License-Identifier: LGPL-2.1-or-later
# A session in nbdsh: commands, callbacks, options, settings and mistakes.
import gc
import hashlib
import os
import select
import weakref

uri = os.environ["uri"]
size = os.path.getsize(os.environ["reference"])
MiB = 1024 * 1024


def connected(**settings):
    handle = nbd.NBD()
    handle.set_uri_allow_local_file(True)
    for name, value in settings.items():
        getattr(handle, "set_" + name)(value)
    handle.connect_uri(uri)
    return handle


def attempt(what, function, *arguments, **more):
    """What a call returns, or how it fails."""
    try:
        print(what, "->", function(*arguments, **more))
    except nbd.Error as error:
        print(what, "->", error.string, "|", error.errno)


def state(handle):
    """Its name; the words after it are each library's own."""
    return handle.connection_state().split(":")[0]


def drain(handle):
    while handle.aio_in_flight() > 0:
        handle.poll(-1)


# Settings, before there is a connection.
h0 = nbd.NBD()
for name in ("debug", "export_name", "full_info", "handshake_flags",
             "opt_mode", "pread_initialize", "request_block_size",
             "request_structured_replies", "tls", "tls_verify_peer"):
    attempt("default of " + name, getattr(h0, "get_" + name))
h0.set_handle_name("session")
h0.set_export_name("some export")
h0.add_meta_context("base:allocation")
h0.add_meta_context("x-none:such")
print(h0.get_handle_name(), h0.get_export_name(), h0.get_nr_meta_contexts(),
      h0.get_meta_context(1), h0.set_private_data(42), h0.get_private_data())
h0.clear_meta_contexts()
attempt("context out of range", h0.get_meta_context, 0)
attempt("flags nobody knows", h0.set_handshake_flags, 0x100)
attempt("a TLS nobody knows", h0.set_tls, 9)
attempt("a name too long", h0.set_export_name, "x" * 4097)
attempt("read unconnected", h0.pread, 512, 0)
attempt("size unconnected", h0.get_size)
attempt("poll unconnected", h0.poll, 0)
attempt("fd unconnected", h0.aio_get_fd)
attempt("shutdown unconnected", h0.shutdown)
attempt("bad URI", h0.connect_uri, "nbd+unix://")
attempt("URI with a forbidden transport",
        lambda: (h0.set_uri_allow_transports(nbd.ALLOW_TRANSPORT_VSOCK),
                 h0.connect_uri("nbd://localhost")))
print(h0.aio_is_created(), state(h0))

# Facts.
c = connected(export_name=os.environ["export"], full_info=True)
for name in ("is_read_only", "can_flush", "can_fua", "is_rotational",
             "can_trim", "can_zero", "can_fast_zero", "can_df",
             "can_multi_conn", "can_cache", "get_size", "get_protocol",
             "get_tls_negotiated", "get_structured_replies_negotiated",
             "get_handshake_flags", "get_canonical_export_name",
             "get_export_description", "get_uri", "aio_is_ready",
             "aio_get_direction", "aio_in_flight"):
    attempt(name, getattr(c, name))
for which in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM):
    attempt(f"block size {which}", c.get_block_size, which)

# Commands, one after the other.
whole = c.pread(size, 0)
start = whole[:MiB]
print(hashlib.sha256(whole).hexdigest())
c.pwrite(b"drop in" * 1000, 65536)
print(c.pread(7, 65536 + 7 * 999))
if c.can_fua():
    c.pwrite(b"F" * 512, 0, nbd.CMD_FLAG_FUA)
if c.can_zero():
    c.zero(65536, MiB)
    c.zero(4096, 0, nbd.CMD_FLAG_NO_HOLE)
attempt("trim", c.trim, 65536, 2 * MiB)
attempt("cache", c.cache, 65536, 0)
attempt("flush", c.flush)
for at in range(0, 3):
    c.pwrite(whole[at * MiB:(at + 1) * MiB], at * MiB)
print(c.pread(size, 0) == whole)

# Mistakes.
attempt("read past the end", c.pread, 512, size)
attempt("write past the end", c.pwrite, b"x" * 512, size)
attempt("read nothing", c.pread, 0, 0)
attempt("read with a flag", c.pread, 512, 0, nbd.CMD_FLAG_FUA)
attempt("a flag nobody knows", c.pwrite, b"x" * 512, 0, 0x8000)
attempt("unknown cookie", c.aio_command_completed, 12345)
attempt("connect twice", c.connect_uri, uri)
attempt("option when connected", c.opt_go)
attempt("export name when connected", c.set_export_name, "late")
attempt("block status without context", c.block_status, 512, 0,
        lambda *a: None)
attempt("signal nobody", c.kill_subprocess, 15)

# Callbacks, and that they are let go of.
chunks = []
c.pread_structured(
    4096, 0, lambda data, offset, status, error: chunks.append(
        (len(data), offset, status, error.value)))
print(sum(n for n, *_ in chunks), {status for _, _, status, _ in chunks})


class Witness:
    def __call__(self, error):
        print("completion", error.value)
        return 1


def forgotten(use):
    witness = Witness()
    gone = weakref.ref(witness)
    try:
        use(witness)
    except nbd.Error as error:
        print(error.string)
    del witness
    drain(c)
    gc.collect()
    return gone() is None


buffer = nbd.Buffer(65536)
print("released", forgotten(lambda w: c.aio_pread(buffer, 0, w)))
print(buffer.to_bytearray() == start[:65536])
print("released", forgotten(lambda w: c.aio_pread(buffer, size, w)))
print("released", forgotten(lambda w: c.aio_flush(w, 0x40)))


def refuse(error):
    error.value = 71
    return -1


cookie = c.aio_pread(buffer, 0, refuse)
drain(c)
attempt("a completion that fails", c.aio_command_completed, cookie)
attempt("no such thing any more", c.aio_peek_command_completed)

# Many at once, by an event loop of our own.
done = []
buffers = [nbd.Buffer(32768) for _ in range(32)]
for n, one in enumerate(buffers):
    c.aio_pread(one, n * 32768,
                lambda error, n=n: done.append((n, error.value)) or 1)
while c.aio_in_flight() > 0:
    direction = c.aio_get_direction()
    poll = select.poll()
    poll.register(c.aio_get_fd(),
                  (select.POLLIN if direction & nbd.AIO_DIRECTION_READ else 0)
                  | (select.POLLOUT
                     if direction & nbd.AIO_DIRECTION_WRITE else 0))
    for _, events in poll.poll():
        if events & select.POLLIN:
            c.aio_notify_read()
        elif events & select.POLLOUT:
            c.aio_notify_write()
print(sorted(done) == [(n, 0) for n in range(32)],
      b"".join(one.to_bytearray() for one in buffers) == bytes(start))
c.shutdown()
print(c.aio_is_closed(), state(c))
attempt("read after the end", c.pread, 512, 0)
attempt("size after the end", c.get_size)

# Extents.
h1 = nbd.NBD()
h1.set_uri_allow_local_file(True)
h1.add_meta_context("base:allocation")
h1.connect_uri(uri)
attempt("has contexts", h1.can_meta_context, "base:allocation")
if h1.can_meta_context("base:allocation"):
    seen = []
    h1.block_status(size, 0, lambda context, offset, entries, error:
                    seen.append((context, offset, list(entries))))
    print(seen)
    h1.block_status(4096, 0, lambda *a: print(a[2]), nbd.CMD_FLAG_REQ_ONE)
    attempt("an extent callback that fails", h1.block_status, 4096, 0,
            lambda context, offset, entries, error: refuse(error))
h1.shutdown()

# Options by hand.
h2 = connected(opt_mode=True, full_info=True)
print(state(h2), h2.aio_is_negotiating())
attempt("list", h2.opt_list, lambda name, text: print("export", name, text))
attempt("size before info", h2.get_size)
h2.set_export_name("no-such-export")
attempt("info of no such export", h2.opt_info)
h2.set_export_name(os.environ["export"])
attempt("info", h2.opt_info)
attempt("size after info", h2.get_size)
attempt("contexts", h2.opt_list_meta_context, lambda name: print(name))
h2.add_meta_context("base:")
attempt("contexts of base:", h2.opt_list_meta_context, print)
h2.clear_meta_contexts()
attempt("poll when negotiating", h2.poll, 0)
attempt("go", h2.opt_go)
print(state(h2), h2.get_size())
h2.shutdown()
h3 = connected(opt_mode=True)
h3.opt_abort()
print(h3.aio_is_closed(), state(h3))

# Transports that need no server of the harness.
if os.environ["channel"] == "plain":
    h4 = nbd.NBD()
    h4.connect_command(["nbdkit", "-s", "--exit-with-parent", "pattern", "1M"])
    print(h4.pread(16, 4096))
    attempt("URI of a command", h4.get_uri)
    attempt("signal 0", h4.kill_subprocess, 0)
    h5 = nbd.NBD()
    h5.connect_systemd_socket_activation(["nbdkit", "memory", "1M"])
    h5.pwrite(b"activated", 3)
    print(h5.pread(9, 3))
    h5.shutdown()
    # A server that is gone has no errno in Debian's library, ENOTCONN in ours.
    try:
        nbd.NBD().connect_command(["/nonexistent/server"])
    except nbd.Error as error:
        print("a command that is not there ->", error.errno or "ENOTCONN")
    attempt("nobody listens", nbd.NBD().connect_unix, "/nonexistent/socket")
    attempt("a path too long", nbd.NBD().connect_unix, "/" * 200)
