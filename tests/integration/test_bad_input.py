#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user can get wrong: a clear message, the right exit code, and nothing written."""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import GIB, MIB, why_no_loop

USAGE, BAD_IMAGE = 2, 5


def check_refused(rig, code, words, *arguments, targets=(), **options):
    """One clear message on stderr with these words in it, that exit code, and every target as it
    was."""
    before = [read(target) for target in targets]
    run = rig.run(*arguments, **options)
    tap.equal(run.code, code, run.text())
    for word in words:
        tap.contains(run.errors, word, run.text())
    tap.true(len(run.errors.strip().splitlines()) <= 3, f"one short message: {run.text()}")
    tap.equal([read(target) for target in targets], before, "the targets")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write_one(rig, code, words, image, *options):
    target = rig.file(2 * MIB)
    check_refused(rig, code, words, "write", "--yes", *options, image, target, targets=[target])
    check_refused(rig, code, words, "verify", *options, image, target, targets=[target])


@tap.test
def a_missing_image_is_named(rig):
    write_one(rig, BAD_IMAGE, ["nowhere.img"], rig.path("nowhere.img"))
    write_one(rig, BAD_IMAGE, ["nothing"], "nothing", "--images", rig.path("images"))


@tap.test
def an_empty_image_is_refused(rig):
    write_one(rig, BAD_IMAGE, ["empty"], rig.image(0, "some.img"))


@tap.test
def an_image_that_is_no_file_is_refused(rig):
    write_one(rig, BAD_IMAGE, [rig.directory], rig.directory)
    write_one(rig, BAD_IMAGE, ["/dev/zero"], "/dev/zero")


def manifest_of(rig, image):
    run = rig.run("image", "add", "--manifest-only", image)
    tap.equal(run.code, 0, run.text())
    return image + ".manifest"


@tap.test
def a_truncated_manifest_is_refused(rig):
    image = rig.image(2 * MIB)
    manifest = manifest_of(rig, image)
    whole = read(manifest)
    for length in (0, 1, len(whole) // 2, len(whole) - 3):
        with open(manifest, "wb") as file:
            file.write(whole[:length])
        write_one(rig, BAD_IMAGE, ["manifest"], image)


@tap.test
def an_edited_manifest_is_refused(rig):
    image = rig.image(2 * MIB)
    manifest = manifest_of(rig, image)
    whole = json.loads(read(manifest))
    for change in (
        {"size_bytes": 1 * MIB},
        {"chunks": whole["chunks"][::-1]},
        {"chunks": whole["chunks"][:1]},
        {"chunk_bytes": 0},
        {"format": 99},
        {"name": "x" * 10000},
    ):
        with open(manifest, "w", encoding="utf-8") as file:
            json.dump({**whole, **change}, file)
        write_one(rig, BAD_IMAGE, ["manifest"], image)


@tap.test
def a_manifest_of_another_image_blames_no_drive(rig):
    image, other = rig.image(2 * MIB), rig.image(2 * MIB, "other.img", seed=2)
    manifest = manifest_of(rig, other)
    target = rig.file(2 * MIB)
    run = rig.run("write", "--yes", "--json", "--manifest", manifest, image, target)
    tap.equal((run.code, run.verdicts), (5, ["master-error"]), run.text())
    tap.equal(run.json["failed"], 0)
    larger = manifest_of(rig, rig.image(3 * MIB, "larger.img"))
    write_one(rig, BAD_IMAGE, ["manifest"], image, "--manifest", larger)
    write_one(rig, BAD_IMAGE, ["lost.manifest"], image, "--manifest", rig.path("lost.manifest"))


@tap.test
def targets_that_are_no_drives_are_usage_errors(rig):
    image, good = rig.image(MIB), rig.file(MIB)
    for bad in (rig.directory, "/dev/null", "/dev/zero", rig.path("absent"), ""):
        check_refused(rig, USAGE, [bad], "write", "--yes", image, good, bad, targets=[good])
        check_refused(rig, USAGE, [bad], "verify", image, good, bad, targets=[good])
    tap.true(not os.path.exists(rig.path("absent")), "no target is created")


@tap.test
def no_targets_and_too_many_are_usage_errors(rig):
    image = rig.image(MIB)
    check_refused(rig, USAGE, ["TARGET"], "write", "--yes", image)
    check_refused(rig, USAGE, ["IMAGE"], "write", "--yes")
    check_refused(rig, USAGE, [], "verify")
    targets = [rig.file(MIB) for _ in range(300)]
    check_refused(rig, USAGE, ["256"], "write", "--yes", image, *targets, targets=targets)


@tap.test
def a_target_that_is_given_twice_is_a_usage_error(rig):
    image, target = rig.image(MIB), rig.file(MIB)
    other = rig.file(MIB)
    check_refused(rig, USAGE, [target], "write", "--yes", image, target, target, targets=[target])
    link = rig.path("link")
    os.symlink(target, link)
    targets = [target, other, link]
    check_refused(rig, USAGE, [link], "write", "--yes", image, *targets, targets=[target, other])
    hard = rig.path("hard")
    os.link(target, hard)
    check_refused(rig, USAGE, [hard], "write", "--yes", image, target, hard, targets=[target])


@tap.test
def a_block_device_that_is_given_twice_is_a_usage_error(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image, backing = rig.image(MIB), rig.file(MIB)
    loop, link = rig.loop(backing), rig.path("by-name")
    os.symlink(loop, link)
    check_refused(rig, USAGE, [loop], "write", "--yes", image, loop, link, targets=[backing])


@tap.test
def the_image_cannot_be_a_target(rig):
    image, target = rig.image(MIB), rig.file(MIB)
    targets = [target, image]
    check_refused(rig, USAGE, [image], "write", "--yes", image, *targets, targets=targets)


@tap.test
def a_block_device_is_not_written_without_yes(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image, backing = rig.image(MIB), rig.file(MIB)
    loop = rig.loop(backing)
    check_refused(rig, USAGE, ["--yes"], "write", image, loop, targets=[backing])


@tap.test
def a_block_device_is_never_simulated(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image, backing = rig.image(MIB), rig.file(MIB)
    loop = rig.loop(backing)
    arguments = ["write", "--yes", "--simulate", image, loop]
    check_refused(rig, USAGE, [loop, "simulate"], *arguments, targets=[backing])


@tap.test
def wrong_options_are_usage_errors(rig):
    image, target = rig.image(MIB), rig.file(MIB)
    for option, value in (
        ("--pool", "lots"),
        ("--pool", "0"),
        ("--pool", "-1"),
        ("--window", "0"),
        ("--window", "5"),
        ("--engine", "steam"),
        ("--stall-timeout", "0"),
        ("--stall-timeout", "soon"),
        ("--no-such-option", "1"),
    ):
        arguments = ["write", "--yes", option, value, image, target]
        check_refused(rig, USAGE, [option], *arguments, targets=[target])
    check_refused(rig, USAGE, [], "wrte", image, target, targets=[target])
    check_refused(rig, USAGE, ["pool"], "write", "--pool", "1M", image, target, targets=[target])


@tap.test
def a_sidecar_that_is_wrong_says_where(rig):
    image, good = rig.image(MIB), rig.simulated(MIB)
    wrong = rig.simulated(MIB, capcity="1M")
    run = rig.run("write", "--yes", "--json", "--simulate", image, good, wrong)
    tap.equal(run.verdicts[0], "passed", run.text())
    tap.equal((run.code, run.json["refused"]), (3, 1), run.text())
    tap.contains(run.json["drives"][1]["note"], "capcity")


@tap.test
def an_image_larger_than_the_disk_is_not_needed_to_say_too_small(rig):
    image, target = rig.path("huge.img"), rig.file(MIB)
    with open(image, "wb") as file:
        file.truncate(64 * GIB)  # sparse
    run = rig.run("write", "--yes", "--json", image, target)
    tap.equal((run.code, run.verdicts), (3, ["too-small"]), run.text())


if __name__ == "__main__":
    tap.main()
