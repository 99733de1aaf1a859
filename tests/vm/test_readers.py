#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Card readers and SD cards: media come and go while their drives stay."""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from gadget import PORT, GadgetReader
from guest import Guest, why_no_guest
from press import IMAGE, Press
from rig import MIB


@tap.test
def cards_in_a_reader_with_four_slots_start_by_themselves(rig):
    slots = {f"R{lun}": (PORT, lun) for lun in range(4)}
    size = 64 * MIB
    with Guest(rig) as guest:
        press = Press(rig, guest, slots, image_bytes=size)
        press.arm()
        reader = GadgetReader(guest, luns=4)
        names = guest.disks_of(reader.luns)
        tap.equal([press.slot(name)["state"] for name in slots], ["empty"] * 4)
        reader.insert(1, size)
        press.wait_written("R1", 0)
        reader.eject(1)
        press.failed("R1", "unplugged")
        reader.insert(3, size + MIB)
        reader.insert(1, size + 2 * MIB)
        done = press.wait_for_all(["R1", "R3"], "passed")
        for lun, more in ((1, 2 * MIB), (3, MIB)):
            slot = press.passed(f"R{lun}", None, done[f"R{lun}"])
            tap.equal((slot["target"], slot["drive"]["capacity_bytes"]),
                      (f"/dev/{names[lun]}", size + more))
            guest.check(f"cmp -n {size} /mnt/{IMAGE}.img {reader.medium(lun)}")
        tap.equal([press.slot(name)["state"] for name in ("R0", "R2")], ["empty"] * 2)
        reader.eject(3)
        press.wait_for("R3", "empty")
        tap.equal(press.slot("R1")["state"], "passed", "its neighbour keeps its verdict")


@tap.test
def a_card_in_a_reader_behind_a_hub_is_ejected_and_another_starts_clean(rig):
    slots = {"A01": "1.1.1", "A01.1": ("1.1.1", 1), "A02": "1.1.2"}
    with Guest(rig) as guest:
        press = Press(rig, guest, slots, image_bytes=16 * MIB)
        press.arm()
        reader = guest.plug_reader("1.1.1", [None, 16 * MIB])
        stick = guest.plug("1.1.2", 16 * MIB, throttle=4 * MIB)
        press.passed("A01.1", reader.luns[1])
        tap.equal(press.slot("A01")["state"], "empty")
        guest.insert(reader.luns[0], 17 * MIB, throttle=4 * MIB)
        press.wait_written("A01", 2 * MIB)
        guest.eject(reader.luns[0])
        press.failed("A01", "unplugged")
        guest.insert(reader.luns[0], 18 * MIB)
        slot = press.passed("A01", reader.luns[0])
        tap.equal(slot["drive"]["capacity_bytes"], 18 * MIB)
        press.passed("A02", stick)
        tap.equal(press.slot("A01.1")["state"], "passed")


@tap.test
def an_sd_card_is_a_drive_too(rig):
    with Guest(rig, sd=True) as guest:
        host = guest.check("readlink -f /sys/class/mmc_host/mmc0")
        controller = re.search(r"/([0-9a-f:.]+)/mmc_host/", host)[1]
        # The card cannot be slowed down: enough to write that it is ejected in the middle.
        press = Press(rig, guest, {"SD": f"{controller}/mmc"}, image_bytes=120 * MIB)
        press.arm()
        guest.insert(guest.sd, 128 * MIB)
        press.wait_written("SD", 0)
        guest.eject(guest.sd)
        press.failed("SD", "unplugged")
        guest.insert(guest.sd, 256 * MIB)
        slot = press.passed("SD", guest.sd)
        tap.equal((slot["target"], slot["drive"]["capacity_bytes"]), ("/dev/mmcblk0", 256 * MIB))
        guest.eject(guest.sd)
        press.wait_for("SD", "empty")


if __name__ == "__main__":
    if why_no_guest():
        print(f"1..0 # SKIP {why_no_guest()}")
    else:
        tap.main(seconds_max=240)
