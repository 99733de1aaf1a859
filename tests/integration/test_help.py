#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The help of every verb, the man page and the completions name the same verbs and options."""

import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap

TOOLS = os.path.join(os.path.dirname(__file__), "../../tools")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def read(name):
    with open(os.path.join(TOOLS, name), encoding="utf-8") as file:
        return file.read()


def help_of(rig, *verb):
    run = rig.run(*verb, "--help")
    tap.equal(run.code, 0, run.text())
    return run.output


def verbs_of(text):
    """The verbs that a help lists, each at the start of a line."""
    return re.findall(r"^  ([a-z]+) (?:[A-Z ].*| +\S.*)$", text, re.MULTILINE)


def first_verbs(rig):
    found = [verb for verb in verbs_of(help_of(rig)) if verb != "drivepress"]
    tap.true(len(found) >= 10, f"the help lists the verbs: {found}")
    return found


def second_verbs(rig, verb):
    """The verbs behind `image` and `slots`."""
    found = re.findall(rf"drivepress {verb} ([a-z]+) ", help_of(rig, verb))
    return [second for second in found if second != "VERB"]


def all_verbs(rig):
    """Every verb as the words that make it."""
    for verb in first_verbs(rig):
        seconds = second_verbs(rig, verb) if verb in ("image", "slots") else []
        yield from [(verb, second) for second in seconds] or [(verb,)]


def options_of(text):
    """What a help tells of options, not what it says of those of other verbs."""
    lines = [line for line in text.splitlines() if re.match(r" +(-\w, )?--", line)]
    usage = [line for line in text.splitlines() if re.match(r"(Usage:|   +) *drivepress ", line)]
    return {option for line in lines + usage for option in OPTION.findall(line.split("(")[0])}


@tap.test
def every_verb_has_a_help_of_its_own(rig):
    seen = {}
    for verb in all_verbs(rig):
        text = help_of(rig, *verb)
        tap.contains(text, f"Usage: drivepress {' '.join(verb)}")
        tap.contains(text.lower(), "exit", f"{verb} tells its exit codes")
        tap.true(text not in seen, f"{verb} and {seen.get(text)} have the same help")
        seen[text] = verb
        tap.true(all(len(line) <= 100 for line in text.splitlines()), f"{verb} fits 100 columns")
        if len(verb) == 1 or verb[0] in ("image", "slots"):
            run = rig.run("help", *verb)
            tap.equal(run.output, text, f"help {verb}")


@tap.test
def the_man_page_names_every_verb_and_option(rig):
    page = read("man/drivepress.1.scd").replace("\\", "")
    for verb in all_verbs(rig):
        tap.true(re.search(rf"\*?drivepress {verb[0]}\b", page)
                 or re.search(rf"\|\*?{verb[0]}\*", page), f"the man page names {verb}")
        for second in verb[1:]:
            tap.true(re.search(rf"\*({verb[0]} |){second}\b", page), f"the man page names {verb}")
        for option in options_of(help_of(rig, *verb)):
            entry = rf"^(\*-\w\*, )?\*{option}\*( _\w+_)?$"
            tap.true(re.search(entry, page, re.MULTILINE), f"the man page tells of {verb} {option}")


@tap.test
def the_man_page_makes_up_no_option(rig):
    known = {"--version", "--help"}
    for verb in all_verbs(rig):
        known |= options_of(help_of(rig, *verb))
    for option in set(OPTION.findall(read("man/drivepress.1.scd"))):
        tap.true(option in known, f"{option} is in the man page and in no help")


@tap.test
def an_option_of_the_help_is_taken(rig):
    """Each option before one that there is not, which may be its value: so that nothing is done."""
    none = "--no-such-option"
    nowhere = {"DRIVEPRESS_SOCKET": rig.path("nowhere.sock")}
    for verb in all_verbs(rig):
        for option in sorted(options_of(help_of(rig, *verb))):
            run = rig.run(*verb, option, none, none, environment=nowhere)
            if option != "--help":
                tap.equal(run.code, 2, run.text())
            named = re.findall(r"there is no option (\S+)", run.errors)
            tap.true(all(none in name for name in named), f"{verb} {option}: {run.text()}")
        run = rig.run(*verb, none, environment=nowhere)
        tap.equal(run.code, 2, run.text())
        tap.contains(run.errors, none)


@tap.test
def completions_offer_what_there_is(rig):
    for name in ("drivepress.bash", "_drivepress", "drivepress.fish"):
        text = read(f"completions/{name}")
        for verb in all_verbs(rig):
            for word in verb:
                tap.true(re.search(rf"\b{word}\b", text), f"{name} offers {verb}")
            for option in options_of(help_of(rig, *verb)):
                long = option[2:]
                tap.true(re.search(rf"(--|-l ){long}(?![\w-])", text), f"{name}: {verb} {option}")


# As a daemon or a catalogue of another make could call them.
HOSTILE = ["$(touch pwned)", "`touch pwned`", "${x:=$(touch pwned)}", "*", "A*", "'", "-rf", "~",
           "A02;touch pwned", "A03&touch pwned", "A 4"]


def completed(rig, names, *words):
    """What bash offers for the last of some words, where drivepress tells these names; and what is
    in the directory afterwards that was empty before."""
    programs, place = rig.path(), rig.path()
    os.mkdir(programs)
    os.mkdir(place)
    for name, listing in (("slots", json.dumps({"slots": [{"name": name} for name in names]},
                                               separators=(",", ":"))),
                          ("image", json.dumps([{"name": name} for name in names], indent=1))):
        with open(f"{programs}/{name}", "w", encoding="utf-8") as file:
            file.write(listing + "\n")
    with open(f"{programs}/drivepress", "w", encoding="ascii") as file:
        file.write('#!/bin/sh\nexec cat "${0%/*}/$1"\n')
    os.chmod(f"{programs}/drivepress", 0o755)
    script = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _drivepress; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash",
         os.path.abspath(f"{TOOLS}/completions/drivepress.bash"), "drivepress", *words],
        cwd=place, env={"PATH": f"{programs}:{os.environ['PATH']}"}, text=True,
        capture_output=True, check=True)
    tap.equal(done.stderr, "")
    return [line for line in done.stdout.splitlines() if line], os.listdir(place)


@tap.test
def names_are_completed_and_never_run(rig):
    names = ["A01", "left.2", "A05~", *HOSTILE]
    for verb in ("start", "stop"):
        tap.equal(completed(rig, names, verb, ""), (["A01", "left.2", "A05~"], []))
        tap.equal(completed(rig, names, verb, "A01", "A"), (["A01", "A05~"], []))
    names = ["films-2026", *HOSTILE]
    for words in (["write"], ["image", "show"], ["arm", "--image"]):
        offered, made = completed(rig, names, *words, "")
        tap.equal([name for name in offered if name != "auto"], ["films-2026"], words)
        tap.equal(made, [])
    tap.equal(completed(rig, names, "arm", "--image", "$(touch pwned)"), ([], []))


tap.main()
