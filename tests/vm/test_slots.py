#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which port is which slot: learned by plugging, and both faces of a port of USB 3."""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from drives import wait_for
from guest import Guest, why_no_guest
from press import CLAIM_FILE, Press, faces
from rig import MIB

LEARNED = "/etc/drivepress/conf.d/50-slots.conf"


class Learning:
    """A run of `drivepress slots learn` in the guest, with somebody who types."""

    def __init__(self, guest, *arguments):
        self._guest = guest
        guest.check("mkfifo /run/typed")
        # Open for both, so that it has no end before somebody has typed.
        self._job = guest.start(f"drivepress slots learn {' '.join(arguments)} "
                                "<>/run/typed >/run/said 2>&1", 200)
        self._read = 0

    def says(self, text):
        """Waits until it has said something since the last time that was waited for."""
        def said():
            whole = self._guest.run("cat /run/said")[1]
            at = whole.find(text, self._read)
            if at < 0:
                return False
            self._read = at + len(text)
            return True

        try:
            wait_for(said, f"it says {text!r}", 60)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self._guest.run('cat /run/said')[1]}") from None

    def type(self, line):
        self._guest.check(f"echo '{line}' >/run/typed")

    def finish(self):
        status, _ = self._job.finish(60)
        said = self._guest.check("cat /run/said")
        tap.equal(status, 0, said)
        return said


@tap.test
def slots_are_learned_by_plugging_a_drive_through_the_ports(rig):
    ports = {"A01": "1.2.5", "A02": "7", "A03": "1.2.2"}
    with Guest(rig) as guest:
        press = Press(rig, guest, {}, image_bytes=4 * MIB)
        tap.equal(press.status()["slots"], {})
        learning = Learning(guest)
        for name, port in ports.items():
            learning.says(f"port of slot {name}")
            stick = guest.plug(port, 8 * MIB)
            learning.says(f"{name}  0000:00:10.0/usb")
            learning.says("Pull it.")
            guest.unplug(stick)
        learning.says("port of slot A04")
        learning.type("")
        learning.says("3 slots were learned, and 6 more are ports of the same hubs")
        learning.says("Type yes: ")
        tap.true(guest.run(f"ls {LEARNED} {CLAIM_FILE}")[0] != 0, "nothing was written yet")
        learning.type("yes")
        learning.says("Written.")
        learning.finish()
        guest.check(f"test -s {LEARNED} && test -s {CLAIM_FILE}")

        press.check("reload")
        listing = json.loads(press.check("slots", "list", "--json"))
        listed = {slot["name"]: slot for slot in listing["slots"]}
        for name, port in ports.items():
            tap.equal(set(listed[name]["ports"]), set(faces(port).split()))
        others = {slot["ports"][0] for name, slot in listed.items() if name not in ports}
        tap.equal(others, {faces(f"1.2.{port}") for port in (1, 3, 4, 6, 7, 8)})
        tap.equal(sorted(listed), [f"A{number:02}" for number in range(1, 10)])

        # What was learned works: for the ports that were named, and for those that came with them.
        press.arm()
        last = next(name for name, slot in listed.items() if slot["ports"] == [faces("1.2.8")])
        sticks = {name: guest.plug(port, (8 + number) * MIB)
                  for number, (name, port) in enumerate({**ports, last: "1.2.8"}.items())}
        slots = press.wait_for_all(sticks, "passed")
        for number, (name, stick) in enumerate(sticks.items()):
            press.passed(name, stick, slots[name])
            press.at_its_port(name, stick, slots[name])
            tap.equal(slots[name]["drive"]["capacity_bytes"], (8 + number) * MIB)


@tap.test
def a_slot_owns_both_faces_of_its_port(rig):
    with Guest(rig) as guest:
        press = Press(rig, guest, {"A01": "4", "A02": "5"}, image_bytes=4 * MIB)
        press.arm()
        stick = guest.plug("4", 8 * MIB)
        name = guest.disk(stick)
        tap.contains(guest.disks()[name], "/2-4/", "the face of USB 3")
        press.passed("A01", stick)
        guest.unplug(stick)
        press.wait_for("A01", "empty")
        # QEMU's drives are all of USB 3 there; its hubs are not.
        guest.qmp("device_add", driver="usb-kbd", id="old", bus="xhci0.0", port="4")
        slot = press.wait_for("A01", "refused")
        tap.equal(slot["verdict"], "policy")
        tap.equal(guest.check("cat /sys/bus/usb/devices/1-4:1.0/authorized").strip(), "0",
                  "the face of USB 2")
        tap.equal(press.slot("A02")["state"], "empty")


if __name__ == "__main__":
    if why_no_guest():
        print(f"1..0 # SKIP {why_no_guest()}")
    else:
        tap.main(seconds_max=240)
