#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Insert and go, on a real kernel: drives that are plugged into an armed rig, pulled out of it, or
broken, under the installed service."""

import hashlib
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from drives import PORTS_OF_HUBS, flush_error, read_error, wait_for, write_error
from gadget import PORT, GadgetReader
from guest import Guest, why_no_guest
from press import IMAGE, RIG_FILE, Press, files_at_boot, slots_text
from rig import MIB, fill

RIG = {f"{'ABC'[number // 8]}{number % 8 + 1:02}": port
       for number, port in enumerate(PORTS_OF_HUBS)}
FIRST_HUB = {name: port for name, port in RIG.items() if name.startswith("A")}


# --- A whole rig ----------------------------------------------------------------------------------


def serial_of(number):
    return f"SECRET{number:05}"


def runs_in_the_sandbox(press):
    """The service that did the work is the installed unit, with everything that hardens it."""
    guest = press.guest
    tap.equal(press.property("User"), "drivepress")
    tap.equal(press.property("NoNewPrivileges"), "yes")
    tap.contains(press.property("SystemCallFilter"), "io_uring_enter")
    process = dict(line.split(":", 1)
                   for line in guest.check(f"cat /proc/{press.pid()}/status").splitlines())
    user, group = guest.check("id -u drivepress; id -g drivepress").split()
    tap.equal(process["Uid"].split(), [user] * 4)
    tap.equal(process["Gid"].split(), [group] * 4)
    tap.true(set(process["Groups"].split()) <= {group}, "no other group")
    tap.equal(process["Seccomp"].strip(), "2", "the filter is in force")
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        tap.equal(int(process[kind], 16), 0, kind)
    tap.equal(process["NoNewPrivs"].strip(), "1")
    overall = guest.check("systemd-analyze security --no-pager drivepressd").splitlines()[-1]
    exposure = float(overall.split(":")[1].split()[0])
    print(f"# exposure {exposure}", flush=True)
    tap.true(exposure <= 1.5, overall)


def is_told_in_the_journal(press, slots, serials):
    """An entry for each verdict, with fields for programs; no serial number of any drive."""
    verdicts = {entry["DRIVEPRESS_SLOT"]: entry for entry in press.journal()
                if entry.get("DRIVEPRESS_VERDICT")}
    tap.equal(sorted(verdicts), sorted(slots))
    for entry in verdicts.values():
        tap.equal((entry["DRIVEPRESS_STATE"], entry["DRIVEPRESS_VERDICT"],
                   entry["DRIVEPRESS_IMAGE"]), ("passed", "passed", IMAGE))
        tap.equal(entry["_SYSTEMD_UNIT"], "drivepressd.service")
    said = press.guest.check("journalctl -o export --no-pager -t drivepressd")
    for serial in serials:
        tap.true(serial not in said, f"the journal contains {serial}")


@tap.test
def twenty_four_sticks_start_by_themselves_and_pass_in_the_sandbox(rig):
    with Guest(rig) as guest:
        press = Press(rig, guest, RIG)
        ready = next(text for text in press.messages() if text.startswith("ready: "))
        tap.contains(ready, "io_uring")
        press.arm()
        names = list(RIG)
        random.Random(3).shuffle(names)
        sticks = {}
        for number, name in enumerate(names):
            # Each is of another size, by which it is known on both sides.
            sticks[name] = guest.plug(RIG[name], (9 + number) * MIB, serial=serial_of(number))
        slots = press.wait_for_all(names, "passed", seconds=170)
        for number, name in enumerate(names):
            slot = press.passed(name, sticks[name], slots[name])
            tap.equal((slot["drive"]["capacity_bytes"], slot["drive"]["serial"]),
                      ((9 + number) * MIB, serial_of(number)), f"the drive in {name}")
        devices = guest.disks_of([sticks[name] for name in names])
        tap.equal([slots[name]["target"] for name in names], [f"/dev/{name}" for name in devices])
        tap.equal(press.status()["totals"], {"passed": 24, "failed": 0, "refused": 0, "aborted": 0})

        runs_in_the_sandbox(press)
        is_told_in_the_journal(press, names, [serial_of(number) for number in range(24)])


# --- What was there before, and what comes back ---------------------------------------------------


def random_image(rig, name, size_bytes, seed):
    path = rig.path(name)
    fill(path, size_bytes, seed)
    with open(path, "rb") as file:
        return path, hashlib.sha256(file.read()).digest()


def unchanged(drive, digest):
    with open(drive.path, "rb") as file:
        return hashlib.sha256(file.read()).digest() == digest


@tap.test
def sticks_that_are_there_at_boot_wait_for_somebody(rig):
    slots = {name: FIRST_HUB[name] for name in ("A01", "A02", "A03")}
    files, image = files_at_boot(rig, slots, "[policy]\narm_on_start = yes\n", 4 * MIB)
    images = [random_image(rig, f"early{number}", 6 * MIB, 5 + number) for number in range(2)]
    plugged = [{"port": slots[name], "image": path}
               for name, (path, _) in zip(("A01", "A02"), images, strict=True)]
    with Guest(rig, files=files, plugged=plugged) as guest:
        press = Press(rig, guest, slots, image=image, image_bytes=4 * MIB, start=False)
        first, second = guest.plugged
        wait_for(lambda: press.status()["armed"], "it is armed by itself", 60)
        tap.equal(press.status()["armed"], {"image": "auto", "mode": "write+verify"})
        press.wait_for_all(["A01", "A02"], "ready")
        # That one starts shows that the others could have.
        late = guest.plug(slots["A03"], 5 * MIB)
        press.passed("A03", late)
        slots_now = press.wait_for_all(["A01", "A02"], "ready")
        press.at_its_port("A01", first, slots_now["A01"])
        tap.true(unchanged(first, images[0][1]) and unchanged(second, images[1][1]),
                 "what they hold is as it was")
        press.check("start", "A01")
        press.passed("A01", first)
        tap.equal(press.slot("A02")["state"], "ready")
        tap.true(unchanged(second, images[1][1]), "the other one is as it was")


def becomes_free(guest, name):
    """Waits until nobody has a lock on a disk any more, or has it open for himself alone."""
    exclusive = f"perl -MFcntl -e 'sysopen(F, \"/dev/{name}\", O_RDWR | O_EXCL) or die $!'"
    wait_for(lambda: guest.run(f"flock --exclusive --nonblock /dev/{name} {exclusive}")[0] == 0,
             f"{name} is not held any more", 10)
    tap.equal(guest.check(f"ls /sys/block/{name}/holders"), "")


@tap.test
def a_killed_daemon_comes_back_and_has_taken_nothing_for_good(rig):
    slots = {name: FIRST_HUB[name] for name in ("A01", "A02")}
    with Guest(rig) as guest:
        # Even with this, what was interrupted is not taken up by itself.
        press = Press(rig, guest, slots, image_bytes=24 * MIB,
                      more="[policy]\narm_on_start = yes\n")
        press.arm()
        first = guest.plug(slots["A01"], 24 * MIB, throttle=4 * MIB)
        name = guest.disk(first)
        press.wait_written("A01", 4 * MIB)
        pid = press.pid()
        guest.check("systemctl kill -s KILL drivepressd")
        wait_for(lambda: press.property("ActiveState") == "active" and press.pid() != pid,
                 "systemd has restarted it", 60)
        tap.equal(press.property("NRestarts"), "1")
        press.wait_for("A01", "ready")
        becomes_free(guest, name)
        written = guest.written(name)
        wait_for(lambda: press.status()["armed"], "it is armed by itself", 60)
        second = guest.plug(slots["A02"], 25 * MIB)
        press.passed("A02", second)
        tap.equal(press.slot("A01")["state"], "ready")
        tap.equal(guest.written(name), written, "nothing was written since")
        tap.true(not press.holds_image(first), "it was interrupted")
        press.check("start", "A01")
        press.passed("A01", first)
        becomes_free(guest, name)


# --- Bad drives -----------------------------------------------------------------------------------


@tap.test
def a_stick_that_is_pulled_disturbs_nobody_and_its_port_is_used_again(rig):
    slots = {name: FIRST_HUB[name] for name in ("A01", "A02", "A03")}
    with Guest(rig) as guest:
        press = Press(rig, guest, slots, image_bytes=24 * MIB)
        press.arm()
        sticks = {name: guest.plug(port, 24 * MIB, throttle=4 * MIB)
                  for name, port in slots.items()}
        press.wait_written("A02", 4 * MIB)
        name = guest.disk(sticks["A02"])
        guest.unplug(sticks["A02"])
        press.failed("A02", "unplugged")
        tap.true(press.slot("A01")["state"] == "writing", "its neighbours are not there yet")
        again = guest.plug(slots["A02"], 26 * MIB)
        tap.equal(guest.disk(again), name, "the kernel has let go of the one before")
        slot = press.passed("A02", again)
        tap.equal(slot["drive"]["capacity_bytes"], 26 * MIB)
        for neighbour in ("A01", "A03"):
            press.passed(neighbour, sticks[neighbour])
        tap.equal(press.status()["totals"], {"passed": 3, "failed": 1, "refused": 0, "aborted": 0})


@tap.test
def a_stick_that_hangs_is_pulled_and_its_port_is_used_again(rig):
    slots = {"A01": PORT, "A02": FIRST_HUB["A02"]}
    with Guest(rig) as guest:
        press = Press(rig, guest, slots, image_bytes=12 * MIB,
                      more="[policy]\nstall_timeout = 4\n")
        press.arm()
        # QEMU waits for what is under way when it pulls a drive; Linux's gadget does not.
        reader = GadgetReader(guest, luns=1)
        reader.unplug()
        reader.insert(0, 14 * MIB, path="/srv/medium")
        guest.check("fsfreeze --freeze /srv")
        reader.plug()
        name = guest.disk(reader.luns[0])
        press.failed("A01", "stalled")
        neighbour = guest.plug(slots["A02"], 16 * MIB)
        press.passed("A02", neighbour)
        reader.pull()
        press.wait_for("A01", "empty")
        wait_for(lambda: name not in guest.disks(), "the disk is gone")
        guest.check("fsfreeze --unfreeze /srv")
        reader.unplug()
        reader.eject(0)
        reader.insert(0, 15 * MIB)
        reader.plug()
        slot = press.passed("A01", None)
        tap.equal(slot["drive"]["capacity_bytes"], 15 * MIB)
        tap.equal(guest.disk(reader.luns[0]), name, "the kernel has let go of the one before")
        guest.check(f"cmp -n {12 * MIB} /mnt/{IMAGE}.img {reader.medium(0)}")


@tap.test
def sticks_with_bad_places_fail_and_their_neighbours_pass(rig):
    slots = {name: FIRST_HUB[name] for name in ("A01", "A02", "A03", "A04")}
    faults = {"A01": [write_error(5 * MIB + 8192)], "A02": [read_error(3 * MIB + 8192)],
              "A03": [flush_error()], "A04": []}
    with Guest(rig) as guest:
        press = Press(rig, guest, slots, image_bytes=8 * MIB)
        press.arm()
        sticks = {name: guest.plug(port, 10 * MIB, faults=faults[name])
                  for name, port in slots.items()}
        slot = press.failed("A01", "write-error")
        tap.equal(slot["bad_chunks"], [5], "where it cannot be written")
        slot = press.failed("A02", "read-error")
        tap.equal(slot["bad_chunks"], [3], "where it cannot be read")
        press.failed("A03", "write-error")
        press.passed("A04", sticks["A04"])
        tap.equal(press.status()["totals"], {"passed": 1, "failed": 3, "refused": 0, "aborted": 0})


# --- The service manager --------------------------------------------------------------------------


@tap.test
def a_reload_leaves_passes_alone_and_the_watchdog_is_fed(rig):
    slots = {name: FIRST_HUB[name] for name in ("A01", "A02")}
    with Guest(rig) as guest:
        drop_in = "/etc/systemd/system/drivepressd.service.d/test.conf"
        guest.check(f"mkdir -p $(dirname {drop_in}); "
                    f"printf '[Service]\nWatchdogSec=5\n' >{drop_in}; systemctl daemon-reload")
        press = Press(rig, guest, slots, image_bytes=16 * MIB)
        tap.equal(press.property("WatchdogUSec"), "5s")
        pid = press.pid()
        tap.contains(press.property("StatusText"), "disarmed")
        # A port that is claimed and has no slot yet.
        further, file = slots_text({"B01": "3"}), "/etc/drivepress/conf.d/70-more.conf"
        guest.check(f"printf '{further}' >{file} && drivepress slots claim --yes && rm {file}")
        press.arm()
        early = guest.plug("3", 20 * MIB)
        guest.disk(early)
        stick = guest.plug(slots["A01"], 16 * MIB, throttle=4 * MIB)
        press.wait_written("A01", 2 * MIB)
        guest.check(f"printf '[policy]\\nmin_size = 20M\\n' >>{RIG_FILE}; "
                    f"printf '{further}' >{file}; systemctl reload drivepressd")
        wait_for(lambda: any("was read again" in text for text in press.messages()),
                 "it was read again")
        small = guest.plug(slots["A02"], 16 * MIB)
        tap.equal(press.wait_for("A02", "refused")["verdict"], "too-small")
        press.passed("A01", stick)
        press.wait_for("B01", "ready")
        tap.equal(guest.written(guest.disk(early)), 0, "what was in a port before it got a slot")
        tap.contains(guest.check("systemctl status drivepressd"), "Status: \"armed")
        guest.unplug(small)
        # The watchdog's last sign of life, in microseconds.
        fed = int(press.property("WatchdogTimestampMonotonic"))
        wait_for(lambda: int(press.property("WatchdogTimestampMonotonic")) > fed + 6_000_000,
                 "it was fed for longer than its time", 60)
        tap.equal((press.pid(), press.property("NRestarts")), (pid, "0"))


if __name__ == "__main__":
    if why_no_guest():
        print(f"1..0 # SKIP {why_no_guest()}")
    else:
        tap.main(seconds_max=240)
