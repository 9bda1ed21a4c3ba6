# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is tried: programs, servers, and the channels between them."""

import glob
import os


class Consumer:
    """A program on trial: NAME.sh in consumers/ runs it, BINARY is the file
    that is linked with libnbd.so.0."""

    def __init__(self, name, binary, programs=(), needs_fuse=False):
        self.name = name
        self.binary = binary
        self.programs = programs
        self.needs_fuse = needs_fuse


class Channel:
    """How client and server talk. TLS: does it need TLS?"""

    def __init__(self, name, tls=False, tcp=()):
        self.name = name
        self.tls = tls
        self._tcp = tcp

    def tcp_on(self, server):
        return server.name in self._tcp


class Server:
    """EXPORT is the name it gives the disk."""

    def __init__(self, name, export, command):
        self.name = name
        self.export = export
        self.command = command


def nbdkit(channel, image, material):
    tls = {
        "plain": [],
        "certificate": ["--tls=require", f"--tls-certificates={material}/pki",
                        "--tls-verify-peer"],
        "psk": ["--tls=require", f"--tls-psk={material}/psk/keys.psk"],
    }
    return ["nbdkit", *tls[channel.name], "file", image]


def qemu_nbd(channel, image, material):
    tls = {
        "plain": [],
        "certificate": ["--object", "tls-creds-x509,id=tls,endpoint=server,"
                        f"verify-peer=on,dir={material}/pki",
                        "--tls-creds", "tls"],
        "psk": ["--object", "tls-creds-psk,id=tls,endpoint=server,"
                f"dir={material}/psk", "--tls-creds", "tls"],
    }
    return ["qemu-nbd", "--persistent", "--shared=16", "--format=raw",
            "--export-name=disk", "--discard=unmap", *tls[channel.name], image]


def nbd_server(channel, image, material):
    # Further lines of the export; the generic section may be gone on with.
    lines = {
        "plain": "flush = true\nfua = true\ntrim = true",
        "certificate": "flush = true\n[generic]\nforce_tls = true\n"
                       f"keyfile = {material}/pki/server-key.pem\n"
                       f"certfile = {material}/pki/server-cert.pem\n"
                       f"cacertfile = {material}/pki/ca-cert.pem",
    }
    return ["nbd-server", image, lines[channel.name]]


SERVERS = {server.name: server for server in (
    Server("nbdkit", "", nbdkit),
    Server("qemu-nbd", "disk", qemu_nbd),
    Server("nbd-server", "disk", nbd_server),
)}

CHANNELS = {channel.name: channel for channel in (
    Channel("plain", tcp=("qemu-nbd",)),
    Channel("certificate", tls=True, tcp=("nbdkit", "qemu-nbd")),
    Channel("psk", tls=True, tcp=("qemu-nbd",)),
)}


def first_of(pattern):
    return next(iter(sorted(glob.glob(pattern))), None)


def consumer(name):
    table = (
        Consumer("nbdinfo", "/usr/bin/nbdinfo"),
        Consumer("nbdcopy", "/usr/bin/nbdcopy"),
        Consumer("nbddump", "/usr/bin/nbddump"),
        Consumer("nbdsh", first_of("/usr/lib/python3/dist-packages/"
                                   "libnbdmod.cpython-*.so"),
                 programs=("nbdsh",)),
        Consumer("nbdfuse", "/usr/bin/nbdfuse", programs=("fusermount3",),
                 needs_fuse=True),
        Consumer("ocaml", os.environ.get("OCAML_CLIENT")),
        Consumer("fio", "/usr/bin/fio"),
        Consumer("nbdkit-plugin", first_of("/usr/lib/*/nbdkit/plugins/"
                                           "nbdkit-nbd-plugin.so")),
    )
    return {row.name: row for row in table}[name]
