# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with USB drives to plug and pull: a guest of QEMU, with Debian's own kernel, systemd
and udev, and the product installed.

    with Guest(rig) as guest:
        stick = guest.plug("1.2.3", 64 * MIB, serial="A7")
        print(guest.disk(stick), guest.check("lsusb -t"))
        guest.unplug(stick)

How it works: QEMU boots what build_guest.py has made. The root is an overlay of a read-only base
(/dev/vda), of the product as `make install` leaves it (/dev/vdb) and of memory, so that each guest
starts clean; /dev/vdc is a second disk with a file system, mounted at /srv. A program in the guest
(guest_files/rig_agent.c) runs commands that come through a virtio-serial port, and QMP plugs and
pulls. What a drive holds is a file on the host, to be compared there. `guest.share` on the host is
/mnt in the guest.

Most tests take up a snapshot of a guest that has just booted; it is made anew when the base, the
product or the machine changes. What cannot be in a snapshot boots a guest of its own: files that
must be there at boot, drives that are plugged in before, and an SD card (sdhci-pci does not survive
a snapshot).

What it costs on 2 cores, emulated: the base 20 to 25 s, once; a snapshot 9 s, for each product; a
guest from it 0.7 s; one that boots 8 to 9 s; a command 50 ms; 24 sticks 9 s until all are there.
On cores that are busy with other work, all this takes up to twice as long, and the sticks 24 s. On
disk: base 420 MB, snapshot 210 MB. In memory: 0.7 GB with 24 sticks, and what the drives hold.

KVM is used where the processor has it, which nobody could try yet. VM_NO_KVM in the environment
turns it off.

What to know (tried with QEMU 7.2):
* A stick behind a hub is a USB 1.1 one, though as fast as any; one in a root port is a USB 3 one.
* Throttled sticks hold their speed up to 16 x 4 MB/s or 32 x 2 MB/s behind hubs.
* A fault that is injected once only is absorbed by the kernel's retries. Faults stay.
* Never throttle or stall the SD card: QEMU waits for it, and everything else with it.
* No stalls by throttling: what is queued then is not released when the limit is raised.
* stall() raises the timeout of the SCSI layer, because its reset of a hung drive hangs the guest.
"""

import contextlib
import hashlib
import itertools
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
import build_guest
from drives import HUBS, Drive, Plugging, die_with_parent, wait_for
from qmp import Qmp

BOOT_S_MAX = 120
KERNEL_OPTIONS = ("console=ttyS0 quiet mitigations=off nokaslr no_timer_check tsc=reliable "
                  "random.trust_cpu=on net.ifnames=0 panic=-1 systemd.show_status=1")



def why_no_guest():
    """The reason why this machine can run no guest, or None."""
    if os.geteuid() != 0:
        return "making a guest needs root"
    missing = [name for name in ("qemu-system-x86_64", "mmdebstrap", "mkfs.erofs", "cpio",
                                 "busybox", "nbdkit", "mkfs.ext4") if not shutil.which(name)]
    return f"not installed: {' '.join(missing)}" if missing else None


def _accelerator():
    # A hypervisor may show /dev/kvm to a machine whose processor cannot be used for it.
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
    virtual = flags and {"vmx", "svm"} & set(flags[1].split())
    if virtual and os.access("/dev/kvm", os.R_OK | os.W_OK) and "VM_NO_KVM" not in os.environ:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "Nehalem"]


_numbers = itertools.count()


class Job:
    """A command that runs in the guest."""

    def __init__(self, guest, number, command):
        self._guest, self._number, self.command = guest, number, command

    def finish(self, timeout=30):
        """Waits for its end and returns its status and what it printed."""
        return self._guest._answer(self._number, timeout, self.command)


class Guest(Plugging):
    """A running guest. It is over when the context ends, and nothing of it remains.

    `cold` boots it, where otherwise it is taken up from a snapshot of the booted guest.
    `files` maps paths in the guest to their text or bytes: they are there at boot. `plugged` lists
    what is plugged in before it boots: dictionaries of plug()'s arguments. `sd` gives it a slot for
    an SD card. Each of these implies `cold`.
    """

    def __init__(self, rig, *, cold=False, files=None, plugged=(), sd=False):
        self.directory = rig.path(f"guest{next(_numbers)}")
        self.share = os.path.join(self.directory, "share")  # /mnt in the guest
        self.boot_s = None  # how long it took until the first command could run
        self._cold = bool(cold or files or plugged or sd)
        self._files = files or {}
        self._plugged = plugged
        self.plugged = []  # the drives that were plugged in before it booted
        self.sd = Drive("sd0", None) if sd else None
        self._names = itertools.count()
        self._drives = {}
        self._answers = {}
        self._pending = b""
        self._requests = itertools.count(1)
        self._since = int(time.time())
        self._process = self._agent = self.qmp_socket = None

    # --- Its life ---------------------------------------------------------------------------------

    def __enter__(self):
        os.mkdir(self.directory)
        os.mkdir(self.share)
        try:
            base, product = build_guest.base(), build_guest.product()
            began = time.monotonic()
            if self._cold:
                self._boot(base, product)
            else:
                self._restore(base, product)
            self._check_in()
            self.boot_s = time.monotonic() - began
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self._tell_what_happened()
        for drive in self._drives.values():
            if drive.server:
                drive.server.kill()
                drive.server.wait()
        if self._process:
            self._process.kill()
            self._process.wait()
        for connection in (self._agent, self.qmp_socket):
            if connection:
                connection.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _tell_what_happened(self):
        """Prints what helps to understand a failure."""
        lines = []
        with contextlib.suppress(Exception):
            with open(self._file("qemu.log"), encoding="utf-8", errors="replace") as file:
                lines += file.read().splitlines()[-20:]
        with contextlib.suppress(Exception):
            journal = f"journalctl --no-pager --since @{self._since} | tail -n 80"
            lines += self.run(journal, 10)[1].splitlines()
        if not lines:
            with contextlib.suppress(Exception):
                with open(self._file("console"), encoding="utf-8", errors="replace") as file:
                    lines += file.read().splitlines()[-40:]
        for line in lines:
            print(f"#   guest: {line}")

    def _file(self, name):
        return os.path.join(self.directory, name)

    def _command(self, base, product):
        """The machine. A snapshot fits only the machine that it was taken of."""
        def disk(name, path, *options):
            drive = [f"if=none,id={name},file={path},format=raw,file.locking=off", *options]
            return ["-drive", ",".join(drive), "-device", f"virtio-blk-pci,drive={name}"]

        hubs = [word for hub in HUBS for word in
                ("-device", f"usb-hub,id=hub{hub},bus=xhci0.0,port={hub}")]
        sd = ["-drive", "if=none,id=sd",
              "-device", "sdhci-pci", "-device", "sd-card,id=sd0,drive=sd"]
        return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-machine", "q35", *_accelerator(), "-smp", "2", "-m", "2G",
                "-kernel", base.kernel, "-append", KERNEL_OPTIONS,
                *disk("root", base.root, "readonly=on"), *disk("product", product, "readonly=on"),
                *disk("data", self._file("data.img")),
                "-device", "qemu-xhci,id=xhci0,addr=10,p2=15,p3=15", *hubs,
                "-device", "virtio-serial-pci",
                "-device", "virtserialport,chardev=agent,name=rig.agent",
                "-chardev", f"socket,id=agent,path={self._file('agent')},server=on,wait=off",
                "-fsdev", f"local,id=share,path={self.share},security_model=none,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=share,mount_tag=host",
                "-serial", f"file:{self._file('console')}",
                "-qmp", f"unix:{self._file('qmp')},server=on,wait=off",
                *(sd if self.sd else [])]

    def _start(self, command, *options, keep=()):
        with open(self._file("qemu.log"), "wb") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent, pass_fds=keep)
        self.qmp_socket = self._connect("qmp", Qmp)

        def connect(path):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            return connection

        self._agent = self._connect("agent", connect)

    def _connect(self, name, connect):
        def attempt():
            if self._process.poll() is not None:
                raise RuntimeError(f"QEMU ended with {self._process.returncode}")
            try:
                return connect(self._file(name))
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        return wait_for(attempt, f"QEMU listens at {name}", every=0.01)

    def _boot(self, base, product):
        shutil.copy(base.data, self._file("data.img"))
        initramfs = base.initramfs
        if self._files:
            initramfs = self._file("initramfs")
            self._pack_files(base, initramfs)
        self._start(self._command(base, product), "-initrd", initramfs, "-S")
        self.plugged = [self.plug(**arguments) for arguments in self._plugged]
        self.qmp("cont")
        status, state = self.run("systemctl is-system-running --wait", BOOT_S_MAX)
        if status != 0:
            failed = self.run("systemctl --failed")[1]
            raise RuntimeError(f"the guest is {state.strip()}:\n{failed}")

    def _pack_files(self, base, initramfs):
        """The kernel unpacks what follows an initramfs on top of it."""
        top = self._file("files")
        for path, content in self._files.items():
            target = os.path.join(top, "files", path.lstrip("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        build_guest.pack(top, self._file("files.cpio"))
        with open(initramfs, "wb") as whole:
            for part in (base.initramfs, self._file("files.cpio")):
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, whole)

    def _check_in(self):
        """What no snapshot can hold: the time, and the directory shared with the host."""
        self.check(f"date -s @{time.time():.3f} && mount -t 9p -o trans=virtio,version=9p2000.L,"
                   "msize=262144 host /mnt")

    # --- Snapshots --------------------------------------------------------------------------------

    def _snapshot_path(self, base, product):
        machine = " ".join(self._command(base, product)).replace(self.directory, "")
        qemu = build_guest.run("qemu-system-x86_64", "--version")
        key = hashlib.sha256((machine + qemu).encode()).hexdigest()[:16]
        return os.path.join(build_guest.BUILD_VM, f"snapshot-{key}")

    def _restore(self, base, product):
        path = self._snapshot_path(base, product)
        with build_guest.locked("snapshot"):
            if not os.path.isdir(path):
                began = time.monotonic()
                self._save(base, product, path)
                build_guest.say(f"booted a guest and saved it in {time.monotonic() - began:.1f} s")
                build_guest.remove_others("snapshot-", path)
            memory = os.open(os.path.join(path, "memory"), os.O_RDONLY | os.O_CLOEXEC)
            shutil.copy(os.path.join(path, "data.img"), self._file("data.img"))
        try:
            self._start(self._command(base, product), "-initrd", base.initramfs,
                        "-incoming", f"fd:{memory}", keep=[memory])
        finally:
            os.close(memory)
        # It was saved while it stood still.
        wait_for(lambda: self.qmp("query-status")["status"] == "paused", "the guest is loaded",
                 every=0.02)
        self.qmp("cont")

    def _save(self, base, product, path):
        """Boots a guest in this one's place and saves it."""
        self._boot(base, product)
        self.check("sync; echo 3 >/proc/sys/vm/drop_caches")
        with build_guest.made(path) as directory:
            memory = os.open(os.path.join(directory, "memory"), os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                self.qmp_socket("getfd", {"fdname": "memory"}, fd=memory)
                self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
                self.qmp("stop")
                self.qmp("migrate", uri="fd:memory")
                wait_for(self._migrated, "the guest is saved", 60, every=0.02)
            finally:
                os.close(memory)
            shutil.copy(self._file("data.img"), directory)
        self._process.kill()
        self._process.wait()
        for name in ("agent", "qmp"):
            os.remove(self._file(name))
        self._agent.close()
        self.qmp_socket.close()
        self._answers, self._pending = {}, b""

    def _migrated(self):
        state = self.qmp("query-migrate")
        if state.get("status") == "failed":
            raise RuntimeError(f"the guest cannot be saved: {state}")
        return state.get("status") == "completed"

    # --- Commands ---------------------------------------------------------------------------------

    def start(self, command, timeout=30):
        """Starts a command of bash, as root, and returns it as a Job. It is killed when it takes
        longer than `timeout` seconds."""
        number = next(self._requests)
        text = command.replace("\\", "\\\\").replace("\n", "\\n")
        self._agent.sendall(f"{number} {timeout} {text}\n".encode())
        return Job(self, number, command)

    def run(self, command, timeout=30):
        """Runs a command and returns its status and what it printed. 124: it took too long."""
        return self.start(command, timeout).finish(timeout + 15)

    def check(self, command, timeout=30):
        """Runs a command that must end with 0, and returns what it printed."""
        status, output = self.run(command, timeout)
        if status != 0:
            raise RuntimeError(f"in the guest: {command}: exit {status}\n{output}")
        return output

    def _answer(self, number, timeout, command):
        end = time.monotonic() + timeout
        while number not in self._answers:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._agent], [], [], left)[0]:
                raise TimeoutError(f"no answer from the guest within {timeout} s: {command}")
            data = self._agent.recv(1 << 20)
            if not data:
                raise ConnectionError(f"the guest is gone: {command}")
            self._pending += data
            while self._take_answer():
                pass
        return self._answers.pop(number)

    def _take_answer(self):
        """Takes a whole answer out of what came in, if there is one."""
        header, end, rest = self._pending.partition(b"\n")
        number, status, length = map(int, header.split()) if end else (0, 0, 0)
        if not end or len(rest) < length:
            return False
        self._answers[number] = status, rest[:length].decode("utf-8", "replace")
        self._pending = rest[length:]
        return True

    def qmp(self, command, **arguments):
        """Runs a command of QEMU's and returns its result."""
        return self.qmp_socket(command, arguments)
