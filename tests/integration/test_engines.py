#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines, hung drives, and trouble of our own: no memory, no room, no io_uring."""

import contextlib
import ctypes
import os
import resource
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import BUILD, GIB, MIB, same_bytes, wait_until, why_no_fuse, why_no_loop

HUNG, GOOD = 32, 8


@tap.test
def thirty_two_hung_drives_hold_up_none_of_eight_good_ones(rig):
    """Queues as small as those of USB drives: 1 MiB is split into 9 pieces for 4 tags, and
    what does not fit blocks one of io_uring's own threads (io_uring.c)."""
    if why_no_loop() or why_no_fuse():
        tap.skip(why_no_loop() or why_no_fuse())
    image = rig.image(24 * MIB)
    fuse = rig.fuse(
        [f"count={HUNG},capacity=24M,hang_after=1M", f"count={GOOD},capacity=24M,store=master"],
        master=image,
    )
    queue = {"max_sectors_kb": 120, "nr_requests": 4}
    loops = [rig.loop(fuse.path(i), queue=queue) for i in range(HUNG + GOOD)]
    options = ["--yes", "--json", "--engine", "io_uring", "--stall-timeout", 5]
    run = rig.run("write", *options, image, *loops, seconds=50)
    tap.equal(run.verdicts, ["stalled"] * HUNG + ["passed"] * GOOD, run.text())
    tap.equal((run.code, run.json["engine"]), (1, "io_uring"))
    for number in range(HUNG, HUNG + GOOD):
        tap.true(same_bytes(image, fuse.path(number), 24 * MIB), f"drive {number} is the image")
    # A process that waits in the kernel can only end when its drives let go.
    fuse.abort()
    wait_until(lambda: not run.pids(), "every process of the run is gone")


def refuse_io_uring():
    """A seccomp filter such as those of containers: io_uring_setup (425 everywhere) is EPERM."""
    load, equal, back = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 1
    steps = [(load, 0, 0, 0), (equal, 0, 1, 425), (back, 0, 0, refuse), (back, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, filter_mode, program):
        os._exit(125)


@tap.test
def without_io_uring_auto_takes_threads_and_says_so(rig):
    image, target = rig.image(3 * MIB), rig.file(3 * MIB)
    run = rig.run("write", "--yes", "--json", image, target, before=refuse_io_uring)
    if run.code == 125:
        tap.skip("no seccomp filters here")
    tap.equal((run.code, run.verdicts), (0, ["passed"]), run.text())
    tap.equal(run.json["engine"], "threads")
    tap.contains(run.json["engine_note"], "io_uring")


@tap.test
def without_io_uring_asking_for_it_blames_no_drive(rig):
    image, target = rig.image(3 * MIB), rig.file(3 * MIB)
    arguments = ["write", "--yes", "--json", "--engine", "io_uring", image, target]
    run = rig.run(*arguments, before=refuse_io_uring)
    if run.code == 125:
        tap.skip("no seccomp filters here")
    tap.equal(run.code, 4, run.text())
    tap.contains(run.errors, "io_uring")
    check_blameless(run, target)


def check_blameless(run, target):
    """One clear message, no verdict, nothing written."""
    tap.true(1 <= len(run.errors.strip().splitlines()) <= 2, f"one message: {run.text()}")
    for word in ("failed", "write-error", "interrupted"):
        tap.true(word not in run.output, run.text())
    with open(target, "rb") as file:
        tap.equal(file.read(MIB), b"\xa5" * MIB, "nothing is written")


@tap.test
def a_pool_beyond_all_memory_is_refused_at_the_start(rig):
    image, target = rig.path("huge.img"), rig.file(2 * MIB)
    with open(image, "wb") as file:
        file.truncate(1 << 40)  # sparse; or else the pool would shrink to the image
    run = rig.run("write", "--yes", "--json", "--pool", "1T", image, target)
    tap.true(run.code in (2, 4), run.text())
    check_blameless(run, target)


@tap.test
def no_memory_at_the_start_blames_no_drive(rig):
    if "sanitize" in BUILD or "address" in BUILD or "thread" in BUILD:
        tap.skip("a sanitizer reserves memory of its own")
    image, target = rig.image(256 * MIB), rig.file(256 * MIB)
    limit = 192 * MIB

    def limit_memory():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    run = rig.run("write", "--yes", "--json", "--pool", "256M", image, target, before=limit_memory)
    tap.equal(run.code, 4, run.text())
    tap.contains(run.errors.lower(), "memory")
    check_blameless(run, target)


@tap.test
def a_full_disk_leaves_no_half_image_in_the_catalogue(rig):
    if os.geteuid() != 0:
        tap.skip("mounting a small file system needs root")
    image, where = rig.image(4 * MIB), rig.path("small")
    os.mkdir(where)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", where]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        tap.skip("mounting is not allowed here")
    try:
        run = rig.run("image", "add", "--images", where + "/images", "--name", "films", image)
        tap.true(run.code != 0, run.text())
        tap.contains(run.errors.lower(), "space")
        left = sum(len(files) for _, _, files in os.walk(where))
        tap.equal(left, 0, "files that are left")
    finally:
        subprocess.run(["umount", where], check=False)


@tap.test
def an_output_that_is_full_is_not_success(rig):
    image, target = rig.image(MIB), rig.file(MIB)
    with open("/dev/full", "w", encoding="ascii") as full:
        run = rig.start("write", "--yes", "--json", image, target, output=full)
        run.finish()
    tap.true(run.code != 0, "a script that got no answer must not see success")


@tap.test
def more_drives_than_descriptors_end_with_one_message_or_pass(rig):
    image = rig.image(MIB)
    targets = [rig.file(MIB) for _ in range(100)]

    def limit_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    run = rig.run("write", "--yes", "--json", image, *targets, before=limit_files)
    if run.code == 0:
        return
    with contextlib.suppress(ValueError):  # no JSON: it did not begin
        tap.equal(run.json["failed"], 0, run.text())
    tap.true(run.code in (3, 4), run.text())


if __name__ == "__main__":
    tap.main()
