#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a shell offers after a tab: the script's own functions, run by the shell
itself, with a real daemon where it is asked for names."""

import os
import shutil
import subprocess
import unittest

import support
from support import USAGE

# The shell is told the line up to the cursor, in $LINE.
BASH = r'''
COMP_LINE=$LINE COMP_POINT=${#LINE}
_nbdctl
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
'''

# compadd and its like exist only while zsh completes: here they print. What
# does not begin with the word zsh leaves out by itself.
ZSH = r'''
compdef() { : }
compset() { : }
_files() { print -l -- "${PREFIX##*=}"*(N) }
compadd() { shift; print -l -- "${(M)@:#${PREFIX##*=}*}" }
source "$SCRIPT"
words=("${(z)LINE}")
case $LINE in
*' ') words+=('') ;;
esac
CURRENT=${#words}
PREFIX=${words[-1]}
_nbdctl
'''

FISH = r'''
source $SCRIPT
complete -C $LINE | string replace -r '\t.*' ''
'''


class Completion(support.Case):
    """What every shell offers. SHELL is set by those who run it."""

    shell = "bash"

    def setUp(self):
        super().setUp()
        if not shutil.which(self.shell):
            self.skipTest(f"there is no {self.shell}")
        script = self.nbdctl("completion", self.shell).out
        self.script = self.write_file("script." + self.shell, script)
        self.environment["PATH"] = (os.path.dirname(support.NBDCTL) + ":" +
                                    self.environment["PATH"])
        # fish wants to write there.
        self.environment["HOME"] = self.directory

    def command_for(self):
        return ["bash", "--norc", "-c", f". '{self.script}'\n" + BASH]

    def offered(self, line):
        process = subprocess.run(
            self.command_for(), stdin=subprocess.DEVNULL,
            capture_output=True, cwd=self.directory, check=False,
            env=dict(self.environment, LINE=line, SCRIPT=self.script),
            timeout=support.TIMEOUT)
        self.assertEqual(process.stderr, b"")
        return {word.strip() for word
                in process.stdout.decode().splitlines() if word.strip()}

    def serve_two(self):
        server = self.nbdkit("server", "memory", "1M")
        self.start_daemon({"disk0": server.uri, "disk-two": server.uri})
        self.nbdctl("read", "disk0", "--length", "1")

    def test_the_first_word(self):
        self.assertEqual(self.offered("nbdctl vo"), {"volume"})
        self.assertEqual(self.offered("nbdctl co"),
                         {"config", "conn", "contexts", "copy", "compare",
                          "completion"})
        self.assertGreater(len(self.offered("nbdctl ")), 30)

    def test_the_verbs_of_a_noun(self):
        self.assertEqual(self.offered("nbdctl conn "),
                         {"ls", "show", "kill"})
        self.assertEqual(self.offered("nbdctl -q daemon re"), {"reload"})

    def test_options_are_those_of_the_command(self):
        offered = self.offered("nbdctl copy --")
        self.assertLessEqual({"--verify", "--output", "--jobs"}, offered)
        self.assertNotIn("--offset", offered)
        self.assertEqual(self.offered("nbdctl map --to"), {"--totals"})
        self.assertEqual(self.offered("nbdctl --dry"), {"--dry-run"})

    def test_values_of_options(self):
        self.assertEqual(self.offered("nbdctl -o js"), {"json", "jsonl"})
        self.assertEqual(self.offered("nbdctl bench --rw rand"),
                         {"randread", "randwrite"})

    def test_volumes_are_asked_of_the_daemon(self):
        self.serve_two()
        self.assertEqual(self.offered("nbdctl volume show "),
                         {"disk0", "disk-two"})
        self.assertEqual(self.offered("nbdctl -o json size disk-"),
                         {"disk-two"})
        self.assertEqual(self.offered("nbdctl stats --color never d"),
                         {"disk0", "disk-two"})
        self.assertEqual(self.offered("nbdctl can trim disk0"), {"disk0"})
        # One is enough.
        self.assertEqual(self.offered("nbdctl size disk0 "), set())

    def test_an_address_that_is_given_is_asked(self):
        self.serve_two()
        address = self.environment.pop("NBDCTL_ADDRESS")
        self.environment["NBDCTL_ADDRESS"] = self.path("nowhere")
        self.assertEqual(self.offered("nbdctl size disk"), set())
        self.assertEqual(self.offered(f"nbdctl -a {address} size disk0"),
                         {"disk0"})

    def test_numbers_of_connections(self):
        self.serve_two()
        for name in ("disk0", "disk-two"):
            # Waits for its connection.
            self.nbdctl("read", name, "--length", "1", "-")
        ids = set(self.nbdctl("conn", "ls", "-o", "value", "--columns",
                              "id").text.split())
        self.assertTrue(ids)
        self.assertEqual(self.offered("nbdctl conn show "), ids)
        self.assertEqual(self.offered("nbdctl conn kill 1 "), ids)

    def test_without_a_daemon_nothing_is_offered(self):
        self.assertEqual(self.offered("nbdctl volume show "), set())

    def test_features_and_files(self):
        self.assertEqual(self.offered("nbdctl can fa"), {"fast-zero"})
        self.write_file("image.raw", b"")
        self.assertIn("image.raw", self.offered("nbdctl copy ima"))
        self.assertIn("image.raw", self.offered("nbdctl read disk0 ima"))
        self.assertEqual(self.offered("nbdctl completion "),
                         {"bash", "zsh", "fish"})


class Bash(Completion):
    def test_a_colon_in_a_word(self):
        # Readline has taken it for the end of a word.
        self.assertEqual(self.offered("nbdctl map -c base:al"),
                         {"allocation"})

    def test_a_value_behind_an_equals_sign(self):
        self.assertEqual(self.offered("nbdctl --output=js"),
                         {"json", "jsonl"})

    def test_the_name_under_which_bash_loads_it(self):
        script = "complete -p nbdctl"
        process = subprocess.run(
            ["bash", "--norc", "-c", f". '{self.script}'; {script}"],
            capture_output=True, check=True)
        self.assertEqual(process.stdout, b"complete -F _nbdctl nbdctl\n")


class Zsh(Completion):
    shell = "zsh"

    def command_for(self):
        return ["zsh", "-f", "-c", ZSH]

    def test_the_first_line_says_what_it_completes(self):
        self.assertTrue(self.read_file("script.zsh").startswith(
            b"#compdef nbdctl\n"))


class Fish(Completion):
    shell = "fish"

    def command_for(self):
        return ["fish", "--no-config", "-c", FISH]

    def test_what_is_offered_is_explained(self):
        process = subprocess.run(
            ["fish", "--no-config", "-c",
             "source $SCRIPT; complete -C 'nbdctl statu'"],
            capture_output=True, check=True,
            env=dict(self.environment, SCRIPT=self.script))
        self.assertRegex(process.stdout, rb"^status\t\w+")


class Usage(support.Case):
    def test_another_shell(self):
        result = self.nbdctl("completion", "csh", code=USAGE)
        self.assertEqual(result.out, b"")


# It stands for the three that are made of it.
del Completion

if __name__ == "__main__":
    support.main()
