#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall: what the daemon cannot open, and who leaves the rig's drives alone, on a real kernel
with real udev, udisks, LVM and md."""

import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from drives import wait_for
from guest import Guest, why_no_guest
from press import AS_DAEMON, CATALOGUE, CONTENT_FIELDS, IMAGE, Press, slots_text
from rig import MIB, fill

# Their hub's other ports are claimed with them; the ports of the plain hub, 2.1 to 2.8, never are.
SLOTS = {"A01": "1.1.1", "A02": "1.1.2"}


# --- What can be opened ---------------------------------------------------------------------------


def partitioned(rig):
    """The image of a stick with a partition."""
    path = rig.path("partitioned")
    fill(path, 8 * MIB)
    # An MBR with one entry: type 0x83, from sector 2048, 8192 sectors.
    entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + \
        (8192).to_bytes(4, "little")
    with open(path, "r+b") as file:
        file.seek(446)
        file.write(entry + bytes(48) + b"\x55\xaa")
    return path


@tap.test
def the_daemons_user_can_open_the_rigs_drives_and_no_other_disk(rig):
    with Guest(rig) as guest:
        press = Press(rig, guest, SLOTS, image_bytes=2 * MIB)
        press.arm("--mode", "verify")
        named = guest.plug("1.1.1", image=partitioned(rig))
        unnamed = guest.plug("1.1.8", 8 * MIB)
        stranger = guest.plug("2.1", 8 * MIB)
        at_root = guest.plug("3", 8 * MIB)
        ours = guest.disks_of([named, unnamed])
        others = guest.disks_of([stranger, at_root])
        guest.check("udevadm settle")
        for name in ours:
            tap.equal(press.opens(name), "", f"{name}, in the rig")
        partition = f"{ours[0]}1"
        tap.true(guest.run(f"test -b /dev/{partition}")[0] == 0, "there is a partition")
        # The system's disk, the product's, a mounted one, and sticks that are plugged in elsewhere.
        for name in ("vda", "vdb", "vdc", *others, partition):
            tap.equal(press.opens(name), "EACCES", f"{name}, not in the rig")
            guest.check(f"dd if=/dev/{name} of=/dev/null count=1")
        mounted = guest.check("findmnt --noheadings --output SOURCE /srv").strip()
        tap.equal(mounted, "/dev/vdc")
        listed = guest.check("find /dev -group drivepress -type b").split()
        tap.equal(sorted(listed), sorted(f"/dev/{name}" for name in ours), "all that it may open")

        # Nor may it change what is written, from where it runs.
        inside = f"nsenter --mount --target {press.pid()} {AS_DAEMON}"
        guest.check(f"{inside} head -c 1 {CATALOGUE}/{IMAGE}.img")
        for change in (f"bash -c 'exec 3<>{CATALOGUE}/{IMAGE}.img'", f"touch {CATALOGUE}/new",
                       f"mv {CATALOGUE} {CATALOGUE}.old"):
            tap.true(guest.run(f"{inside} {change}")[0] != 0, change)

        targets = [slot["target"] for slot in press.status()["slots"].values()]
        for name in others:
            tap.true(f"/dev/{name}" not in targets, f"{name} has no slot")


@tap.test
def a_slot_whose_port_is_not_claimed_says_so_and_is_not_written(rig):
    with Guest(rig) as guest:
        press = Press(rig, guest, SLOTS, image_bytes=2 * MIB)
        with open(os.path.join(guest.share, "more.conf"), "w", encoding="ascii") as file:
            file.write(slots_text({"B01": "2.1"}))
        guest.check("cp /mnt/more.conf /etc/drivepress/conf.d/70-more.conf")
        press.check("reload")
        press.arm()
        stick = guest.plug("2.1", 8 * MIB)
        slot = press.wait_for("B01", "refused")
        tap.equal(slot["verdict"], "not-in-rig")
        tap.contains(slot["drive"]["note"], "drivepress slots claim")
        with open(stick.path, "rb") as file:
            tap.equal(file.read(), bytes(8 * MIB), "nothing was written")
        # As the note advises.
        press.check("slots", "claim", "--yes")
        guest.unplug(stick)
        press.wait_for("B01", "empty")
        again = guest.plug("2.1", 8 * MIB)
        press.passed("B01", again)

        # What is claimed no more is taken back.
        name = guest.disk(again)
        tap.equal(press.opens(name), "")
        guest.check("rm /etc/drivepress/conf.d/70-more.conf")
        press.check("slots", "claim", "--yes")
        guest.check(f"udevadm trigger --settle /dev/{name}")
        tap.equal(press.opens(name), "EACCES")


# --- Who leaves them alone ------------------------------------------------------------------------

MAKE_CONTENTS = """set -e
cd /run; modprobe -a loop raid1 dm-mod
truncate -s 24M pv md0 md1 ext4; truncate -s 32M btrfs
mkfs.ext4 -q -F -L rigext4 ext4
mkfs.btrfs -q -M -L rigbtrfs btrfs
for name in pv md0 md1; do losetup --show -f $name; done
pvcreate -q /dev/loop0
vgcreate -q rigvg /dev/loop0
lvcreate -q -an -n riglv -l 4 rigvg
mdadm --quiet --create /dev/md/rig --run --assume-clean --level 1 --raid-devices 2 \
    --metadata 1.2 /dev/loop1 /dev/loop2 </dev/null
udevadm settle
mdadm --quiet --stop /dev/md/rig
vgchange -q -an rigvg
losetup -D
udevadm settle
# By these LVM remembers what it has seen, and takes it up only once.
rm -f /run/lvm/pvs_online/* /run/lvm/vgs_online/* /run/lvm/pvs_lookup/*
cp pv md0 md1 ext4 btrfs /mnt
"""
CONTENTS = ("pv", "md0", "md1", "ext4", "btrfs")


def make_contents(rig, guest):
    """Files that hold what systems take up by themselves: a volume group, both halves of an array
    and two file systems. Returns a function that gives a copy of one."""
    guest.check(MAKE_CONTENTS, timeout=60)
    for name in CONTENTS:
        shutil.move(os.path.join(guest.share, name), rig.path(name))

    def copy(name, suffix):
        return shutil.copy(rig.path(name), rig.path(f"{name}-{suffix}"))

    return copy


def udisks_shows(guest, name):
    """Whether udisks has something to show of a disk."""
    status, told = guest.run(f"udisksctl info --block-device /dev/{name}")
    if status != 0:
        tap.contains(told, "Error looking up object")
        return False
    return "HintIgnore:true" not in told.replace(" ", "")


def is_left_alone(press, names):
    guest = press.guest
    guest.check("udevadm settle", timeout=60)
    tap.equal(press.holders(), [], "nothing was put together")
    tap.equal(guest.run("findmnt --noheadings --output SOURCE | grep ^/dev/sd")[1], "")
    tap.equal(guest.run("systemctl list-units --all --no-legend 'lvm-activate-*'")[1], "")
    for name in names:
        properties = press.udev(name)
        for field in CONTENT_FIELDS:
            tap.true(field not in properties, f"{name} has no {field}")
        tap.equal(guest.check(f"ls /sys/block/{name}/holders"), "")
        tap.true(not udisks_shows(guest, name), f"udisks does not show {name}")


@tap.test
def udisks_lvm_and_md_leave_the_rigs_drives_alone(rig):
    slots = {f"A{number:02}": f"1.1.{number}" for number in range(1, 6)}
    with Guest(rig) as guest:
        copy = make_contents(rig, guest)
        guest.check("systemctl start udisks2")
        # The master is one of them: what was written must not be taken up either.
        press = Press(rig, guest, slots, image=copy("pv", "master"), image_bytes=24 * MIB)
        sticks = {slot: guest.plug(slots[slot], image=copy(content, "rig"))
                  for slot, content in zip(slots, CONTENTS, strict=True)}
        press.wait_for_all(slots, "ready")
        names = guest.disks_of(list(sticks.values()))
        is_left_alone(press, names)
        press.arm()
        press.check("start", "--all")
        for slot, stick in sticks.items():
            press.passed(slot, stick)
        is_left_alone(press, names)

        # The same where they are not the rig's, or else all this would show nothing.
        strangers = {content: guest.plug(f"2.{number}", image=copy(content, "free"))
                     for number, content in enumerate(CONTENTS, 1)}
        free = dict(zip(CONTENTS, guest.disks_of(list(strangers.values())), strict=True))
        wait_for(lambda: any(name.startswith("dm-") for name in press.holders()),
                 "LVM has taken up its volume", 60)
        wait_for(lambda: any(name.startswith("md") for name in press.holders()),
                 "md has put its array together", 60)
        wait_for(lambda: guest.run(f"udisksctl mount -b /dev/{free['ext4']}")[0] == 0,
                 "udisks can mount a stranger")
        tap.equal(press.udev(free["btrfs"])["ID_FS_TYPE"], "btrfs")
        tap.true(udisks_shows(guest, free["ext4"]), "udisks shows a stranger")
        tap.true(not any(udisks_shows(guest, name) for name in names), "and none of the rig's")


# --- Keyboards ------------------------------------------------------------------------------------


def authorized(guest, port):
    """Whether the interface of a keyboard may be used."""
    return guest.check(f"cat /sys/bus/usb/devices/1-{port}:1.0/authorized").strip() == "1"


def can_type(guest, port):
    """Whether there is an input device of a keyboard."""
    return guest.run(f"ls -d /sys/bus/usb/devices/1-{port}:1.0/*/input/input*")[0] == 0


@tap.test
def a_keyboard_in_the_rig_is_switched_off_and_reported(rig):
    with Guest(rig) as guest:
        press = Press(rig, guest, SLOTS, image_bytes=2 * MIB)
        press.arm()
        keyboard = guest.plug_keyboard("1.1.2")
        guest.plug_keyboard("2.1")
        slot = press.wait_for("A02", "refused")
        tap.equal(slot["verdict"], "policy")
        tap.contains(slot["drive"]["note"], "switched off")
        tap.contains(slot["drive"]["model"], "Keyboard")
        tap.true(not authorized(guest, "1.1.2"), "it is not authorised")
        tap.true(not can_type(guest, "1.1.2"), "it cannot type")
        wait_for(lambda: can_type(guest, "2.1"), "the keyboard elsewhere can type")
        tap.true(authorized(guest, "2.1"), "that is authorised")

        # A hub in a stick, and a keyboard behind it.
        guest.qmp("device_add", driver="usb-hub", id="nested", bus="xhci0.0", port="1.1.3")
        wait_for(lambda: guest.run("ls /sys/bus/usb/devices/1-1.1.3:1.0/driver")[0] == 0,
                 "the hub is there")
        guest.plug_keyboard("1.1.3.1")
        wait_for(lambda: guest.run("ls /sys/bus/usb/devices/1-1.1.3.1:1.0")[0] == 0,
                 "its keyboard is there")
        wait_for(lambda: not authorized(guest, "1.1.3.1"), "it is switched off")
        wait_for(lambda: not can_type(guest, "1.1.3.1"), "it cannot type")

        guest.unplug(keyboard)
        press.wait_for("A02", "empty")
        stick = guest.plug("1.1.2", 8 * MIB)
        press.passed("A02", stick)


if __name__ == "__main__":
    if why_no_guest():
        print(f"1..0 # SKIP {why_no_guest()}")
    else:
        tap.main(seconds_max=240)
