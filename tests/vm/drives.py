# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be plugged into a guest: USB drives with all their faults, card readers, a keyboard and
an SD card. Guest (guest.py) has these methods."""

import ctypes
import os
import re
import signal
import subprocess
import time

from qmp import QmpError

# Root port 1 of the controller has a hub with a hub of 8 ports in each of its first three, as hubs
# with many ports are made. Root port 2 has a plain hub of 8 ports. Drives in the other root ports
# are USB 3 ones.
HUBS = ["1", "1.1", "1.2", "1.3", "2"]
PORTS_OF_HUBS = [f"1.{hub}.{port}" for hub in (1, 2, 3) for port in range(1, 9)]
PORTS_OF_PLAIN_HUB = [f"2.{port}" for port in range(1, 9)]
ROOT_PORTS = [str(port) for port in range(3, 16)]


def wait_for(condition, what, seconds=30, every=0.1):
    """Waits until a function returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(every)


def write_error(at_bytes):
    """A fault for plug(): every write that touches the sector at this place fails."""
    return {"event": "none", "iotype": "write", "errno": 5, "sector": at_bytes // 512}


def read_error(at_bytes):
    """A fault for plug(): every read that touches the sector at this place fails."""
    return {"event": "none", "iotype": "read", "errno": 5, "sector": at_bytes // 512}


def flush_error():
    """A fault for plug(): every flush of the drive's cache fails."""
    return {"event": "none", "iotype": "flush", "errno": 5}


def die_with_parent():
    """For preexec_fn of what is started."""
    # PR_SET_PDEATHSIG: nothing is left running, however the test ends.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def usb_name(port):
    """What the kernel calls a mass storage device at this port."""
    # Each root port has a face on both buses of the controller. The hubs are USB 1.1 ones.
    return port if "-" in port else f"{1 if '.' in port else 2}-{port}"


class Drive:
    """What is plugged into a port, or a medium in a reader. `path` is the file that holds its
    bytes on the host, None for what has none."""

    def __init__(self, name, port, path=None, lun=0):
        self.name = name
        self.port = port
        self.path = path
        self.lun = lun
        self.node = None  # the top one of its nodes in QEMU's block layer
        self.group = None  # that throttles it
        self.server = None  # the process that serves its bytes, if it can be stalled

    @property
    def usb_name(self):
        """What the kernel calls the USB device."""
        return usb_name(self.port)


class Reader:
    """A card reader with several LUNs."""

    def __init__(self, name, port, luns):
        self.name = name
        self.port = port
        self.luns = [Drive(f"{name}-{lun}", port, lun=lun) for lun in range(luns)]


class Plugging:
    """The part of Guest that plugs and pulls."""

    def plug(self, port, size_bytes=None, *, image=None, serial=None, throttle=None, faults=(),
             read_only=False, stallable=False, removable=True):
        """Plugs a USB drive into a port and returns it, as a Drive. It does not wait for the guest.

        Its bytes are those of the file `image`, or of a new one of `size_bytes` zeros. `throttle`
        is its speed in bytes per second, or a dictionary of QEMU's ThrottleLimits. `faults` come
        from write_error() and its like. One that is `stallable` takes stall() and resume().
        """
        drive = Drive(f"drive{next(self._names)}", port, image or self._new_image(size_bytes))
        serial = drive.name if serial is None else serial
        self._add_nodes(drive, throttle, faults, read_only, stallable)
        self.qmp("device_add", driver="usb-storage", id=drive.name, drive=drive.node,
                 bus="xhci0.0", port=port, serial=serial, removable=removable)
        self._drives[drive.name] = drive
        return drive

    def _new_image(self, size_bytes):
        path = self._file(f"image{next(self._names)}")
        with open(path, "wb") as file:
            file.truncate(size_bytes)
        return path

    def _add_nodes(self, drive, throttle=None, faults=(), read_only=False, stallable=False):
        """Stacks QEMU's block nodes of a drive."""
        if stallable:
            node = {"driver": "nbd", "server": {"type": "unix", "path": self._serve(drive)}}
        else:
            node = {"driver": "file", "filename": drive.path, "locking": "off"}
        node["read-only"] = read_only
        if faults:
            node = {"driver": "blkdebug", "image": node, "inject-error": list(faults),
                    "read-only": read_only}
        node = {"driver": "raw", "file": node, "read-only": read_only}
        if throttle:
            limits = throttle if isinstance(throttle, dict) else {"bps-total": throttle}
            drive.group = f"{drive.name}-group"
            self.qmp("object-add", **{"qom-type": "throttle-group", "id": drive.group,
                                      "limits": limits})
            node = {"driver": "throttle", "throttle-group": drive.group, "file": node,
                    "read-only": read_only}
        node["node-name"] = f"{drive.name}-node"
        self.qmp("blockdev-add", **node)
        drive.node = node["node-name"]

    def _serve(self, drive):
        """Serves the bytes of a drive from a process that can be stopped."""
        path = self._file(f"{drive.name}.nbd")
        drive.server = subprocess.Popen(
            ["nbdkit", "--foreground", "--unix", path, "file", drive.path],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_for(lambda: os.path.exists(path), "nbdkit listens", every=0.01)
        return path

    def _remove_nodes(self, drive):
        """Gives a drive's file free, when what is under way has ended."""
        def attempt():
            try:
                self.qmp("blockdev-del", **{"node-name": drive.node})
            except QmpError as error:
                if "in use" in str(error):
                    return False
                raise
            return True

        wait_for(attempt, f"{drive.name} is not used any more", every=0.02)
        drive.node = None
        if drive.group:
            self.qmp("object-del", id=drive.group)
            drive.group = None
        if drive.server:
            drive.server.send_signal(signal.SIGCONT)
            drive.server.terminate()
            drive.server.wait()
            drive.server = None

    def unplug(self, device):
        """Pulls what plug(), plug_keyboard() or plug_reader() has plugged in, at once, whatever is
        under way."""
        self.qmp("device_del", id=device.name)
        self.qmp_socket.wait_event("DEVICE_DELETED", device=device.name)
        for drive in device.luns if isinstance(device, Reader) else [device]:
            if drive.node:
                self._remove_nodes(drive)

    def stall(self, drive):
        """Lets a stallable drive answer no more, until resume()."""
        # After 30 s the kernel would reset the drive, and that stops the whole emulated machine.
        self.check(f"echo 600 >/sys/block/{self.disk(drive)}/device/timeout")
        drive.server.send_signal(signal.SIGSTOP)

    def resume(self, drive):
        drive.server.send_signal(signal.SIGCONT)

    def plug_keyboard(self, port):
        keyboard = Drive(f"keyboard{next(self._names)}", port)
        self.qmp("device_add", driver="usb-kbd", id=keyboard.name, bus="xhci0.0", port=port)
        return keyboard

    # --- Card readers and cards -------------------------------------------------------------------

    def plug_reader(self, port, media, serial=None):
        """Plugs a card reader in and returns it, as a Reader. It has a LUN for each of `media`: the
        size of a new medium, or the path of its image. LUN 0 may be empty (None), and its medium
        may change; QEMU shows any other LUN without its medium as one that does not exist."""
        name = f"reader{next(self._names)}"
        reader = Reader(name, port, len(media))
        self.qmp("device_add", driver="usb-bot", id=name, bus="xhci0.0", port=port, attached=False,
                 serial=serial or name)
        for drive, medium in zip(reader.luns, media, strict=True):
            # QEMU takes a LUN only with a medium.
            self._make_medium(drive, 1 << 20 if medium is None else medium)
            self.qmp("device_add", driver="scsi-hd", id=drive.name, bus=f"{name}.0", lun=drive.lun,
                     removable=True, drive=drive.node)
            self._drives[drive.name] = drive
            if medium is None:
                self.eject(drive)
        self.qmp("qom-set", path=f"/machine/peripheral/{name}", property="attached", value=True)
        return reader

    def _make_medium(self, drive, medium, throttle=None):
        drive.path = medium if isinstance(medium, str) else self._new_image(medium)
        self._add_nodes(drive, throttle)

    def eject(self, drive):
        """Takes the medium out of LUN 0 of a reader, or the SD card out of its slot."""
        if drive is not self.sd:
            self.qmp("blockdev-open-tray", id=drive.name, force=True)
        self.qmp("blockdev-remove-medium", id=drive.name)
        self._remove_nodes(drive)

    def insert(self, drive, medium, throttle=None):
        """Puts a medium into an empty LUN 0, or an SD card into its slot: the size of a new one in
        bytes (an SD card's is a power of two) or the path of its image. `throttle` is as for
        plug(), and not for an SD card."""
        self._make_medium(drive, medium, throttle)
        self.qmp("blockdev-insert-medium", **{"id": drive.name, "node-name": drive.node})
        if drive is not self.sd:
            self.qmp("blockdev-close-tray", id=drive.name)

    # --- What the guest makes of it ---------------------------------------------------------------

    def disks(self):
        """The guest's disks: their paths in /sys by their names, such as sda."""
        # One may go while the names are read.
        lines = self.check("readlink /sys/block/*; true").split()
        return {os.path.basename(path): path for path in lines}

    def disk(self, drive, seconds=60):
        """Waits until a drive is a disk that udev has seen, and returns its name, such as sda."""
        return self.disks_of([drive], seconds)[0]

    def disks_of(self, drives, seconds=60):
        """Waits until each of these is a disk that udev has seen, and returns their names."""
        def places(drive):
            return "/mmc_host/" if drive is self.sd else rf"/{drive.usb_name}/.*:{drive.lun}/block/"

        def attempt():
            # udev has seen a device when there is a file for it in its database.
            lines = self.check(
                "cd /sys/block; for disk in *; do read number <$disk/dev && "
                "[ -e /run/udev/data/b$number ] && readlink $disk; done 2>&-; true").split()
            found = [[os.path.basename(path) for path in lines if re.search(places(drive), path)]
                     for drive in drives]
            return all(found) and [names[0] for names in found]

        return wait_for(attempt, "all drives are disks", seconds)

    def size(self, name):
        """The size of a disk in bytes: 0 when it has no medium."""
        return int(self.check(f"cat /sys/block/{name}/size")) * 512

    def written(self, name):
        """How many bytes have been written to a disk."""
        # Documentation/block/stat.rst: the seventh field, in sectors.
        return int(self.check(f"cat /sys/block/{name}/stat").split()[6]) * 512
