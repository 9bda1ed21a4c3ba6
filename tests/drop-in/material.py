# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a scenario needs beside a server: a disk image, and for TLS the
certificates or the key."""

import os
import random
import shutil
import subprocess

MiB = 1024 * 1024
# Not a multiple of the larger blocks, and sparse in every proportion.
IMAGE_SIZE = 6 * MiB + 4096
PIECES = ((0, 200_000), (2 * MiB, 4096), (3 * MiB - 512, 300_000),
          (IMAGE_SIZE - 4096, 4096))

COMMON = "expiration_days = 2\n"
AUTHORITY = COMMON + "cn = Drop-in CA\nca\ncert_signing_key\n"
SERVER = COMMON + ("cn = localhost\ndns_name = localhost\n"
                   "ip_address = 127.0.0.1\ntls_www_server\nsigning_key\n")
CLIENT = COMMON + "cn = drop-in client\ntls_www_client\nsigning_key\n"


def certtool(directory, *arguments):
    subprocess.run(["certtool", *arguments], cwd=directory, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def make_certificate(pki, name, template, *arguments):
    write(f"{pki}/{name}.template", template)
    certtool(pki, "--generate-privkey", "--key-type=ecdsa",
             f"--outfile={name}-key.pem")
    certtool(pki, *arguments, f"--load-privkey={name}-key.pem",
             f"--template={name}.template", f"--outfile={name}-cert.pem")


def make_certificates(pki):
    os.makedirs(pki)
    signed = ("--generate-certificate", "--load-ca-certificate=ca-cert.pem",
              "--load-ca-privkey=ca-key.pem")
    make_certificate(pki, "ca", AUTHORITY, "--generate-self-signed")
    make_certificate(pki, "server", SERVER, *signed)
    make_certificate(pki, "client", CLIENT, *signed)


def make_home(material):
    """A home with the certificates where libnbd looks for them."""
    where = f"{material}/home/.pki/libnbd"
    os.makedirs(where)
    for name in ("ca-cert.pem", "client-cert.pem", "client-key.pem"):
        shutil.copyfile(f"{material}/pki/{name}", f"{where}/{name}")


def make_key(directory):
    os.makedirs(directory)
    subprocess.run(["psktool", "--username=alice", f"-p{directory}/keys.psk"],
                   check=True, stdout=subprocess.DEVNULL)


def make_image(path):
    dice = random.Random(1)
    with open(path, "wb") as file:
        file.truncate(IMAGE_SIZE)
        for offset, length in PIECES:
            file.seek(offset)
            file.write(dice.randbytes(length))


def make(work, channel):
    material = f"{work}/material"
    os.mkdir(material)
    make_image(f"{work}/image")
    if channel.name == "certificate":
        make_certificates(f"{material}/pki")
        make_home(material)
    elif channel.name == "psk":
        make_key(f"{material}/psk")
