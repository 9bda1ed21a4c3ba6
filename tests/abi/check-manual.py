#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does every function that a public header declares have its manual page, with
the same prototype, under its own name? Do the pages refer only to what is
there? Usage: check-manual.py PAGE-DIR LINK-DIR HEADER..."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

wrong = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def same_spelling(prototype):
    """A prototype with its blanks in one manner."""
    text = re.sub(r"\s+", " ", prototype)
    text = re.sub(r"\s*([(),])\s*", r"\1", text)
    return re.sub(r"\s*\*\s*", " *", text).strip()


def prototypes_of_header(path):
    """{name: prototype} of what the header declares."""
    text = re.sub(r"/\*.*?\*/", " ", read(path), flags=re.S)
    text = re.sub(r"^\s*#(?:\\\n|[^\n])*", "", text, flags=re.M)
    found = {}
    for match in re.finditer(
            r"(?<![\w*])((?:const\s+|struct\s+)*\w+[\s*]+)(nbd_\w+)\s*"
            r"\(([^()]*)\)\s*(?:LIBNBD_\w+(?:\((?:[^()]|\([^()]*\))*\))?\s*)*;",
            text):
        result, name, arguments = match.groups()
        found[name] = same_spelling(f"{result} {name}({arguments})")
    return found


def unquoted(line):
    return line.split(" ", 1)[1].strip().strip('"')


def prototypes_of_page(text):
    """{name: prototype} of the section SYNOPSIS of a page."""
    found = {}
    result, name, arguments = "", "", []
    for line in text.split(".Sh SYNOPSIS")[1].split("\n.Sh ")[0].split("\n"):
        if line.startswith(".Ft "):
            result = unquoted(line)
        elif line.startswith(".Fo "):
            name, arguments = unquoted(line), []
        elif line.startswith(".Fa "):
            arguments.append(unquoted(line))
        elif line == ".Fc":
            found[name] = same_spelling(
                f"{result} {name}({','.join(arguments)})")
    return found


def names_of_page(text):
    name = text.split(".Sh NAME")[1].split("\n.Sh ")[0]
    return re.findall(r"^\.Nm (\S+)", name, flags=re.M)


def described_alike(name):
    """What may be described in a function's stead: the call that waits, the
    setter, the form without a list of its own."""
    waits = name.replace("_aio_", "_")
    return {name, waits, waits.removesuffix("_queries"),
            name.replace("nbd_get_", "nbd_set_")}


def check_page(path, text, declared):
    """Complains about a page; the functions it is about."""
    page = os.path.basename(path)
    prototypes = prototypes_of_page(text)
    names = [name for name in names_of_page(text) if name.startswith("nbd_")]
    if sorted(names) != sorted(prototypes):
        wrong.append(f"{page}: NAME and SYNOPSIS differ: "
                     f"{sorted(set(names) ^ set(prototypes))}")
    for name, prototype in prototypes.items():
        if name not in declared:
            wrong.append(f"{page}: no header declares {name}")
        elif declared[name] != prototype:
            wrong.append(f"{page}: has    {prototype}\n"
                         f"  the header {declared[name]}")
    # Said once in the description: a name in the synopsis says nothing.
    body = text.split(".Sh DESCRIPTION")[1]
    for name in names:
        if not any(re.search(rf"\b{alike}\b", body)
                   for alike in described_alike(name)):
            wrong.append(f"{page}: does not describe {name}")
    return names


def check_reference(page, text, known):
    for name in re.findall(r"^\.Xr ((?:nbd_|libnbd)\w*) 3", text, flags=re.M):
        if name not in known:
            wrong.append(f"{page}: refers to {name}(3), which is not there")


def check_link(name, page, link_dir):
    if name + ".3" == page:
        return
    path = os.path.join(link_dir, name + ".3")
    if not os.path.exists(path):
        wrong.append(f"{name} has no link to {page}")
    elif read(path) != f".so man3/{page}\n":
        wrong.append(f"{path} is no link to {page}")


def check_with_man(names, pages, link_dir):
    """As a user would ask for them."""
    if not shutil.which("man"):
        return
    with tempfile.TemporaryDirectory() as root:
        section = os.path.join(root, "man3")
        os.mkdir(section)
        for path in (*pages, *glob.glob(os.path.join(link_dir, "*.3"))):
            shutil.copy(path, section)
        done = subprocess.run(["man", "-M", root, "-w", "3", *names],
                              text=True, check=False, stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE)
        if done.returncode != 0:
            wrong.append(f"man does not find all: {done.stdout}")


def check_with_mandoc(pages):
    if not shutil.which("mandoc"):
        return
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages],
                          text=True, check=False, stderr=subprocess.STDOUT,
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        wrong.append(done.stdout)


def main():
    page_dir, link_dir, headers = sys.argv[1], sys.argv[2], sys.argv[3:]
    declared = {}
    for header in headers:
        declared |= prototypes_of_header(header)
    if len(declared) < 165:
        wrong.append(f"only {len(declared)} functions found in {headers}")
    pages = {path: read(path)
             for path in sorted(glob.glob(os.path.join(page_dir, "*.3")))}
    described = {}
    for path, text in pages.items():
        page = os.path.basename(path)
        if page == "libnbd.3":
            continue
        for name in check_page(path, text, declared):
            if name in described:
                wrong.append(f"{name}: in {described[name]} and {page}")
            described[name] = page
            check_link(name, page, link_dir)
    for name in sorted(declared.keys() - described.keys()):
        wrong.append(f"{name} has no manual page")
    known = described.keys() | {os.path.basename(path)[:-2] for path in pages}
    for path, text in pages.items():
        check_reference(os.path.basename(path), text, known)
    check_with_man(sorted(declared), pages, link_dir)
    check_with_mandoc(pages)
    for line in wrong:
        print(line)
    print(f"{len(declared)} functions, {len(pages)} pages")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
