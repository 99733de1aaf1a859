#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices that must not be written: each is refused with its reason and left as it was, while
the others go on."""

import contextlib
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import MIB, same_bytes, why_no_loop

REFUSED = 3


def read(path):
    with open(path, "rb") as file:
        return file.read()


def refuse(rig, bad, verdict, backing=None, verb="write"):
    """A run with a good drive and the bad one."""
    image, good = rig.image(4 * MIB), rig.loop(rig.file(4 * MIB))
    before = read(backing) if backing else None
    options = ["--yes", "--json"] if verb == "write" else ["--json"]
    if verb == "verify":
        copy = rig.path("copy")
        shutil.copy(image, copy)
        good = rig.loop(copy, read_only=True)
    run = rig.run(verb, *options, image, bad, good)
    tap.equal((run.code, run.verdicts), (REFUSED, [verdict, "passed"]), run.text())
    drive = run.json["drives"][0]
    tap.equal((drive["bytes_written"], drive["residue"]), (0, "untouched"))
    tap.equal((run.json["passed"], run.json["failed"], run.json["refused"]), (1, 0, 1))
    tap.true(same_bytes(image, good, 4 * MIB), "the good one holds the image")
    if backing:
        tap.true(read(backing) == before, "the refused one is as it was")
    return drive


def needs_loops(function):
    def with_loops(rig):
        if why_no_loop():
            tap.skip(why_no_loop())
        function(rig)

    with_loops.__name__ = function.__name__
    return tap.test(with_loops)


@needs_loops
def a_write_protected_device(rig):
    backing = rig.file(4 * MIB)
    refuse(rig, rig.loop(backing, read_only=True), "read-only", backing)


@needs_loops
def a_device_that_is_too_small(rig):
    backing = rig.file(4 * MIB - 512)
    refuse(rig, rig.loop(backing), "too-small", backing)


@needs_loops
def a_device_without_a_medium(rig):
    backing = rig.file(0)
    refuse(rig, rig.loop(backing), "no-medium", backing)


@needs_loops
def a_device_that_another_program_holds(rig):
    backing = rig.file(4 * MIB)
    loop = rig.loop(backing)
    holder = os.open(loop, os.O_RDONLY | os.O_EXCL)
    try:
        refuse(rig, loop, "in-use", backing)
    finally:
        os.close(holder)


@needs_loops
def a_device_that_another_program_has_locked(rig):
    """The convention of systemd and of this program itself: flock() on the whole disk."""
    backing = rig.file(4 * MIB)
    loop = rig.loop(backing)
    with subprocess.Popen(["flock", "-x", loop, "sleep", "60"], start_new_session=True) as holder:
        try:
            probe = ["flock", "-n", "-x", loop, "true"]
            while subprocess.run(probe, check=False).returncode == 0:
                pass
            refuse(rig, loop, "in-use", backing)
        finally:
            os.killpg(holder.pid, 9)


@needs_loops
def a_mounted_device(rig):
    if shutil.which("mkfs.ext4") is None:
        tap.skip("mkfs.ext4 is not here")
    backing = rig.file(16 * MIB)
    loop, where = rig.loop(backing), rig.path("mounted")
    subprocess.run(["mkfs.ext4", "-q", loop], check=True)
    os.mkdir(where)
    mounted = subprocess.run(["mount", "-o", "ro", loop, where], check=False, capture_output=True)
    if mounted.returncode != 0:
        tap.skip("mounting is not allowed here")
    try:
        image = rig.image(4 * MIB)
        before = read(backing)
        run = rig.run("write", "--yes", "--json", image, loop)
        # Mounted at a place that is not for removable media: it may count as the system's.
        tap.true(run.verdicts[0] in ("in-use", "system-disk"), run.text())
        tap.equal(run.code, REFUSED)
        tap.true(read(backing) == before, "the refused one is as it was")
    finally:
        subprocess.run(["umount", where], check=True)


@needs_loops
def the_running_systems_disk(rig):
    """Only verify, which reads at the very most: this test must never name that disk to write."""
    found = subprocess.run(
        ["findmnt", "-n", "-o", "SOURCE", "/"], check=False, capture_output=True, text=True
    )
    disk = found.stdout.strip()
    if not disk.startswith("/dev/") or not os.path.exists(disk):
        tap.skip("the root file system is on no disk")
    with contextlib.suppress(OSError):
        parent = os.readlink(f"/sys/class/block/{os.path.basename(disk)}").split("/")[-2]
        if os.path.exists(f"/sys/block/{parent}"):
            disk = f"/dev/{parent}"  # of which it is a partition
    image = rig.image(MIB)
    run = rig.run("verify", "--json", image, disk)
    tap.equal((run.code, run.verdicts), (REFUSED, ["system-disk"]), run.text())


@needs_loops
def a_held_device_is_not_verified_either(rig):
    backing = rig.file(4 * MIB)
    loop = rig.loop(backing)
    holder = os.open(loop, os.O_RDONLY | os.O_EXCL)
    try:
        refuse(rig, loop, "in-use", backing, verb="verify")
    finally:
        os.close(holder)


@tap.test
def a_file_that_another_run_is_writing(rig):
    image, target = rig.image(4 * MIB), rig.simulated(4 * MIB, write_rate="1M")
    first = rig.start("write", "--yes", "--json", "--simulate", image, target)
    rig.wait_for_write(target)
    run = rig.run("write", "--yes", "--json", image, target)
    tap.equal((run.code, run.verdicts), (REFUSED, ["in-use"]), run.text())
    first.finish()
    tap.equal(first.verdicts, ["passed"], first.text())


if __name__ == "__main__":
    tap.main()
