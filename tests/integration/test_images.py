#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of images as a user meets it: where names are looked up, advice that can be pasted,
text that no terminal obeys, and images that are not what they should be."""

import gzip
import os
import re
import shlex
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import BUILD, KIB, MIB, wait_until

SIZE = 3 * MIB


def passes(rig, *arguments, **options):
    run = rig.run(*arguments, **options)
    tap.equal(run.code, 0, run.text())
    return run


def home(rig, name="home"):
    """The environment of a user who has nothing yet."""
    os.makedirs(rig.path(name), exist_ok=True)
    return {"HOME": rig.path(name), "XDG_DATA_HOME": "", "DRIVEPRESS_IMAGES": ""}


@tap.test
def names_are_found_in_the_home_also_when_the_system_has_a_catalogue(rig):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"]).returncode != 0:
        tap.skip("a file system of one's own needs root")
    user, image, target = home(rig), rig.image(SIZE), rig.file(SIZE)
    with_system = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /var/lib && exec "$@"']
    with_system.append(rig.path("lib"))
    os.makedirs(rig.path("lib"))

    def run(*arguments):
        return passes(rig, *arguments, wrapper=with_system, environment=user)

    run("image", "add", "--name", "old", image)
    os.makedirs(rig.path("lib/drivepress/images"))
    run("image", "add", "--name", "new", image)
    tap.true(os.path.exists(rig.path("lib/drivepress/images/new.img")), "the system's goes first")
    names = [entry["name"] for entry in run("image", "list", "--json").json["images"]]
    tap.equal(sorted(names), ["new", "old"])
    for name in names:
        tap.equal(run("write", "--json", name, target).json["image"]["name"], name)
    twice = rig.run("image", "add", "--name", "old", image, wrapper=with_system, environment=user)
    tap.equal(twice.code, 2, twice.text())
    lost = rig.run("write", "lost", target, wrapper=with_system, environment=user)
    tap.equal(lost.code, 5, lost.text())
    for directory in ("/var/lib/drivepress/images", user["HOME"]):
        tap.contains(lost.errors, directory, lost.text())


def advised(text, target):
    """Runs the command that a text advises in backquotes, as a shell reads it."""
    command = re.search("`(drivepress [^`]*)`", text)[1].replace("TARGET...", shlex.quote(target))
    environment = {**os.environ, "PATH": BUILD + ":" + os.environ["PATH"]}
    return subprocess.run(command, shell=True, env=environment, capture_output=True, text=True,
                          cwd=os.path.dirname(target), check=False)


@tap.test
def what_is_advised_can_be_pasted(rig):
    target = rig.file(SIZE)
    image = rig.image(SIZE, "it's a film.img")
    catalogue = rig.path("my images")
    run = passes(rig, "image", "add", "--images", catalogue, image)
    done = advised(run.output, target)
    tap.equal(done.returncode, 0, f"{run.text()}{done.stderr}")
    run = passes(rig, "image", "show", image)
    done = advised(run.output, target)
    tap.equal(done.returncode, 0, f"{run.text()}{done.stderr}")
    run = rig.run("write", "lost", target, "--images", catalogue)
    done = advised(run.errors, target)
    tap.contains(done.stdout, "it-s-a-film", f"{run.text()}{done.stderr}")
    rig.image(SIZE, "-film.img")
    run = passes(rig, "image", "add", "--manifest-only", "--", "-film.img",
                 before=lambda: os.chdir(rig.directory))
    done = advised(run.output, target)
    tap.equal(done.returncode, 0, done.stderr)


@tap.test
def no_text_of_others_reaches_the_terminal_as_it_is(rig):
    evil = "x\x1b[2J\x9b2Jy"
    target = rig.file(SIZE)
    rig.image(SIZE, evil + ".img")
    os.makedirs(rig.path(evil))
    for arguments in (
        [evil],
        ["help", evil],
        ["write", "--" + evil, "a", target],
        ["write", "--pool", evil, "a", target],
        ["write", evil, target],
        ["write", "--images", evil, "a", target],
        ["write", "a", evil],
        ["image", evil],
        ["image", "list", "--" + evil],
        ["image", "list", "--images", rig.path(evil)],
        ["image", "show", evil],
        ["image", "add", "--name", evil, rig.image(SIZE)],
        ["image", "add", "--images", rig.path("i"), rig.path(evil + ".img")],
        ["image", "verify", rig.path(evil + ".img")],
    ):
        run = rig.run(*arguments)
        tap.true(run.code in (2, 5), run.text())
        tap.true(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", run.output + run.errors),
                 repr(run.text()))


@tap.test
def a_compressed_image_is_written_with_a_warning(rig):
    image, target = rig.path("films.img.gz"), rig.file(SIZE)
    with gzip.open(image, "wb") as file:
        file.write(os.urandom(64 * KIB))
    for arguments in (
        ["write", "--quiet", image, target],
        ["verify", "--json", image, target],
        ["image", "add", "--images", rig.path("images"), image],
    ):
        tap.contains(passes(rig, *arguments).errors, "gzip")


@tap.test
def verify_of_an_image_finds_what_changed(rig):
    image = rig.image(SIZE)
    directory = rig.path("images")
    run = rig.run("image", "verify", image)
    tap.equal(run.code, 5, run.text())
    tap.contains(run.errors, "--manifest-only")
    passes(rig, "image", "add", "--images", directory, image)
    tap.equal(passes(rig, "image", "verify", "--json", "--images", directory, "image").json
              ["matches"], True)
    with open(os.path.join(directory, "image.img"), "r+b") as file:
        file.seek(2 * MIB + 7)
        byte = file.read(1)
        file.seek(2 * MIB + 7)
        file.write(bytes([byte[0] ^ 1]))
    run = rig.run("image", "verify", "--json", "--images", directory, "image")
    tap.equal((run.code, run.json["matches"], run.json["bad_chunks"]), (5, False, [2]), run.text())
    tap.contains(run.errors, "1 of 3 chunks")


@tap.test
def a_hangup_that_nohup_took_away_stops_nothing(rig):
    image, target = rig.image(2 * MIB), rig.simulated(2 * MIB, write_rate="1M")

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    run = rig.start("write", "--json", "--simulate", image, target, before=ignore)
    rig.wait_for_write(target)
    run.process.send_signal(signal.SIGHUP)
    run.finish()
    tap.equal((run.code, run.verdicts), (0, ["passed"]), run.text())


@tap.test
def who_ends_it_at_once_still_gets_the_results(rig):
    image = rig.image(2 * MIB)
    targets = [rig.simulated(2 * MIB, hang_after="1M") for _ in range(2)]
    run = rig.start("write", "--json", "--simulate", image, *targets)
    rig.wait_for_write(targets[0])
    run.interrupt()
    wait_until(lambda: "Stopping" in run.errors, "the first one is seen")
    run.interrupt()
    run.finish(20)
    tap.true(set(run.verdicts) <= {"stopped", "interrupted"}, run.text())
    tap.equal(run.code, 1, run.text())


@tap.test
def what_cannot_be_printed_is_no_success(rig):
    with open("/dev/full", "w", encoding="ascii") as full:
        for arguments in (["--help"], ["--version"], ["help", "image", "add"], ["image", "list"]):
            run = rig.run(*arguments, output=full, environment=home(rig))
            tap.true(run.code != 0, run.text())


if __name__ == "__main__":
    tap.main()
