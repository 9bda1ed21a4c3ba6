#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program that others compiled against libnbd, twice: on Debian's
libnbd.so.0, as the control, and on ours. What the two runs print must be the
same, byte for byte, once addresses are masked. What a run itself finds wrong,
such as data that differs, fails it whichever library it used.

Usage: run.py OUR-LIBRARY WITH-SERVER CONSUMER SERVER CHANNEL [--keep]

CONSUMER is a script in consumers/; SERVER and CHANNEL are rows of the tables
in this directory's tables.py. --keep leaves the work directory for a look."""

import difflib
import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile

import material
import tables

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
# For each of the two runs.
TIMEOUT_SECONDS = 50


class Skip(Exception):
    """This test cannot run here; says what is missing."""


def check_output(*command, **more):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE, **more).stdout


def distribution_library():
    """Where the loader finds libnbd.so.0 when nobody tells it."""
    for line in check_output("/sbin/ldconfig", "-p").splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.split(" ")[0] == "libnbd.so.0":
            return os.path.realpath(path)
    raise Skip("there is no libnbd.so.0 to compare with: install libnbd0")


def sanitizer_of(library):
    """The run-time that must be loaded first if the library has one."""
    for line in check_output("ldd", library).splitlines():
        if re.match(r"\s*lib[at]san\.", line):
            return line.split()[2]
    return None


class Library:
    def __init__(self, name, path):
        self.name = name
        self.path = os.path.realpath(path)
        self.environment = {"LD_LIBRARY_PATH": os.path.dirname(path)}
        sanitizer = sanitizer_of(path)
        if sanitizer:
            # The leaks of other people's programs are theirs.
            self.environment |= {"LD_PRELOAD": sanitizer,
                                 "ASAN_OPTIONS": "detect_leaks=0"}

    def is_used_by(self, binary):
        listing = check_output("ldd", binary,
                               env=os.environ | self.environment)
        found = re.search(r"libnbd\.so\.0 => (\S+)", listing)
        if not found:
            raise SystemExit(f"{binary} does not use libnbd.so.0")
        return os.path.realpath(found.group(1)) == self.path

    def supports_tls(self):
        import ctypes
        library = ctypes.CDLL(self.path)
        library.nbd_create.restype = ctypes.c_void_p
        return bool(library.nbd_supports_tls(
            ctypes.c_void_p(library.nbd_create())))


def require(consumer):
    for program in ("nbdkit", "qemu-img", *consumer.programs):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    if consumer.binary is None or not os.path.exists(consumer.binary):
        raise Skip(f"what {consumer.name}.sh runs is not there: "
                   f"{consumer.binary or 'no file of its package found'}")
    if consumer.needs_fuse and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("/dev/fuse cannot be opened")


# The function in whose name an error is reported and its errno are part of the
# interface; the words between are each library's own.
ERRNO_TEXTS = "|".join(re.escape(os.strerror(number))
                       for number in sorted(errno.errorcode))
MESSAGE = re.compile(rf"\b(nbd_[a-z0-9_]+): .*?(?:: ({ERRNO_TEXTS}))?"
                     r"(?=[ \"'|()]*(?:\||$|\([A-Z]))", re.MULTILINE)


def without_words(match):
    return f"{match.group(1)}: MESSAGE: {match.group(2) or 'no errno'}"


def normalised(text, places):
    """Without what may differ from run to run."""
    text = MESSAGE.sub(without_words, text)
    # A server that dies at once may do so before or after it is connected to.
    text = re.sub("Connection (refused|reset by peer)", "Connection LOST", text)
    for place, name in places:
        text = text.replace(place, name)
    text = re.sub(r"/tmp/nbdtest\.\w{6}", "SERVER-DIR", text)
    text = re.sub(r"/tmp/libnbd\w{6}", "ACTIVATION-DIR", text)
    return re.sub(r"(127\.0\.0\.1:|localhost:|port=)\d{4,5}\b", r"\1PORT", text)


def unmount(place):
    """Also what nbdfuse left behind when it was killed, which cannot even be
    looked at."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        if any(line.split()[1] == place for line in mounts):
            subprocess.run(["fusermount3", "-u", "-z", place], check=True)


class Run:
    """One scenario in a directory of its own, always under the same path."""

    def __init__(self, work, arguments):
        self.work = work
        self.with_server = arguments.with_server
        self.consumer = arguments.consumer
        self.server = arguments.server
        self.channel = arguments.channel

    def command(self, work):
        # The server gets no LD_LIBRARY_PATH: only the consumer is on trial.
        to_server = ["--tcp"] if self.channel.tcp_on(self.server) else []
        return [self.with_server, *to_server,
                *self.server.command(self.channel, f"{work}/image",
                                     f"{self.work}/material"),
                "--", "/bin/sh", f"{HERE}/scenario.sh",
                f"{HERE}/consumers/{self.consumer.name}.sh"]

    def environment(self, library, work):
        plain = {name: value for name, value in os.environ.items()
                 if name not in ("LD_LIBRARY_PATH", "LD_PRELOAD",
                                 "LIBNBD_DEBUG")}
        return plain | {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "work": work,
            "image": f"{work}/image",
            "reference": f"{self.work}/image",
            "material": f"{self.work}/material",
            "server": self.server.name,
            "export": self.server.export,
            "channel": self.channel.name,
            "consumer_binary": self.consumer.binary,
            "consumers": f"{HERE}/consumers",
            "library_environment": " ".join(
                f"{name}={value}"
                for name, value in library.environment.items()),
        }

    def on(self, library):
        work = f"{self.work}/run"
        if not library.is_used_by(self.consumer.binary):
            raise SystemExit(f"{self.consumer.binary} does not load "
                             f"{library.path}")
        os.mkdir(work)
        shutil.copyfile(f"{self.work}/image", f"{work}/image")
        status = self.play(library, work)
        said = {}
        for name in ("output", "server-log"):
            with open(f"{self.work}/{name}", errors="replace",
                      encoding="utf-8") as file:
                said[name] = file.read()
        shutil.rmtree(work)
        if status != 0:
            print(f"What the server said, with {library.name} library:\n"
                  f"{said['server-log']}")
        return status, normalised(said["output"], [(self.work, "WORK-DIR")])

    def play(self, library, work):
        """The exit status; nothing that was started is left running. What
        the server says on standard error is kept apart: when it notices what
        is its own affair."""
        with (open(f"{self.work}/output", "w", encoding="utf-8") as output,
              open(f"{self.work}/server-log", "w", encoding="utf-8") as log,
              subprocess.Popen(self.command(work), cwd=work,
                               env=self.environment(library, work),
                               stdin=subprocess.DEVNULL, stdout=output,
                               stderr=log,
                               start_new_session=True) as scenario):
            try:
                return scenario.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                return f"still running after {TIMEOUT_SECONDS} seconds"
            finally:
                # Who is left is in the session that we gave it.
                subprocess.run(["pkill", "-KILL", "-s", str(scenario.pid)],
                               check=False)
                unmount(f"{work}/mount")


def compare(control, ours):
    """Prints what is wrong; how many things are."""
    wrong = 0
    for name, (status, output) in (("Debian's", control), ("our", ours)):
        if status != 0:
            wrong += 1
            print(f"On {name} library the scenario fails ({status}):\n"
                  f"{output}")
        elif len(output.splitlines()) < 2:
            wrong += 1
            print(f"On {name} library the scenario shows nothing")
    if control[1] != ours[1]:
        wrong += 1
        print("The two libraries make a difference:")
        sys.stdout.writelines(difflib.unified_diff(
            control[1].splitlines(True), ours[1].splitlines(True),
            "Debian's libnbd", "our libnbd"))
    return wrong


class Arguments:
    def __init__(self, words):
        self.keep = words[-1] == "--keep"
        library, with_server, consumer, server, channel = words[:5]
        self.library = os.path.abspath(library)
        self.with_server = os.path.abspath(with_server)
        self.consumer = tables.consumer(consumer)
        self.server = tables.SERVERS[server]
        self.channel = tables.CHANNELS[channel]


def run(arguments, work):
    require(arguments.consumer)
    ours = Library("our", arguments.library)
    control = Library("Debian's", distribution_library())
    if control.path == ours.path:
        raise SystemExit(f"{ours.path} cannot be compared with itself")
    if arguments.channel.tls and not ours.supports_tls():
        raise SystemExit("our library was built without TLS")
    material.make(work, arguments.channel)
    scenario = Run(work, arguments)
    results = [scenario.on(library) for library in (control, ours)]
    wrong = compare(*results)
    if not wrong:
        print(f"Both libraries, {len(results[1][1].splitlines())} lines:")
        print(results[1][1])
    return 1 if wrong else 0


def main():
    arguments = Arguments(sys.argv[1:])
    work = tempfile.mkdtemp(prefix="nbd-drop-in.", dir="/tmp")
    os.chmod(work, 0o755)
    try:
        return run(arguments, work)
    except Skip as reason:
        print(reason)
        return SKIPPED
    finally:
        if arguments.keep:
            print(f"left behind: {work}")
        else:
            shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
