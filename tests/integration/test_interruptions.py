#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes in the middle of a pass from outside the drives: Ctrl-C, kill -9, a master that
changes. Every drive gets an honest verdict and nothing is left running."""

import os
import pty
import resource
import select
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import MIB, same_bytes, wait_until, why_no_loop

SIZE = 16 * MIB


def begin(rig, count=4, rate="2M", size=SIZE, options=()):
    """Starts slow drives and waits until each is being written."""
    image = rig.image(size)
    targets = [rig.simulated(size, write_rate=rate) for _ in range(count)]
    run = rig.start("write", "--yes", "--json", "--simulate", *options, image, *targets)
    for target in targets:
        rig.wait_for_write(target)
    return image, targets, run


def check_gone(run):
    wait_until(lambda: not run.pids(), "every process of the run is gone", seconds=10)


@tap.test
def ctrl_c_stops_every_drive_with_a_verdict(rig):
    _, targets, run = begin(rig)
    run.interrupt()
    run.finish(20)
    tap.equal((run.code, run.verdicts), (1, ["stopped"] * len(targets)), run.text())
    tap.equal(run.json["failed"], len(targets))
    check_gone(run)


@tap.test
def a_drive_that_was_stopped_in_its_first_write_is_not_called_untouched(rig):
    _, _, run = begin(rig, count=1, rate="256K")
    run.interrupt()
    run.finish(20)
    drive = run.json["drives"][0]
    tap.equal((drive["bytes_written"], drive["residue"]), (0, "possible"), run.text())


@tap.test
def ctrl_c_keeps_the_verdicts_that_are_there(rig):
    image = rig.image(2 * MIB)
    quick = rig.simulated(2 * MIB)
    refused = rig.simulated(2 * MIB, busy="yes")
    slow = rig.simulated(2 * MIB, write_rate="64K")
    run = rig.start("write", "--yes", "--simulate", image, quick, refused, slow)
    wait_until(lambda: "passed" in (run.output + run.errors).lower(), "one has passed")
    run.interrupt()
    run.finish(20)
    tap.equal(run.code, 1, run.text())
    for word in ("passed", "in-use", "stopped"):
        tap.contains((run.output + run.errors).lower(), word)
    check_gone(run)


@tap.test
def ctrl_c_while_a_drive_hangs_ends_in_bounded_time(rig):
    image = rig.image(2 * MIB)
    targets = [rig.simulated(2 * MIB, hang_after="1M"), rig.simulated(2 * MIB, hang_at_open="yes")]
    run = rig.start("write", "--yes", "--json", "--simulate", image, *targets)
    rig.wait_for_write(targets[0])
    run.interrupt()
    run.finish(20)
    tap.equal((run.code, run.verdicts), (1, ["stopped", "stopped"]), run.text())
    check_gone(run)


@tap.test
def a_second_ctrl_c_ends_at_once_and_leaves_no_process(rig):
    _, _, run = begin(rig)
    run.interrupt()
    run.interrupt()
    run.finish(20)
    tap.true(run.code != 0, "it did not pass")
    check_gone(run)


@tap.test
def sigterm_stops_like_ctrl_c(rig):
    _, targets, run = begin(rig)
    run.process.terminate()
    run.finish(20)
    tap.equal((run.code, run.verdicts), (1, ["stopped"] * len(targets)), run.text())
    check_gone(run)


@tap.test
def a_killed_daemon_interrupts_every_drive_that_had_no_verdict(rig):
    _, targets, run = begin(rig)
    os.kill(run.daemon_pid(), signal.SIGKILL)
    run.finish(20)
    tap.equal((run.code, run.verdicts), (4, ["interrupted"] * len(targets)), run.text())
    tap.true(run.errors.strip() != "", "it is said")
    check_gone(run)


@tap.test
def a_killed_command_leaves_no_daemon(rig):
    _, _, run = begin(rig)
    run.process.kill()
    run.finish(20)
    check_gone(run)


@tap.test
def a_daemon_that_was_paused_blames_no_drive(rig):
    _, targets, run = begin(rig, rate="8M", options=("--stall-timeout", "1"))
    daemon = run.daemon_pid()
    os.kill(daemon, signal.SIGSTOP)
    paused_at = time.monotonic()
    # The passing of real time is the very thing that is tested: more than the timeout.
    wait_until(lambda: time.monotonic() > paused_at + 3, "three seconds are over")
    os.kill(daemon, signal.SIGCONT)
    run.finish(60)
    tap.equal((run.code, run.verdicts), (0, ["passed"] * len(targets)), run.text())


@tap.test
def a_limit_on_file_sizes_blames_no_drive(rig):
    image = rig.image(4 * MIB)
    target = rig.file(4 * MIB)
    run = rig.run("write", "--json", image, target,
                  before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)))
    tap.equal((run.code, run.verdicts), (1, ["interrupted"]), run.text())
    tap.contains(run.json["drives"][0]["note"], "File too large")


def spoil_master(rig, spoil):
    """The pool holds a quarter of the image, so that most of it is still to be read."""
    image, targets, run = begin(rig, rate="4M", size=64 * MIB, options=["--pool", "16M"])
    spoil(image)
    run.finish(40)
    tap.equal((run.code, run.verdicts), (5, ["master-error"] * len(targets)), run.text())
    tap.equal((run.json["failed"], run.json["aborted"]), (0, len(targets)), run.text())
    check_gone(run)


@tap.test
def a_master_that_is_overwritten_fails_no_drive(rig):
    def overwrite(image):
        with open(image, "r+b") as file:
            for chunk in range(64):
                file.seek(chunk * MIB + 5)
                file.write(b"changed")

    spoil_master(rig, overwrite)


@tap.test
def a_master_that_is_cut_short_fails_no_drive(rig):
    spoil_master(rig, lambda image: os.truncate(image, MIB))


@tap.test
def a_master_that_is_replaced_by_another_file_fails_no_drive(rig):
    """The old file is still open: either it is finished, or the pass is called off."""
    image, targets, run = begin(rig, rate="8M")
    rig.image(SIZE, "new.img", seed=9)
    os.link(image, rig.path("old.img"))
    os.rename(rig.path("new.img"), image)
    run.finish(40)
    tap.equal(run.json["failed"], 0, run.text())
    tap.true(run.code in (0, 5), run.text())
    for drive in run.json["drives"]:
        if drive["verdict"] == "passed":
            tap.true(same_bytes(rig.path("old.img"), drive["target"], SIZE), "the old image")


@tap.test
def a_master_that_differs_from_its_manifest_is_found_before_it_reaches_a_drive(rig):
    image, target = rig.image(4 * MIB), rig.file(4 * MIB)
    tap.equal(rig.run("image", "add", "--manifest-only", image).code, 0)
    with open(image, "r+b") as file:
        file.seek(2 * MIB)
        file.write(b"rotten")
    run = rig.run("write", "--yes", "--json", image, target)
    tap.equal((run.code, run.verdicts), (5, ["master-error"]), run.text())
    with open(target, "rb") as file:
        tap.true(b"rotten" not in file.read(), "the wrong bytes reached no drive")


def on_terminal(rig, answer, *arguments):
    """Runs on a terminal of its own, where a person gives one answer. Returns the run and what was
    on the screen."""
    screen, terminal = pty.openpty()
    run = rig.start(*arguments, terminal=terminal)
    os.write(screen, answer)
    said = bytearray()
    while select.select([screen], [], [], 0.1)[0] or run.process.poll() is None:
        if select.select([screen], [], [], 0)[0]:
            said += os.read(screen, 65536)
    os.close(terminal)
    os.close(screen)
    return run.finish(20), said.decode("utf-8", "replace")


@tap.test
def on_a_terminal_nothing_is_erased_without_a_yes(rig):
    if why_no_loop():
        tap.skip(why_no_loop())
    image, backing = rig.image(MIB), rig.file(MIB)
    loop = rig.loop(backing)
    with open(backing, "rb") as file:
        before = file.read()
    for answer in (b"n\n", b"\n", b"\x04", b"maybe\n"):
        run, said = on_terminal(rig, answer, "write", image, loop)
        tap.equal(run.code, 2, said)
        tap.contains(said + run.errors, loop)
        with open(backing, "rb") as file:
            tap.true(file.read() == before, f"nothing is written after {answer!r}")
    run, said = on_terminal(rig, b"yes\n", "write", image, loop)
    tap.equal(run.code, 0, said + run.text())


@tap.test
def on_a_terminal_progress_is_live_and_ends_with_a_summary(rig):
    image = rig.image(4 * MIB)
    good, bad = rig.simulated(4 * MIB, write_rate="8M"), rig.simulated(4 * MIB, flip_write_at=99)
    run, said = on_terminal(rig, b"", "write", "--simulate", image, good, bad)
    tap.equal(run.code, 1, said + run.text())
    tap.contains(said, "\x1b[", "it draws")
    tap.contains(said, "mismatch")
    tap.contains(said.lower(), "passed")


if __name__ == "__main__":
    tap.main()
