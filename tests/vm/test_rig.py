#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig of virtual machines itself: what it plugs, pulls and breaks arrives in the guest."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from drives import PORTS_OF_HUBS, flush_error, read_error, wait_for, write_error
from gadget import GadgetReader
from guest import Guest, why_no_guest
from rig import MIB


@tap.test
def a_guest_boots_with_the_product_in_it(rig):
    with Guest(rig, cold=True) as guest:
        print(f"# cold boot: {guest.boot_s:.1f} s", flush=True)
        tap.equal(guest.check("systemctl is-system-running").strip(), "running")
        tap.contains(guest.check("id drivepress"), "(drivepress)")
        tap.contains(guest.check("drivepress --version"), "drivepress")
        owner = guest.check("stat -c '%U %a' /var/lib/drivepress/images")
        tap.equal(owner, "root 755\n")


@tap.test
def a_snapshot_gives_a_clean_guest_quickly(rig):
    with Guest(rig) as guest:
        print(f"# from the snapshot: {guest.boot_s:.1f} s", flush=True)
        tap.equal(guest.check("systemctl is-system-running").strip(), "running")
        guest.check("touch /etc/left /srv/left")
        tap.true(abs(float(guest.check("date +%s.%N")) - time.time()) < 10, "the clock is right")
        with open(os.path.join(guest.share, "hello"), "w", encoding="ascii") as file:
            file.write("from the host")
        tap.equal(guest.check("cat /mnt/hello"), "from the host")
    with Guest(rig) as guest:
        tap.equal(guest.run("ls /etc/left")[0], 2)
        tap.equal(guest.run("ls /srv/left")[0], 2)
        tap.equal(os.listdir(guest.share), [])


@tap.test
def commands_have_a_status_an_output_and_a_limit(rig):
    with Guest(rig) as guest:
        tap.equal(guest.run("echo 'a\\b'; echo \"c  d\" >&2\nexit 3"), (3, "a\\b\nc  d\n"))
        tap.equal(guest.run("sleep 100", timeout=1)[0], 124)
        jobs = [guest.start("head -c 1000000 /dev/zero | tr '\\0' x") for _ in range(3)]
        for job in jobs:
            tap.equal(job.finish(), (0, "x" * 1000000))
        began = time.monotonic()
        for _ in range(10):
            guest.check("true")
        print(f"# a command takes {(time.monotonic() - began) * 100:.0f} ms")


@tap.test
def sticks_are_disks_at_their_ports(rig):
    with Guest(rig) as guest:
        sticks = [guest.plug(port, (number + 8) * MIB, serial=f"RIG{number:06}")
                  for number, port in enumerate(["1.1.1", "1.3.8", "2.4", "3"])]
        names = guest.disks_of(sticks)
        for number, (name, stick) in enumerate(zip(names, sticks, strict=True)):
            tap.contains(guest.disks()[name], f"/{stick.usb_name}:1.0/")
            tap.equal(guest.size(name), (number + 8) * MIB)
            properties = guest.check(f"udevadm info --query=property /dev/{name}")
            tap.contains(properties, f"ID_SERIAL_SHORT=RIG{number:06}")
            path = f"pci-0000:00:10.0-usb-0:{stick.port}:1.0-scsi-0:0:0:0"
            tap.contains(properties, f"ID_PATH={path}\n")
        guest.check(f"yes written | head -c 4096 | dd of=/dev/{names[1]} bs=4096 oflag=direct")
        with open(sticks[1].path, "rb") as file:
            tap.equal(file.read(16), b"written\nwritten\n")
        guest.unplug(sticks[1])
        wait_for(lambda: names[1] not in guest.disks(), "the pulled stick is gone")
        tap.true({names[0], names[2], names[3]} <= set(guest.disks()), "the others are still there")
        again = guest.plug("1.3.8", 5 * MIB)
        tap.equal(guest.size(guest.disk(again)), 5 * MIB)


@tap.test
def many_sticks_fit_behind_the_hubs(rig):
    with Guest(rig) as guest:
        began = time.monotonic()
        sticks = [guest.plug(port, 8 * MIB) for port in PORTS_OF_HUBS]
        names = guest.disks_of(sticks, seconds=120)
        print(f"# {len(sticks)} sticks: {time.monotonic() - began:.1f} s", flush=True)
        tap.equal(len(set(names)), 24)


@tap.test
def sticks_can_be_there_at_boot_and_files_too(rig):
    stick = {"port": "1.2.2", "size_bytes": 8 * MIB, "serial": "EARLY"}
    files = {"/etc/drivepress/conf.d/rig.conf": "[rig]\n", "/etc/text": "x\n"}
    with Guest(rig, plugged=[stick], files=files) as guest:
        name = guest.disk(guest.plugged[0])
        tap.contains(guest.check(f"udevadm info /dev/{name}"), "ID_SERIAL_SHORT=EARLY")
        tap.equal(guest.check("cat /etc/drivepress/conf.d/rig.conf /etc/text"), "[rig]\nx\n")
        tap.equal(guest.check("stat -c '%U %a' /etc").strip(), "root 755")


@tap.test
def a_slow_stick_is_slow(rig):
    with Guest(rig) as guest:
        slow = guest.plug("1.1.1", 64 * MIB, throttle=2 * MIB)
        name = guest.disk(slow)
        guest.check(f"dd if=/dev/zero of=/dev/{name} bs=1M count=4 oflag=direct")
        output = guest.check(f"dd if=/dev/zero of=/dev/{name} bs=1M count=8 oflag=direct")
        seconds = float(output.split("copied, ")[1].split()[0])
        tap.true(seconds > 3, f"8 MiB at 2 MiB/s took {seconds} s")


@tap.test
def a_stick_is_pulled_in_mid_write(rig):
    with Guest(rig) as guest:
        sticks = [guest.plug(port, 64 * MIB, throttle=4 * MIB) for port in ("1.1.1", "1.1.2")]
        names = guest.disks_of(sticks)
        jobs = [guest.start(f"dd if=/dev/zero of=/dev/{name} bs=1M count=12 oflag=direct")
                for name in names]
        wait_for(lambda: guest.written(names[0]) > 2 * MIB, "it is being written")
        guest.unplug(sticks[0])
        tap.true(jobs[0].finish()[0] != 0, "the write has failed")
        tap.equal(jobs[1].finish()[0], 0)


@tap.test
def injected_errors_are_errors(rig):
    with Guest(rig) as guest:
        bad = guest.plug("1.1.1", 16 * MIB, faults=[write_error(4 * MIB), read_error(9 * MIB)])
        unflushed = guest.plug("1.1.2", 16 * MIB, faults=[flush_error()])
        name, other = guest.disks_of([bad, unflushed])

        write = f"dd if=/dev/zero of=/dev/{name} bs=1M count=1 oflag=direct"
        tap.equal(guest.run(f"{write} seek=3")[0], 0)
        tap.contains(guest.run(f"{write} seek=4")[1], "Input/output error")
        tap.equal(guest.run(f"{write} seek=5")[0], 0)
        read = f"dd if=/dev/{name} of=/dev/null bs=1M count=1 iflag=direct"
        tap.equal(guest.run(f"{read} skip=8")[0], 0)
        tap.contains(guest.run(f"{read} skip=9")[1], "Input/output error")
        flushed = guest.run(f"dd if=/dev/zero of=/dev/{other} bs=1M count=1 conv=fsync")
        tap.contains(flushed[1], "Input/output error")


@tap.test
def a_read_only_stick_is_read_only(rig):
    with Guest(rig) as guest:
        name = guest.disk(guest.plug("1.1.1", 16 * MIB, read_only=True, throttle=4 * MIB))
        tap.equal(guest.check(f"cat /sys/block/{name}/ro").strip(), "1")


@tap.test
def a_stick_stalls_and_goes_on(rig):
    with Guest(rig) as guest:
        stick = guest.plug("1.1.1", 16 * MIB, stallable=True)
        name = guest.disk(stick)
        guest.stall(stick)
        job = guest.start(f"dd if=/dev/zero of=/dev/{name} bs=1M count=1 oflag=direct; echo done")
        status = guest.run(f"timeout 2 tail -f --pid $(pgrep -x dd) /dev/null")[0]
        tap.equal(status, 124, "dd hangs for 2 s")
        guest.resume(stick)
        tap.contains(job.finish()[1], "done")
        with open(stick.path, "rb") as file:
            tap.equal(len(file.read()), 16 * MIB)


@tap.test
def a_keyboard_is_an_input_device(rig):
    with Guest(rig) as guest:
        keyboard = guest.plug_keyboard("1.2.5")
        device = "/sys/bus/usb/devices/1-1.2.5"
        wait_for(lambda: guest.run(f"ls {device}:1.0/*/input")[0] == 0, "it is there")
        guest.unplug(keyboard)
        wait_for(lambda: guest.run(f"ls {device}")[0] != 0, "it is gone")


@tap.test
def a_card_reader_changes_its_media(rig):
    with Guest(rig) as guest:
        reader = guest.plug_reader("1.2.6", [None, 8 * MIB])
        first, second = guest.disks_of(reader.luns)
        tap.equal((guest.size(first), guest.size(second)), (0, 8 * MIB))
        guest.insert(reader.luns[0], 12 * MIB)
        wait_for(lambda: guest.size(first) == 12 * MIB, "the medium is there")
        guest.eject(reader.luns[0])
        wait_for(lambda: guest.size(first) == 0, "the medium is gone")
        guest.insert(reader.luns[0], 10 * MIB)
        wait_for(lambda: guest.size(first) == 10 * MIB, "another medium is there")
        tap.equal(guest.size(second), 8 * MIB)
        guest.unplug(reader)
        wait_for(lambda: first not in guest.disks(), "the reader is gone")


@tap.test
def each_lun_of_a_gadget_changes_its_media(rig):
    with Guest(rig) as guest:
        reader = GadgetReader(guest, luns=4)
        names = guest.disks_of(reader.luns)
        reader.insert(1, 8 * MIB)
        reader.insert(3, 12 * MIB)

        def sizes():
            return [guest.size(name) // MIB for name in names]

        wait_for(lambda: sizes() == [0, 8, 0, 12], "two media are there")
        guest.check(f"echo text | dd of=/dev/{names[1]} conv=fsync")
        tap.equal(guest.check(f"head -c 5 {reader.medium(1)}"), "text\n")
        reader.eject(1)
        wait_for(lambda: sizes() == [0, 0, 0, 12], "one is gone")
        reader.unplug()
        wait_for(lambda: not set(names) & set(guest.disks()), "the reader is gone")
        reader.plug()
        guest.disks_of(reader.luns)


@tap.test
def an_sd_card_comes_and_goes(rig):
    with Guest(rig, sd=True) as guest:
        guest.insert(guest.sd, 16 * MIB)
        name = guest.disk(guest.sd)
        tap.equal(name, "mmcblk0")
        guest.check(f"dd if=/dev/zero of=/dev/{name} bs=1M count=2 oflag=direct")
        guest.eject(guest.sd)
        wait_for(lambda: name not in guest.disks(), "the card is gone")
        guest.insert(guest.sd, 32 * MIB)
        guest.disk(guest.sd)


if why_no_guest():
    print(f"1..0 # SKIP {why_no_guest()}")
else:
    tap.main(seconds_max=180)
