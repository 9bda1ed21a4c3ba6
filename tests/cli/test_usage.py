#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nbdctl without any server: usage, help, and what fails early."""

import os
import re
import subprocess

import support
from support import GENERAL, NO_DAEMON, USAGE


class Usage(support.Case):
    def test_help_lists_commands_and_exit_codes(self):
        text = self.nbdctl("--help").text
        for word in ("volume ls", "copy SOURCE DESTINATION", "--output",
                     "the daemon cannot be reached"):
            self.assertIn(word, text)

    def test_each_command_has_help(self):
        for command, words in self.commands():
            result = self.nbdctl(*words, "--help")
            self.assertIn("Usage: nbdctl " + command, result.text)

    def test_the_manual_has_every_command_and_option(self):
        page = subprocess.run(
            ["mandoc", "-Tutf8", os.environ["NBDCTL_MANUAL"]],
            capture_output=True, check=True).stdout.decode()
        # Bold is a letter over itself, and lines are filled.
        page = " ".join(re.sub(".\b", "", page).split())
        for command, words in self.commands():
            self.assertTrue(re.search(rf"\b{command}\b", page), command)
            text = self.nbdctl(*words, "--help").text
            for option in re.findall(r"--[a-z-]+", text):
                self.assertTrue(option in page, f"{command} {option}")

    def commands(self):
        """"volume ls" and the like, whole and as words."""
        text = self.nbdctl("--help").text
        lines = text.split("Commands:\n")[1].split("\n\n")[0].splitlines()
        nouns = ("volume", "conn", "client", "daemon", "config")
        for line in lines[:-1]:
            words = line.split()
            words = words[:2] if words[0] in nouns else words[:1]
            yield " ".join(words), words

    def test_libraries_are_loaded_by_commands_that_need_them(self):
        self.environment["LD_LIBRARY_PATH"] = self.path("broken")
        file = self.write_file("file", b"x")
        for soname, words in (
                ("libnbd.so.0", ["--direct", "size", "nbd://127.0.0.1/"]),
                ("libgnutls.so.30", ["checksum", file])):
            self.write_file("broken/" + soname, b"")
            self.nbdctl("--help")
            result = self.nbdctl("-o", "json", *words, code=GENERAL)
            self.assertIn(soname, result.error()["seen"])
            os.unlink(self.path("broken/" + soname))

    def test_mistakes_are_refused_and_say_what_to_do(self):
        for words in ([], ["frobnicate"], ["volume"], ["size"],
                      ["read", "a", "--offset", "x"], ["-o", "yaml", "status"],
                      ["info", "not a volume"], ["info", "http://host/"],
                      ["copy", "./same", "./same"]):
            result = self.nbdctl(*words, code=USAGE)
            self.assertEqual(result.out, b"")
            self.assertIn("nbdctl: cannot ", result.err)
            self.assertIn("nbdctl: to do: ", result.err)

    def test_help_and_mistakes_start_neither_grpc_nor_libnbd(self):
        # Both would make threads, sockets or event queues. So does the leak
        # checker of a sanitizer build.
        trace = self.path("trace")
        environment = dict(self.environment, ASAN_OPTIONS="detect_leaks=0")
        for words in (["--help"], ["frobnicate"], ["info", "http://host/"]):
            subprocess.run(
                ["strace", "-f", "-o", trace, "-e",
                 "trace=clone,clone3,socket,epoll_create1",
                 support.NBDCTL] + words,
                capture_output=True, env=environment, check=False)
            with open(trace, encoding="utf-8") as file:
                calls = [line for line in file
                         if "(" in line and "+++" not in line]
            self.assertEqual(calls, [])

    def test_without_a_daemon(self):
        for words in (["status"], ["volume", "ls"], ["size", "disk0"],
                      ["read", "disk0"], ["copy", "disk0", "./file"],
                      ["ping"], ["info", "nbd://localhost"]):
            result = self.nbdctl("-o", "json", *words, code=NO_DAEMON)
            self.assertEqual(result.out, b"")
            error = result.error()
            self.assertEqual(error["code"], NO_DAEMON)
            self.assertEqual(error["errno"], "ENOENT")
            self.assertIn("no-daemon.sock", error["seen"])
            self.assertTrue(error["todo"])
        self.assertFalse(os.path.exists("./file"))

    def test_a_socket_that_nobody_listens_on(self):
        server = self.serve("gone", "true")
        server.process.wait()
        result = self.nbdctl("-a", server.path, "-o", "json", "ping",
                             code=NO_DAEMON)
        self.assertEqual(result.error()["errno"], "ECONNREFUSED")

    def test_version_is_known_without_a_daemon(self):
        result = self.nbdctl("version", "-o", "json")
        self.assertTrue(result.json()["version"][0]["nbdctl"])
        self.assertIsNone(result.json()["version"][0]["daemon"])

    def test_a_full_disk_for_standard_output_is_an_error(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run(
                [support.NBDCTL, "--help"], stdout=full,
                stderr=subprocess.PIPE, env=self.environment, check=False)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(b"No space left", process.stderr)

    def test_files_copy_without_any_server(self):
        data = os.urandom(300000) + bytes(700000)
        path = self.write_file("from", data)
        self.nbdctl("copy", path, self.path("to"), "--find-zeroes",
                    "--verify")
        self.assertEqual(self.read_file("to"), data)
        self.nbdctl("compare", path, self.path("to"))
        self.nbdctl("copy", "-", self.path("piped"), input=data)
        self.assertEqual(self.read_file("piped"), data)
        self.assertEqual(self.nbdctl("copy", path, "-").out, data)

    def test_a_file_is_not_copied_to_itself(self):
        path = self.write_file("data", b"precious")
        os.link(path, self.path("link"))
        self.nbdctl("copy", path, self.path("link"), code=USAGE)
        self.assertEqual(self.read_file("data"), b"precious")


if __name__ == "__main__":
    support.main()
