#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One drive for each kind of fault, beside good ones: each gets the verdict of its own fault, and
the good ones pass."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import MIB, same_bytes, why_no_fuse, why_no_loop

IMAGE_MIB = 8

# What the sidecar says, the verdict, and the bad chunks if they are known.
FAULTS = [
    ({}, "passed", []),
    ({"write_rate": "40M", "read_rate": "80M"}, "passed", []),
    ({"latency_ms": 2, "pause_every": "2M", "pause_ms": 30}, "passed", []),
    ({"capacity": "8M", "real_capacity": "4M"}, "mismatch", None),
    ({"drop_writes_from": "5M"}, "mismatch", [5, 6, 7]),
    ({"drop_writes_after": "2M"}, "mismatch", None),
    ({"flip_write_at": 3 * MIB + 77}, "mismatch", [3]),
    ({"flip_read_at": 6 * MIB}, "mismatch", [6]),
    ({"write_error_at": "2M-3M"}, "write-error", [2]),
    ({"write_error_after": "4M"}, "write-error", None),
    ({"read_error_at": "7M-8M"}, "read-error", [7]),
    ({"yank_after": "3M"}, "unplugged", []),
    ({"yank_after": "12M"}, "unplugged", []),  # while it is read back
    ({"hang_after": "3M"}, "stalled", []),
    ({"hang_after": "12M"}, "stalled", []),
    ({"hang_at_flush": "yes"}, "stalled", []),
    ({"hang_at_open": "yes"}, "stalled", []),
    ({"hang_after": "3M", "hang_ms": 300}, "passed", []),
    ({"capacity": "7M"}, "too-small", []),
    ({"read_only": "yes"}, "read-only", []),
    ({"busy": "yes"}, "in-use", []),
    ({"no_medium": "yes"}, "no-medium", []),
    ({"open_error": "yes"}, "read-error", []),
]


def totals(verdicts):
    refusals = {"too-small", "read-only", "in-use", "no-medium", "policy", "system-disk"}
    refused = sum(verdict in refusals for verdict in verdicts)
    passed = verdicts.count("passed")
    return passed, len(verdicts) - passed - refused, refused


@tap.test
def each_fault_gets_its_own_verdict(rig):
    image = rig.image(IMAGE_MIB * MIB)
    targets = [rig.simulated(IMAGE_MIB * MIB, **keys) for keys, _, _ in FAULTS]
    options = ["--yes", "--json", "--simulate", "--stall-timeout", 1]
    run = rig.run("write", *options, image, *targets)
    for (keys, verdict, bad_chunks), drive in zip(FAULTS, run.json["drives"], strict=True):
        tap.equal(drive["verdict"], verdict, f"the drive with {keys}")
        if bad_chunks is not None:
            tap.equal(sorted(drive["bad_chunks"]), bad_chunks, f"bad chunks with {keys}")
        if verdict == "passed":
            tap.true(same_bytes(image, drive["target"], IMAGE_MIB * MIB), f"copy with {keys}")
            tap.equal(drive["residue"], "none")
        elif drive["bytes_written"] > 0:
            tap.equal(drive["residue"], "possible", f"residue of the drive with {keys}")
        else:
            tap.equal(drive["residue"], "untouched", f"residue of the drive with {keys}")
    sums = (run.json["passed"], run.json["failed"], run.json["refused"])
    tap.equal(sums, totals([verdict for _, verdict, _ in FAULTS]), "totals")
    tap.equal(run.code, 1)
    tap.equal(run.pids(), [], "processes that are left")


@tap.test
def a_refused_drive_is_not_touched_and_said_by_the_exit_code(rig):
    image = rig.image(2 * MIB)
    good = rig.simulated(2 * MIB)
    refused = [rig.simulated(2 * MIB, busy="yes"), rig.simulated(2 * MIB, read_only="yes")]
    before = [open(path, "rb").read() for path in refused]
    run = rig.run("write", "--yes", "--json", "--simulate", image, good, *refused)
    tap.equal((run.code, run.verdicts), (3, ["passed", "in-use", "read-only"]), run.text())
    tap.equal([open(path, "rb").read() for path in refused], before)


@tap.test
def a_flip_that_happens_once_is_never_passed(rig):
    image = rig.image(4 * MIB)
    target = rig.simulated(4 * MIB, flip_read_once_at=2 * MIB)
    run = rig.run("write", "--yes", "--json", "--simulate", image, target)
    tap.equal((run.code, run.verdicts), (1, ["mismatch"]), run.text())
    tap.equal(run.json["drives"][0]["bad_chunks"], [2])


@tap.test
def verify_finds_faults_without_writing(rig):
    image = rig.image(4 * MIB)
    keys = [{}, {"flip_read_at": 3 * MIB}, {"read_error_at": "1M-2M"}, {"read_only": "yes"},
            {"yank_after": "2M"}, {"hang_after": "1M"}]
    targets = [rig.simulated(4 * MIB, **each) for each in keys]
    for target in targets:
        with open(image, "rb") as source, open(target, "wb") as copy:
            copy.write(source.read())
    run = rig.run("verify", "--json", "--simulate", "--stall-timeout", 1, image, *targets)
    expected = ["passed", "mismatch", "read-error", "passed", "unplugged", "stalled"]
    tap.equal((run.code, run.verdicts), (1, expected), run.text())
    tap.true(all(drive["bytes_written"] == 0 for drive in run.json["drives"]), "nothing written")
    for target in targets:
        tap.true(same_bytes(image, target, 4 * MIB), "the drive is as it was")


@tap.test
def faults_below_the_block_layer_are_found_with_each_engine(rig):
    if why_no_loop() or why_no_fuse():
        tap.skip(why_no_loop() or why_no_fuse())
    image = rig.image(8 * MIB)
    specs = {
        "": "passed",
        f"write_error_at={5 * MIB + 4096}": "write-error",
        f"read_error_at={6 * MIB}": "read-error",
        f"flip_write_at={2 * MIB + 9}": "mismatch",
        "real_capacity=4M": "mismatch",
        "hang_after=3M": "stalled",
    }
    for engine in ("io_uring", "threads"):
        fuse = rig.fuse([f"capacity=8M,latency_ms=0,{spec}".rstrip(",") for spec in specs])
        loops = [rig.loop(fuse.path(i)) for i in range(len(specs))]
        options = ["--yes", "--json", "--engine", engine, "--stall-timeout", 2]
        run = rig.run("write", *options, image, *loops)
        tap.equal(dict(zip(specs, run.verdicts, strict=True)), specs, run.text())
        tap.true(same_bytes(image, fuse.path(0), 8 * MIB), "the good one holds the image")
        fuse.abort()


if __name__ == "__main__":
    tap.main()
