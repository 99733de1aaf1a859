#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good drives: written, read back, and the same byte for byte."""

import hashlib
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import MIB, same_bytes, why_no_fuse, why_no_loop


def check_copies(run, image, targets, size):
    tap.equal(run.code, 0, run.text())
    tap.equal(run.verdicts, ["passed"] * len(targets), "verdicts")
    tap.equal([drive["target"] for drive in run.json["drives"]], targets, "targets")
    tap.equal((run.json["passed"], run.json["failed"], run.json["refused"]), (len(targets), 0, 0))
    for target in targets:
        tap.true(same_bytes(image, target, size), f"{target} is the image")


@tap.test
def files_hold_the_image_with_each_engine(rig):
    image = rig.image(9 * MIB + 512)
    for engine in ("io_uring", "threads"):
        targets = [rig.file(10 * MIB) for _ in range(5)]
        run = rig.run("write", "--yes", "--json", "--engine", engine, image, *targets)
        check_copies(run, image, targets, 9 * MIB + 512)
        tap.equal(run.json["engine"], engine)
        for drive in run.json["drives"]:
            tap.equal((drive["bytes_written"], drive["bytes_verified"]), (9 * MIB + 512,) * 2)
            tap.equal((drive["bad_chunks"], drive["residue"]), ([], "beyond-image"))


@tap.test
def block_devices_hold_the_image_with_each_engine(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image = rig.image(12 * MIB + 1536)
    loops = [rig.loop(rig.file(12 * MIB + 4096)) for _ in range(16)]
    for engine, seed in (("io_uring", 2), ("threads", 3)):
        image = rig.image(12 * MIB + 1536, f"{engine}.img", seed)
        run = rig.run("write", "--yes", "--json", "--engine", engine, image, *loops)
        check_copies(run, image, loops, 12 * MIB + 1536)


@tap.test
def a_drive_as_large_as_the_image_keeps_nothing_else(rig):
    image, target = rig.image(2 * MIB), rig.file(2 * MIB)
    run = rig.run("write", "--yes", "--json", image, target)
    check_copies(run, image, [target], 2 * MIB)
    tap.equal(run.json["drives"][0]["residue"], "none")


@tap.test
def an_odd_size_is_padded_with_zeros_to_the_sector(rig):
    image, target = rig.image(3 * MIB + 100), rig.file(4 * MIB)
    with open(target, "r+b") as file:  # zeros would hide what is not written
        file.write(b"\xa5" * 4 * MIB)
    run = rig.run("write", "--yes", image, target)
    tap.equal(run.code, 0, run.text())
    tap.contains((run.output + run.errors).lower(), "zero", "the padding is said")
    tap.true(same_bytes(image, target, 3 * MIB + 100), "the image is there")
    with open(target, "rb") as file:
        file.seek(3 * MIB + 100)
        tap.equal(file.read(412), bytes(412), "zeros up to the sector")
        tap.equal(file.read(), b"\xa5" * (MIB - 512), "nothing is touched beyond")
    with open(target, "r+b") as file:
        file.seek(3 * MIB + 511)
        file.write(b"x")
    run = rig.run("verify", "--json", image, target)
    tap.equal((run.code, run.verdicts), (1, ["mismatch"]), "the padding is verified")


@tap.test
def an_image_smaller_than_a_sector_works(rig):
    image, target = rig.image(1), rig.file(512)
    run = rig.run("write", "--yes", "--json", image, target)
    check_copies(run, image, [target], 1)
    tap.equal(run.json["drives"][0]["bytes_written"], 512)


@tap.test
def every_window_and_the_smallest_pool_work(rig):
    image = rig.image(24 * MIB)
    for window in (1, 2, 3, 4):
        targets = [rig.file(24 * MIB) for _ in range(3)]
        options = ["--window", window, "--pool", f"{3 * window + 8}M"]
        run = rig.run("write", "--yes", "--json", *options, image, *targets)
        check_copies(run, image, targets, 24 * MIB)


@tap.test
def late_and_slow_drives_hold_the_image_too(rig):
    """With a pool far smaller than the image, so that late ones begin in the middle of it."""
    image = rig.image(40 * MIB)
    drives = [{"open_ms": 150 * i, "write_rate": f"{80 >> i % 3}M"} for i in range(6)]
    targets = [rig.file(40 * MIB) for _ in drives]
    if not why_no_fuse():
        spec = ",".join(["capacity=40M", "write_rate={}"])
        fuse = rig.fuse(
            [f"{spec.format(d['write_rate'])},open_ms={d['open_ms']}" for d in drives]
        )
        targets = [fuse.path(i) for i in range(len(drives))]
    run = rig.run("write", "--yes", "--json", "--pool", "20M", image, *targets)
    check_copies(run, image, targets, 40 * MIB)
    tap.true(run.json["master_bytes_read"] >= 40 * MIB, "the master was read")


@tap.test
def an_image_of_the_catalogue_is_written_by_its_name(rig):
    image, target = rig.image(3 * MIB + 7, "films.img"), rig.file(4 * MIB)
    images = ["--images", rig.path("images")]
    added = rig.run("image", "add", *images, image)
    tap.equal(added.code, 0, added.text())
    os.unlink(image)
    run = rig.run("write", "--yes", "--json", *images, "films", target)
    tap.equal((run.code, run.verdicts), (0, ["passed"]), run.text())
    shown = rig.run("image", "show", "--json", *images, "films")
    with open(target, "rb") as file:
        tap.equal(shown.json["sha256"], hashlib.sha256(file.read(3 * MIB + 7)).hexdigest())
    tap.contains(rig.run("image", "list", *images).output, "films")


@tap.test
def a_good_copy_is_verified_and_a_flipped_bit_is_found_where_it_is(rig):
    image = rig.image(10 * MIB)
    good, bad = rig.path("good"), rig.path("bad")
    shutil.copy(image, good)
    shutil.copy(image, bad)
    with open(bad, "r+b") as file:
        file.seek(7 * MIB + 12345)
        byte = file.read(1)[0]
        file.seek(7 * MIB + 12345)
        file.write(bytes([byte ^ 0x10]))
    for engine in ("io_uring", "threads"):
        run = rig.run("verify", "--json", "--engine", engine, image, good, bad)
        tap.equal((run.code, run.verdicts), (1, ["passed", "mismatch"]), run.text())
        tap.equal(run.json["drives"][1]["bad_chunks"], [7])
        tap.equal(run.json["drives"][1]["residue"], "untouched")
    tap.equal(rig.run("verify", image, good).code, 0)


@tap.test
def verify_reads_a_write_protected_block_device(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image = rig.image(4 * MIB)
    copy = rig.path("copy")
    shutil.copy(image, copy)
    run = rig.run("verify", "--json", image, rig.loop(copy, read_only=True))
    tap.equal((run.code, run.verdicts), (0, ["passed"]), run.text())


@tap.test
def verify_never_opens_a_drive_for_writing(rig):
    if shutil.which("strace") is None:
        tap.skip("strace is not here")
    image, target = rig.image(2 * MIB), rig.path("copy")
    shutil.copy(image, target)
    trace = rig.path("trace")
    strace = ["strace", "-f", "-e", "trace=open,openat,openat2", "-o", trace]
    if subprocess.run([*strace, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        tap.skip("strace may not trace here")
    no_leak_check = {"ASAN_OPTIONS": "detect_leaks=0"}  # it cannot work beside strace
    run = rig.run("verify", "--json", image, target, wrapper=strace, environment=no_leak_check)
    tap.equal((run.code, run.verdicts), (0, ["passed"]), run.text())
    with open(trace, encoding="utf-8") as file:
        opens = [line for line in file if f'"{target}"' in line]
    tap.true(opens, "the target was opened")
    for line in opens:
        tap.true("O_RDWR" not in line and "O_WRONLY" not in line, line)


if __name__ == "__main__":
    tap.main()
