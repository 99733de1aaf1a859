#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall around the rig: what udev makes of udev-rules/59-drivepress.rules.

Two ways, both with the real udev and its stock rules. Drives are loop devices, which the kernel
adds and removes with true events; a claim of our own marks some of their numbers. What no host can
plug by itself (USB devices, card readers, SD cards) is a tree of files in the place of /sys, for
which udevadm plays the events.

All of it happens in namespaces of this program: udevd is one of our own, which nobody else hears,
with a /dev, /run and group database of its own. Nothing stays behind.
"""

import atexit
import contextlib
import ctypes
import errno
import fcntl
import grp
import os
import shutil
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import LOOP_CTL_ADD, LOOP_CTL_REMOVE, MIB, wait_until, why_no_loop

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
RULES = os.path.join(TREE, "udev-rules/59-drivepress.rules")
UDEVD = shutil.which("systemd-udevd", path="/lib/systemd:/usr/lib/systemd")
UDEVADM = shutil.which("udevadm", path="/bin:/usr/bin:/sbin:/usr/sbin")
CLAIM = "58-drivepress-ports.rules"

# Numbers of loop devices that are claimed, and that are not.
CLAIMED, OTHER = range(4300, 4350), range(4350, 4400)
USER = 64321  # without a name, far from those of a machine
CLAIM_OF_LOOPS = ('SUBSYSTEM=="block", KERNEL=="loop43[0-4][0-9]*", '
                  'ENV{DRIVEPRESS_PORT}="0000:00:14.0/usb2/2.3"\n')

OF_A_DRIVE = {
    "DRIVEPRESS_GIVEN": "1",
    "UDISKS_IGNORE": "1",
    "UDISKS_AUTO": "0",
    "SYSTEMD_READY": "0",
    "UDEV_DISABLE_PERSISTENT_STORAGE_BLKID_FLAG": "1",
    "DM_UDEV_DISABLE_OTHER_RULES_FLAG": "1",
    "DM_MULTIPATH_DEVICE_PATH": "0",
    "nompath": "1",
}

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PR_SET_PDEATHSIG = 1
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def call(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind=None, flags=0):
    call(libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None))


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


# --- A world of our own ---------------------------------------------------------------------------


class World:
    """The namespaces, with a udevd in them."""

    def __init__(self):
        self.control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        call(libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        groups = self._groups()
        for directory in ("/run", "/dev"):
            mount("tmpfs", directory, "tmpfs")
        if os.path.isdir("/etc/udev/rules.d"):
            mount("tmpfs", "/etc/udev/rules.d", "tmpfs")
        os.mkdir("/dev/shm")
        os.mknod("/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod("/dev/loop-control", 0o600 | stat.S_IFCHR, os.makedev(10, 237))
        write("/run/group", groups)
        mount("/run/group", "/etc/group", None, MS_BIND)
        os.makedirs("/run/udev/rules.d")
        shutil.copy(RULES, "/run/udev/rules.d/")
        write(f"/run/udev/rules.d/{CLAIM}", CLAIM_OF_LOOPS)
        self.gid = grp.getgrnam("drivepress").gr_gid
        self._udevd = subprocess.Popen([UDEVD], stderr=subprocess.DEVNULL,
                                       preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, 9))
        atexit.register(self.close)
        wait_until(lambda: os.path.exists("/run/udev/control"), "udevd is there")
        udevadm("control", "--ping")  # answered when it hears the kernel, too

    @staticmethod
    def _groups():
        """The groups of this machine, with those that the rules name. Two of them are far from what
        a machine has."""
        text, names = "", {"drivepress": 64321, "disk": 64322}
        for line in read("/etc/group").splitlines():
            names.pop(line.split(":")[0], None)
            text += line + "\n"
        return text + "".join(f"{name}:x:{gid}:\n" for name, gid in names.items())

    def close(self):
        self._udevd.terminate()
        self._udevd.wait(10)


_world = None


def needs_udev(function):
    """A test that gets the world beside its rig."""

    def with_world(rig):
        global _world
        if why_no_loop():
            tap.skip(why_no_loop())
        if not UDEVD or not UDEVADM:
            tap.skip("udev is not installed")
        if _world is None:
            tap.skip(_why_no_world)
        function(rig, _world)

    with_world.__name__ = function.__name__
    return tap.test(with_world)


def udevadm(*arguments, **options):
    return subprocess.run([UDEVADM, *arguments], check=True, text=True, capture_output=True,
                          timeout=30, **options).stdout


def properties_of(sysfs):
    text = udevadm("info", "--query=property", sysfs)
    return dict(line.split("=", 1) for line in text.splitlines())


def group_of(path):
    status = os.stat(path)
    return grp.getgrgid(status.st_gid).gr_name, f"{stat.S_IMODE(status.st_mode):o}"


# --- Loop devices as drives -----------------------------------------------------------------------


class Loop:
    """A block device that comes and goes as a drive does."""

    def __init__(self, world, numbers, backing=None):
        self._control = world.control
        for self.number in numbers:
            self.name = f"loop{self.number}"
            self.node, self.sysfs = f"/dev/{self.name}", f"/sys/block/{self.name}"
            # Our /dev is not the kernel's: the node has to be there before the event.
            os.mknod(self.node, 0o600 | stat.S_IFBLK, os.makedev(7, self.number))
            try:
                fcntl.ioctl(self._control, LOOP_CTL_ADD, self.number)
                break
            except FileExistsError:
                os.unlink(self.node)
        else:
            raise RuntimeError("no free loop device")
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            wait_until(lambda: "USEC_INITIALIZED" in self.properties(), f"udev saw {self.node}")
            if backing:
                self.attach(backing)
            stack.pop_all()

    def attach(self, backing):
        subprocess.run(["losetup", self.node, backing], check=True)
        self.trigger()

    def properties(self):
        return properties_of(self.sysfs)

    def trigger(self, action="change"):
        """Lets an event happen and waits until udev is done with it, and with what came before."""
        udevadm("control", "--ping")
        udevadm("trigger", "--settle", f"--action={action}", self.sysfs)

    def close(self):
        def removed():
            try:
                fcntl.ioctl(self._control, LOOP_CTL_REMOVE, self.number)
            except OSError as error:
                return error.errno == errno.ENODEV
            return True

        subprocess.run(["losetup", "-d", self.node], check=False, stderr=subprocess.DEVNULL)
        # Whoever opens the node of a loop device that is gone, such as udev, makes it anew.
        os.unlink(self.node)
        wait_until(removed, f"{self.node} is free")
        wait_until(lambda: not os.path.exists(f"/run/udev/data/b7:{self.number}"),
                   f"udev has forgotten {self.node}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def pair(rig, world, content=None):
    """A drive in a claimed port, and a disk elsewhere."""
    def backing():
        path = rig.file(8 * MIB)
        if content:
            content(path)
        return path

    with contextlib.ExitStack() as stack:
        drive = stack.enter_context(Loop(world, CLAIMED, backing()))
        other = stack.enter_context(Loop(world, OTHER, backing()))
        return stack.pop_all(), drive, other


def check_drive(drive):
    tap.equal(group_of(drive.node), ("drivepress", "660"))
    properties = drive.properties()
    tap.equal({name: properties.get(name) for name in OF_A_DRIVE}, OF_A_DRIVE)


def check_other(other):
    tap.equal(group_of(other.node), ("disk", "660"))
    ours = [name for name in other.properties() if name in OF_A_DRIVE and name != "SYSTEMD_READY"]
    tap.equal(ours, [])


def open_as_daemon(world, path):
    """What a process with the daemon's rights gets when it opens a disk: 0 or an errno."""
    pid = os.fork()
    if pid == 0:
        result = 255
        try:
            os.setgroups([])
            os.setgid(world.gid)
            os.setuid(USER)
            os.open(path, os.O_RDWR | os.O_EXCL)
            result = 0
        except OSError as error:
            result = error.errno
        finally:
            os._exit(result)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@needs_udev
def only_claimed_disks_can_be_opened_by_the_daemon(rig, world):
    disks, drive, other = pair(rig, world)
    with disks:
        check_drive(drive)
        check_other(other)
        tap.equal(open_as_daemon(world, drive.node), 0)
        tap.equal(open_as_daemon(world, other.node), errno.EACCES)
        tap.equal(open_as_daemon(world, "/dev/loop-control"), errno.EACCES)


@needs_udev
def every_event_leaves_a_drive_as_it_is(rig, world):
    disks, drive, other = pair(rig, world)
    with disks:
        for action in ("change", "add", "bind", "change"):
            for loop in (drive, other):
                loop.trigger(action)
            check_drive(drive)
            check_other(other)


@needs_udev
def nobody_looks_for_a_filesystem(rig, world):
    def filesystem(path):
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", f"wall{len(labels)}", path], check=True)
        labels.append(f"wall{len(labels)}")

    labels = []
    disks, drive, other = pair(rig, world, filesystem)
    with disks:
        for action in ("change", "add"):
            for loop in (drive, other):
                loop.trigger(action)
            found = [name for name in drive.properties() if name.startswith(("ID_FS", "ID_PART"))]
            tap.equal(found, [])
            tap.equal(other.properties().get("ID_FS_TYPE"), "ext4")
        tap.equal(os.listdir("/dev/disk/by-label"), [labels[1]])


@needs_udev
def writing_to_a_drive_makes_no_events(rig, world):
    def events(loop):
        return [line for line in read(log).splitlines() if f"/block/{loop.name} " in line]

    def write_to_both():
        # udevd asks for the events in the order in which the devices were closed. It misses what
        # is closed while it is busy with the device: then it is written again.
        for loop in (drive, other):
            with open(loop.node, "r+b", buffering=0) as file:
                file.write(b"x" * 4096)
        udevadm("control", "--ping")  # answered when it has asked for all of them
        return events(other)

    log = rig.path()
    disks, drive, other = pair(rig, world)
    with disks, open(log, "w", encoding="utf-8") as file, subprocess.Popen(
            [UDEVADM, "monitor", "--kernel", "--subsystem-match=block"], stdout=file) as monitor:
        try:
            wait_until(lambda: "KERNEL - " in read(log), "the monitor listens")
            wait_until(write_to_both, "the other disk has an event")
            tap.equal(events(drive), [])
        finally:
            monitor.kill()


@contextlib.contextmanager
def rules(name, text):
    """Replaces a file of rules for a while."""
    path = f"/run/udev/rules.d/{name}"
    before = read(path) + "\n" if os.path.exists(path) else ""

    def become(text):
        write(f"{path}.new", text)
        os.rename(f"{path}.new", path)
        udevadm("control", "--reload")

    become(text)
    try:
        yield
    finally:
        become(before)


@needs_udev
def a_drive_is_taken_back_when_its_claim_ends(rig, world):
    def filesystem(path):
        subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True)

    disks, drive, _ = pair(rig, world, filesystem)
    with disks:
        check_drive(drive)
        with rules(CLAIM, ""):
            drive.trigger()
            check_other(drive)
            tap.equal(drive.properties().get("ID_FS_TYPE"), "ext4")
            tap.equal(open_as_daemon(world, drive.node), errno.EACCES)
            drive.trigger()
            check_other(drive)
        drive.trigger()
        check_drive(drive)


@needs_udev
def no_later_rule_gives_a_drive_away(rig, world):
    disks, drive, other = pair(rig, world)
    with disks, rules("90-other.rules", 'SUBSYSTEM=="block", OWNER="daemon", GROUP="users", '
                                        'MODE="0666", OPTIONS+="watch"\n'):
        for loop in (drive, other):
            loop.trigger("add")
        tap.equal(group_of(drive.node), ("drivepress", "660"))
        tap.equal(os.stat(drive.node).st_uid, 0)
        tap.equal(group_of(other.node), ("users", "666"))


@needs_udev
def partitions_are_kept_from_others_but_not_given(rig, world):
    with Loop(world, CLAIMED) as drive:
        subprocess.run(["losetup", "--partscan", drive.node, rig.file(8 * MIB)], check=True)
        # As partx does it: not every kernel reads partition tables by itself.
        subprocess.run(["addpart", drive.node, "1", "2048", "8192"], check=False,
                       stderr=subprocess.DEVNULL)
        name = f"{drive.name}p1"
        sysfs, node = f"/sys/class/block/{name}", f"/dev/{name}"
        if not os.path.exists(sysfs):
            tap.skip("no partitions of loop devices here")
        os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(*map(int, read(f"{sysfs}/dev").split(":"))))
        udevadm("trigger", "--settle", "--action=add", sysfs)
        found = properties_of(sysfs)
        expected = {**OF_A_DRIVE, "DRIVEPRESS_GIVEN": None}
        tap.equal(group_of(node), ("disk", "660"))
        tap.equal({name: found.get(name) for name in expected}, expected)
        check_drive(drive)


# --- A machine of files ---------------------------------------------------------------------------


class Machine:
    """Devices as files in the place of /sys, /dev and /run, and udevadm that plays their events."""

    CLAIM = ('SUBSYSTEM=="usb|block", DEVPATH=="*/1-2.3|*/1-2.3/1-2.3:*", '
             'ENV{DRIVEPRESS_PORT}="pci/usb2/2.3"\n'
             'SUBSYSTEM=="block", DEVPATH=="*/mmc_host/*", ENV{DRIVEPRESS_PORT}="pci/mmc"\n')
    BUS = "/devices/pci0000:00/0000:00:05.0/usb1"
    CARD = "/devices/pci0000:00/0000:00:06.0/mmc_host/mmc7/mmc7:0001"

    def __init__(self, rig):
        self.root = rig.path("machine")
        os.makedirs(f"{self.root}/run/udev/rules.d")
        os.mkdir(f"{self.root}/dev")
        shutil.copy(RULES, f"{self.root}/run/udev/rules.d/")
        write(f"{self.root}/run/udev/rules.d/{CLAIM}", self.CLAIM)
        os.mknod(f"{self.root}/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        self._minors = iter(range(256))
        self.usb_device(self.BUS)

    def device(self, path, subsystem, attributes, **uevent):
        directory = f"{self.root}/sys{path}"
        home = f"{self.root}/sys/" + ("class/block" if subsystem == "block" else f"bus/{subsystem}")
        for each in (directory, home):
            os.makedirs(each, exist_ok=True)
        os.symlink(os.path.relpath(home, directory), f"{directory}/subsystem")
        if "DEVNAME" in uevent:
            kind = "block" if subsystem == "block" else "char"
            uevent |= {"MAJOR": 8 if kind == "block" else 189, "MINOR": next(self._minors)}
            number = f"{uevent['MAJOR']}:{uevent['MINOR']}"
            link = f"{self.root}/sys/dev/{kind}/{number}"
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(f"/sys{path}", link)
            node = f"{self.root}/dev/{uevent['DEVNAME']}"
            os.makedirs(os.path.dirname(node), exist_ok=True)
            os.mknod(node, 0o600 | (stat.S_IFBLK if kind == "block" else stat.S_IFCHR),
                     os.makedev(uevent["MAJOR"], uevent["MINOR"]))
        write(f"{directory}/uevent", "".join(f"{k}={v}\n" for k, v in uevent.items()))
        for name, value in attributes.items():
            write(f"{directory}/{name}", f"{value}\n")
        return path

    def usb_device(self, path):
        return self.device(path, "usb", {"authorized": 1}, DEVTYPE="usb_device",
                           DEVNAME=f"bus/usb/001/{os.path.basename(path)}")

    def plug(self, hub, port, *classes):
        """Plugs a USB device with an interface of each class into a hub; returns the paths of all
        of them, the device's first. A class is "08", or "08/50" with its subclass, which is else
        06."""
        device = self.usb_device(f"{hub}/{port}")
        interfaces = [self.device(f"{device}/{port}:1.{number}", "usb",
                                  {"bInterfaceClass": code[:2],
                                   "bInterfaceSubClass": code[3:] or "06", "authorized": 1},
                                  DEVTYPE="usb_interface")
                      for number, code in enumerate(classes)]
        for path in (device, *interfaces):
            self.event(path, "add")
        return device, *interfaces

    def disk(self, below, name, **attributes):
        return self.device(f"{below}/block/{name}", "block", attributes, DEVTYPE="disk",
                           DEVNAME=name)

    def event(self, path, action):
        """Plays an event; returns the properties that the device then has."""
        done = subprocess.run([UDEVADM, "test", f"--action={action}", path], text=True, check=True,
                              capture_output=True, timeout=30, preexec_fn=self._enter,
                              env={**os.environ, "SYSTEMD_DEVICE_VERIFY_SYSFS": "0"})
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def _enter(self):
        call(libc.unshare(CLONE_NEWNS))
        for name in ("run", "sys", "dev"):  # all of it is below /dev
            mount(f"{self.root}/{name}", f"/{name}", None, MS_BIND)

    def bind(self, path, driver):
        """A driver takes a device, and leaves it when the device is switched off. Returns the
        properties that the device has then."""
        link = f"{self.root}/sys{path}/driver"
        os.symlink(f"/sys/bus/usb/drivers/{driver}", link)
        found = self.event(path, "bind")
        if self.attribute(path, "authorized") == "0":
            os.unlink(link)
            found = self.event(path, "unbind")
        return found

    def attribute(self, path, name):
        return read(f"{self.root}/sys{path}/{name}")

    def node(self, name):
        return f"{self.root}/dev/{name}"


@needs_udev
def a_keyboard_in_a_claimed_port_is_switched_off(rig, world):
    machine = Machine(rig)
    _, storage, keyboard = machine.plug(machine.BUS, "1-2.3", "08", "03")
    tap.equal(machine.attribute(storage, "authorized"), "1")
    tap.equal(machine.attribute(keyboard, "authorized"), "0")
    for action in ("add", "unbind", "change", "bind"):
        found = machine.event(keyboard, action)
        tap.equal((found.get("DRIVEPRESS_FOREIGN"), found.get("DRIVEPRESS_BEHIND")),
                  ("1", "pci/usb2/2.3"), action)
        tap.equal(machine.event(storage, action).get("DRIVEPRESS_FOREIGN"), None, action)
    tap.equal(machine.attribute(keyboard, "authorized"), "0")
    _, elsewhere = machine.plug(machine.BUS, "1-4", "03")
    tap.equal(machine.attribute(elsewhere, "authorized"), "1")
    tap.equal(machine.event(elsewhere, "change").get("DRIVEPRESS_FOREIGN"), None)


@needs_udev
def all_but_storage_and_hubs_are_switched_off(rig, world):
    machine = Machine(rig)
    classes = ["01", "02", "03", "06", "07", "08", "09", "0a", "0b", "0e", "e0", "ef", "fe", "ff"]
    _, *interfaces = machine.plug(machine.BUS, "1-2.3", *classes)
    left = [code for code, path in zip(classes, interfaces, strict=True)
            if machine.attribute(path, "authorized") == "1"]
    tap.equal(left, ["08", "09"])


@needs_udev
def storage_without_the_commands_of_drives_is_switched_off(rig, world):
    machine = Machine(rig)
    kinds = [f"08/{kind}" for kind in ("00", "01", "02", "03", "04", "05", "06", "07", "08", "16",
                                       "ff")]
    _, *interfaces = machine.plug(machine.BUS, "1-2.3", *kinds)
    left = [kind for kind, path in zip(kinds, interfaces, strict=True)
            if machine.attribute(path, "authorized") == "1"]
    tap.equal(left, [f"08/0{number}" for number in range(1, 7)])
    tap.equal(machine.event(interfaces[-1], "change").get("DRIVEPRESS_FOREIGN"), "1")


@needs_udev
def what_another_driver_takes_is_switched_off(rig, world):
    """A network card that says that it is a stick: its driver goes by maker and model."""
    machine = Machine(rig)
    drivers = {"08/06": ["usb-storage", "uas", "ums-realtek", "ums-alauda"], "09": ["hub"]}
    fakes = ["r8152", "cdc_ether", "usbhid", "usb-storage2", "hubs", "usbfs", "ums"]
    for number, (kind, driver) in enumerate(
            [(kind, name) for kind, names in drivers.items() for name in names]
            + [(kind, name) for kind in drivers for name in fakes]):
        hub, port = f"{machine.BUS}/1-2.3", f"1-2.3.{number + 1}"
        if number == 0:
            machine.plug(machine.BUS, "1-2.3", "09")
        _, path = machine.plug(hub, port, kind)
        found = machine.bind(path, driver)
        foreign = driver in fakes
        tap.equal((kind, driver, machine.attribute(path, "authorized"),
                   found.get("DRIVEPRESS_FOREIGN")),
                  (kind, driver, "0" if foreign else "1", "1" if foreign else None))
        for action in ("change", "add") if foreign else ():
            tap.equal(machine.event(path, action).get("DRIVEPRESS_FOREIGN"), "1", action)
    _, path = machine.plug(machine.BUS, "1-4", "08")
    tap.equal(machine.bind(path, "r8152").get("DRIVEPRESS_FOREIGN"), None, "elsewhere")
    tap.equal(machine.attribute(path, "authorized"), "1")


@needs_udev
def a_driver_of_whole_devices_is_judged_too(rig, world):
    machine = Machine(rig)
    for port, driver, foreign in (("1-2.3.1", "usb", False), ("1-2.3.2", "usbip-host", True)):
        if not foreign:
            machine.plug(machine.BUS, "1-2.3", "09")
        device, _ = machine.plug(f"{machine.BUS}/1-2.3", port, "08")
        machine.bind(device, driver)
        tap.equal((driver, machine.attribute(device, "authorized")),
                  (driver, "0" if foreign else "1"))


@needs_udev
def a_keyboard_behind_a_hub_in_a_claimed_port_is_switched_off(rig, world):
    machine = Machine(rig)
    hub, outer = machine.plug(machine.BUS, "1-2.3", "09")
    hub, inner = machine.plug(hub, "1-2.3.1", "09")
    _, storage, keyboard = machine.plug(hub, "1-2.3.1.4", "08", "03")
    tap.equal([machine.attribute(path, "authorized") for path in (outer, inner, storage, keyboard)],
              ["1", "1", "1", "0"])
    found = machine.event(keyboard, "change")
    tap.equal((found.get("DRIVEPRESS_PORT"), found.get("DRIVEPRESS_BEHIND")),
              (None, "pci/usb2/2.3"))
    # A drive there is no drive of the rig.
    found = machine.event(machine.disk(storage, "sdc"), "add")
    tap.equal([name for name in found if name in OF_A_DRIVE], [])
    tap.equal(group_of(machine.node("sdc")), ("disk", "660"))


@needs_udev
def card_readers_are_asked_for_cards(rig, world):
    machine = Machine(rig)
    _, storage = machine.plug(machine.BUS, "1-2.3", "08")
    reader = machine.disk(storage, "sda", removable=1, events_poll_msecs=-1)
    fixed = machine.disk(storage, "sdb", removable=0, events_poll_msecs=-1)
    chosen = machine.disk(storage, "sdc", removable=1, events_poll_msecs=500)
    for path in (reader, fixed, chosen):
        machine.event(path, "add")
    tap.equal([machine.attribute(path, "events_poll_msecs") for path in (reader, fixed, chosen)],
              ["2000", "-1", "500"])
    tap.equal([group_of(machine.node(name)) for name in ("sda", "sdb", "sdc")],
              [("drivepress", "660")] * 3)


@needs_udev
def hidden_parts_and_other_kinds_of_disks_are_not_given(rig, world):
    machine = Machine(rig)
    _, storage = machine.plug(machine.BUS, "1-2.3", "08")
    machine.event(machine.disk(storage, "sr0"), "add")
    tap.equal(group_of(machine.node("sr0")), ("cdrom", "660"))
    for kind, given in (("SD", "drivepress"), ("MMC", "disk")):
        card = f"{Machine.CARD}{kind}"
        machine.device(card, "mmc", {"type": kind})
        disk = "mmcblk0" if kind == "SD" else "mmcblk1"
        for name, group in ((disk, given), (f"{disk}boot0", "disk"), (f"{disk}rpmb", "disk"),
                            (f"{disk}gp1", "disk")):
            found = machine.event(machine.disk(card, name), "add")
            tap.equal((name, *group_of(machine.node(name))), (name, group, "660"))
            tap.equal((name, found.get("UDISKS_IGNORE")), (name, "1"))


def enter_world():
    """Every test runs in the same world: a process cannot go back."""
    global _world, _why_no_world
    if why_no_loop() or not UDEVD or not UDEVADM:
        return
    try:
        _world = World()
    except OSError as error:
        _why_no_world = f"no namespaces for us here: {error}"


_why_no_world = ""
enter_world()
tap.main()
