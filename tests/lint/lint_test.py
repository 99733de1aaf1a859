#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows that each fast rule of tests/lint/lint can fail: a small tree that keeps all rules is broken
in one place, and exactly the rule in question must complain."""

import os
import shutil
import subprocess
import sys
import tempfile

LINT = os.path.abspath("tests/lint/lint")
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"
HEAD = f"// {LICENCE}\n"
SOUND = {
    "lib/base/check.h": HEAD,
    "lib/core/press.h": HEAD,
    "lib/core/lane.h": HEAD,
    "lib/core/press.c": HEAD + '#include "lib/core/lane.h"\n\n#include <string.h>\n\n'
                               "int press(const char *text)\n{\n    return (int)strlen(text);\n}\n",
    "tools/main.c": HEAD + '#include "lib/base/check.h"\n',
    "daemon/main.c": HEAD + '#include "lib/core/press.h"\n',
    "run": f"#!/bin/sh\n# {LICENCE}\ntrue\n",
}


def function_of(lines):
    return "\nvoid long_one(void)\n{\n" + "    ;\n" * lines + "}\n"


# What is broken: the rule's words, the file, what is put there (added to, when it exists).
BREAKS = [
    ("include only what they may see", "tools/main.c", '#include "lib/core/press.h"\n'),
    ("include only what they may see", "daemon/x.c", HEAD + '#include "tools/main.h"\n'),
    ("include only what they may see", "lib/core/slot.c", HEAD + '#include "lib/image/hash.h"\n'),
    ("include only what they may see", "daemon/x.c", HEAD + '#include "lib/base/missing.h"\n'),
    ("headers inside the core", "daemon/x.c", HEAD + '#include "lib/core/lane.h"\n'),
    ("no header of the system", "lib/core/slot.c", HEAD + "#include <time.h>\n"),
    ("allow-list", "lib/core/slot.c",
     HEAD + "int puts(const char *);\nint slot(void);\nint slot(void)\n{\n"
            '    return puts("");\n}\n'),
    ("writable data", "lib/core/slot.c", HEAD + "int slot_count = 3;\n"),
    ("writable data", "lib/core/slot.c", HEAD + "int slot_count;\n"),
    ("SPDX", "lib/core/slot.c", "int slot(void);\n"),
    ("SPDX", "run", f"#!/bin/sh\ntrue\n\n# {LICENCE}\n"),
    ("fit a screen", "daemon/main.c", function_of(81)),
    ("fit a sitting", "daemon/main.c", "extern int a;\n" * 701),
    ("white space", "run", "true \n"),
    ("white space", "daemon/main.c", "/*\t*/\n"),
    ("one person's machine", "run", "true /ro" "ot/file\n"),
    ("clang-format", "daemon/main.c", "int   a;\n"),
    ("shellcheck", "run", "unused=1\n"),
]


def write_tree(root, files):
    for path, text in files.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    shutil.copy(".clang-format", root)


def complaints(files):
    """Builds a tree, and returns the rules that it breaks."""
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        for source in (path for path in files if path.startswith("lib/core/")
                       and path.endswith(".c")):
            target = os.path.join(root, "build/gcc/objects", source[:-2] + ".o")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # A header that breaks a rule by not being there breaks no other rule by that.
            subprocess.run(["gcc", "-fPIE", "-I.", "-w", "-x", "c", "-c", "-o", target, "-"],
                           cwd=root, check=True, text=True, input="\n".join(
                               line for line in files[source].splitlines()
                               if not line.startswith('#include "')))
        done = subprocess.run([LINT, "fast"], cwd=root, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "BUILD": "build/gcc"}, check=False)
    if " # SKIP" in done.stdout:
        return [f"skipped: {done.stdout}"]
    return [line for line in done.stdout.splitlines() if line.startswith("not ok")]


def main():
    failed = False
    print(f"1..{len(BREAKS) + 1}")
    found = complaints(SOUND)
    print(f"{'not ok' if found else 'ok'} 1 - a sound tree keeps every rule")
    if found:
        print("#", *found)
        failed = True
    for number, (rule, path, text) in enumerate(BREAKS, 2):
        # A text that starts a file anew replaces it.
        anew = text.startswith(("//", "#!"))
        found = complaints({**SOUND, path: text if anew else SOUND.get(path, "") + text})
        good = [line for line in found if rule in line] and len(found) == 1
        print(f"{'ok' if good else 'not ok'} {number} - '{rule}' can fail by {path}")
        if not good:
            print("#", *(found or ["nobody complained"]))
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
