#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do <libnbd.h> and <libnbd-ext.h> declare what is recorded? A program that asserts every
value, size, offset and prototype is compiled, as C99 and as C++, with all
warnings as errors. Usage: check-header.py c99|c++ INCLUDE-DIR COMPILER..."""

import re
import subprocess
import sys

import records

FUNCTION_POINTER = re.compile(r"^(.*)\(\*\)\((.*)\)$")


def assertion(language, condition):
    if language == "c++":
        return f'static_assert({condition}, "as recorded");'
    # C99 has no static assertions: a negative size is an error as well.
    return f"extern char as_recorded[({condition}) ? 1 : -1];"


def field_check(row):
    """The field has exactly the recorded type: a variable of that type is
    set from it."""
    name = f"check_{row['type']}_{row['field']}"
    match = FUNCTION_POINTER.match(row["field_type"])
    if match:
        declared = f"{match.group(1)}(*field)({match.group(2)})"
    else:
        declared = f"{row['field_type']} field"
    return (f"void {name}({row['type']} *of);\n"
            f"void {name}({row['type']} *of)\n"
            f"{{ {declared} = of->{row['field']}; (void)field; }}")


def program(language):
    # It brings <libnbd.h> along.
    yield "#include <libnbd-ext.h>"
    # Twice: a header must not mind.
    yield "#include <libnbd-ext.h>"
    yield "#include <libnbd.h>"
    yield "#include <stddef.h>"
    if language == "c++":
        yield "#include <cstring>"
        yield "static constexpr bool same(const char *a, const char *b)"
        yield "{ return *a == *b && (!*a || same(a + 1, b + 1)); }"
    for row in records.constants():
        name, value = row["name"], row["value"]
        if value.startswith('"'):
            yield (assertion(language, f"same({name}, {value})")
                   if language == "c++" else
                   assertion(language, f"sizeof({name}) == sizeof({value})"))
        else:
            yield assertion(language, f"{name} == {value}")
            yield f"#if {name} != {value}\n#error {name}\n#endif"
    for row in records.types():
        yield assertion(language, f"sizeof({row['type']}) == {row['size']}")
        yield assertion(language, f"offsetof({row['type']}, {row['field']}) "
                                  f"== {row['offset']}")
        yield field_check(row)
    if language == "c++":
        yield 'extern "C" {'
    for row in records.functions() + records.ext_functions():
        macro = "LIBNBD_HAVE_" + row["name"].upper()
        yield f"#if !{macro}\n#error {macro}\n#endif"
        # Declaring again is an error unless the types are the same.
        yield row["prototype"] + ";"
    if language == "c++":
        yield "}"
    else:
        yield "void use_null(nbd_completion_callback *completion);"
        yield "void use_null(nbd_completion_callback *completion)"
        yield "{ *completion = NBD_NULL_COMPLETION; }"


def main():
    language, include, compiler = sys.argv[1], sys.argv[2], sys.argv[3:]
    options = {"c99": ["-x", "c", "-std=c99"],
               "c++": ["-x", "c++", "-std=c++11"]}[language]
    done = subprocess.run(
        [*compiler, *options, "-Wall", "-Wextra", "-pedantic", "-Werror",
         "-fsyntax-only", "-I", include, "-"],
        input="\n".join(program(language)) + "\n", text=True, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
