# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stubs that gRPC's own Python tools generate from our .proto files, made
when the tests run: a client that nobody here wrote."""

import importlib
import os
import sys

import grpc_tools
from grpc_tools import protoc

PROTO_FILES = (
    "nbdclientd/v1/common.proto",
    "nbdclientd/v1/volumes.proto",
    "nbdclientd/v1/io.proto",
    "nbdclientd/v1/negotiation.proto",
    "nbdclientd/v1/admin.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
    "google/rpc/status.proto",
)

# Where generated modules of these packages would hide installed ones, they are
# generated under a name of our own.
RENAMED = {"grpc/": "stock_grpc/", "google/": "stock_google/"}


def _copy(proto_root, target):
    """The files as they are, but for the folders of RENAMED: what goes over the
    wire depends on package names, not on file names."""
    for name in PROTO_FILES + ("google/protobuf/any.proto",):
        with open(os.path.join(proto_root, name), encoding="utf-8") as source:
            text = source.read()
        for old, new in RENAMED.items():
            text = text.replace(f'import "{old}', f'import "{new}')
            if name.startswith(old):
                name = new + name[len(old):]
        text = text.replace('import "stock_google/protobuf/any.proto"',
                            'import "google/protobuf/any.proto"')
        if name.endswith("any.proto"):
            continue
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        yield name


class Stubs:
    """The generated modules, by the last part of their name."""


def generate(proto_root, target):
    """Generates into TARGET, a directory, and imports from there."""
    well_known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    names = list(_copy(proto_root, target))
    status = protoc.main(["protoc", f"--proto_path={target}",
                          f"--proto_path={well_known}",
                          f"--python_out={target}",
                          f"--grpc_python_out={target}", *names])
    if status != 0:
        raise RuntimeError(f"protoc fails with {status} on {names}")
    sys.path.insert(0, target)
    stubs = Stubs()
    for name in names:
        module = name[:-len(".proto")].replace("/", ".")
        short = module.split(".")[-1]
        if "v1alpha" in module:
            short += "_alpha"
        setattr(stubs, short, importlib.import_module(module + "_pb2"))
        setattr(stubs, short + "_grpc",
                importlib.import_module(module + "_pb2_grpc"))
    return stubs
