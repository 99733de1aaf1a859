# SPDX-License-Identifier: GPL-3.0-or-later
"""Test drives as close to real ones as a machine without USB allows, and runs of the programs.

A Rig is a context manager: everything that is made through it (files, loop devices, FUSE drives,
processes) is gone when it ends, also after a failure, Ctrl-C or SIGTERM. $BUILD names the directory
of the built programs.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

BUILD = os.path.abspath(os.environ.get("BUILD", "build/gcc"))
CLI = os.path.join(BUILD, "drivepress")
FUSE_DRIVE = os.path.join(BUILD, "tests/support/fuse_drive")

# linux/loop.h
LOOP_CTL_ADD = 0x4C80
LOOP_CTL_REMOVE = 0x4C81

# Loop devices of the rig are numbered from here, so that they are nobody else's.
LOOP_FIRST = 200


def why_no_loop():
    """The reason why this machine has no loop devices for us, or None."""
    if os.geteuid() != 0:
        return "loop devices need root"
    return None if os.path.exists("/dev/loop-control") else "no loop devices here"


def why_no_fuse():
    if not os.path.exists(FUSE_DRIVE):
        return "fuse_drive is not built"
    return None if os.access("/dev/fuse", os.R_OK | os.W_OK) else "no FUSE here"


def wait_until(condition, what, seconds=20):
    """Waits for a condition and returns its true value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.002)


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(file.read().split("MemAvailable:")[1].split()[0]) * KIB


def fill(path, size_bytes, seed=1):
    """Writes random bytes, always the same ones for a seed, and no chunk of 1 MiB twice."""
    base = random.Random(seed).randbytes(MIB) * 2
    with open(path, "wb") as file:
        for number in itertools.count():
            length = min(MIB, size_bytes - number * MIB)
            if length <= 0:
                return
            # 4099 is odd, so that a million chunks begin at different places.
            begin = number * 4099 % MIB
            file.write(memoryview(base)[begin : begin + length])


def same_bytes(first, second, length):
    """Whether two files or devices begin with the same bytes. The page cache of a device is dropped
    when its last user closes it, so that a device is read as it is."""
    with open(first, "rb") as one, open(second, "rb") as two:
        while length > 0:
            step = min(length, 4 * MIB)
            if one.read(step) != two.read(step):
                return False
            length -= step
    return True


class Run:
    """One run of a program, with everything that it starts. Its processes are known by a variable
    in their environment.

    `before` is called in the new process, `terminal` is the descriptor of one for input and all
    output, `output` a file for the standard output.
    """

    _numbers = itertools.count()

    def __init__(self, arguments, *, environment=None, before=None, terminal=None, output=None):
        self.mark = f"DRIVEPRESS_TEST_RUN={os.getpid()}-{next(Run._numbers)}"
        name, value = self.mark.split("=")
        self.arguments = arguments
        self.peak_bytes = 0  # of the daemon's memory
        self.cpu_s = 0.0  # of the daemon
        self._output = tempfile.TemporaryFile()
        self._errors = tempfile.TemporaryFile()

        def prepare():
            # As a terminal starts programs, also where these tests were told to ignore signals.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            if before:
                before()

        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=output or terminal or self._output,
            stderr=terminal or self._errors,
            start_new_session=True,
            preexec_fn=prepare,
            env={**os.environ, **(environment or {}), name: value},
        )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def pids(self, command=None):
        """The processes of this run that are alive, or those of one name."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if self.mark.encode() not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    if command in (None, file.read().strip()):
                        found.append(int(entry))
        return found

    def daemon_pid(self):
        return wait_until(lambda: self.pids("drivepressd"), "the daemon runs")[0]

    def _watch(self):
        """Samples the daemon's memory and processor time until the run ends."""
        ticks = os.sysconf("SC_CLK_TCK")
        daemons = []
        while self.process.returncode is None:
            if not daemons:
                daemons = self.pids("drivepressd")
            for pid in daemons:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                        peak = file.read().split("VmHWM:")[1].split()[0]
                    self.peak_bytes = max(self.peak_bytes, int(peak) * KIB)
                    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                        fields = file.read().rpartition(")")[2].split()
                    self.cpu_s = max(self.cpu_s, (int(fields[11]) + int(fields[12])) / ticks)
            time.sleep(0.02)

    def interrupt(self):
        """What Ctrl-C does: the signal goes to every process of the terminal's group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def finish(self, seconds=60):
        """Waits for the end and returns self with code, output, errors."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            raise TimeoutError(
                f"did not end within {seconds} s: {self.arguments}\n{self.text()}"
            ) from None
        finally:
            self._watcher.join(1)
        if "Sanitizer" in self.errors:
            raise RuntimeError(f"a sanitizer complained: {self.text()}")
        return self

    @property
    def code(self):
        return self.process.returncode

    def _read(self, file):
        length = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), length, 0).decode("utf-8", "replace")

    @property
    def output(self):
        return self._read(self._output)

    @property
    def errors(self):
        return self._read(self._errors)

    def text(self):
        """Everything that was said, for messages."""
        return f"$ {' '.join(self.arguments)[:300]}\nexit {self.code}\n{self.output}{self.errors}"

    @property
    def json(self):
        """The one JSON object of the output; anything beside it is an error."""
        try:
            return json.loads(self.output)
        except ValueError as error:
            raise ValueError(f"not one JSON object: {error}\n{self.text()}") from None

    @property
    def verdicts(self):
        return [drive["verdict"] for drive in self.json["drives"]]


class FuseDrives:
    """Files drive0, drive1, … of one fuse_drive (fuse_drive.c lists what a spec can say)."""

    def __init__(self, directory, specs, master=None):
        self.directory = directory
        os.mkdir(directory)
        outside = os.stat(directory).st_dev
        with_master = ["--master", master] if master else []
        self.process = subprocess.Popen(
            [FUSE_DRIVE, *with_master, directory, *specs], start_new_session=True
        )
        wait_until(
            lambda: self.process.poll() is not None or os.stat(directory).st_dev != outside,
            "the drives are mounted",
        )
        if self.process.poll() is not None:
            raise RuntimeError(f"fuse_drive ended: {self.process.returncode}")

    def path(self, number):
        return os.path.join(self.directory, f"drive{number}")

    def change(self, number, spec):
        os.setxattr(self.path(number), b"user.drive", spec.encode())

    def written(self, number):
        return int(os.getxattr(self.path(number), b"user.written"))

    def abort(self):
        """Ends every request with an error, the hung ones too: nobody waits any more."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """After abort(), and when nobody uses the files any more."""
        unmount = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*unmount, self.directory], check=False)


class LoopDevice:
    """A block device over a file."""

    def __init__(self, path, read_only=False, direct_io=True, queue=None):
        self.number = self._attach(path, read_only, direct_io)
        self.path = f"/dev/loop{self.number}"
        for name, value in (queue or {}).items():
            with open(f"/sys/block/loop{self.number}/queue/{name}", "w", encoding="ascii") as file:
                file.write(str(value))

    @staticmethod
    def _attach(path, read_only, direct_io):
        options = (["-r"] if read_only else []) + (["--direct-io=on"] if direct_io else [])
        for number in range(LOOP_FIRST, LOOP_FIRST + 1000):
            try:
                LoopDevice._control(LOOP_CTL_ADD, number)
            except OSError as error:
                if error.errno == errno.EEXIST:
                    continue
                raise
            done = subprocess.run(
                ["losetup", *options, f"/dev/loop{number}", path], capture_output=True, text=True
            )
            if done.returncode == 0:
                return number
            LoopDevice._control(LOOP_CTL_REMOVE, number)
            raise RuntimeError(done.stderr)
        raise RuntimeError("no free loop device")

    @staticmethod
    def _control(request, number):
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(control, request, number)
        finally:
            os.close(control)

    def close(self):
        subprocess.run(["losetup", "-d", self.path], check=False, stderr=subprocess.DEVNULL)
        # It goes when its last user has closed it.
        with contextlib.suppress(TimeoutError):
            wait_until(self._removed, f"{self.path} is free", seconds=10)

    def _removed(self):
        try:
            self._control(LOOP_CTL_REMOVE, self.number)
        except OSError as error:
            return error.errno == errno.ENODEV
        return True


def _terminate(_signal, _frame):
    raise SystemExit("terminated")


class Rig:
    """A temporary directory with drives in it, and the runs that use them."""

    def __init__(self, bytes_needed=GIB, prefix="drivepress-test-"):
        # Memory is faster than a disk and wears nothing; some machines have too little.
        memory, parent = "/dev/shm", None
        if "TMPDIR" not in os.environ and os.access(memory, os.W_OK):
            if min(shutil.disk_usage(memory).free, available_memory()) > bytes_needed + GIB // 2:
                parent = memory
        self.directory = tempfile.mkdtemp(prefix=prefix, dir=parent)
        self._names = itertools.count()
        self._runs = []
        self._fuses = []
        self._loops = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, _terminate)
        return self

    def __exit__(self, *_):
        old = [(number, signal.signal(number, signal.SIG_IGN)) for number in (2, 15)]
        for run in self._runs:
            run.kill()
        for fuse in self._fuses:
            fuse.abort()
        for loop in reversed(self._loops):
            loop.close()
        for fuse in self._fuses:
            fuse.close()
        for run in self._runs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)
        for number, handler in old:
            signal.signal(number, handler)

    def path(self, name=None):
        return os.path.join(self.directory, name or f"file{next(self._names)}")

    def image(self, size_bytes, name="image.img", seed=1):
        path = self.path(name)
        fill(path, size_bytes, seed)
        return path

    def file(self, size_bytes, name=None):
        """A drive as a regular file, with something on it that an image does not have."""
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(b"\xa5" * min(size_bytes, MIB))
            file.truncate(size_bytes)
        os.utime(path, (0, 0))  # for wait_for_write()
        return path

    def simulated(self, size_bytes, name=None, **keys):
        """A simulated drive: a file with a description beside it (daemon/io_sim.h)."""
        path = self.file(size_bytes, name)
        with open(path + ".sim", "w", encoding="ascii") as file:
            file.writelines(f"{key} = {value}\n" for key, value in keys.items())
        return path

    def wait_for_write(self, target):
        """Waits until a drive made by file() or simulated() is being written."""
        wait_until(lambda: os.stat(target).st_mtime_ns != 0, f"{target} is being written")

    def fuse(self, specs, master=None):
        fuse = FuseDrives(self.path(f"fuse{next(self._names)}"), specs, master)
        self._fuses.append(fuse)
        return fuse

    def loop(self, path, **options):
        loop = LoopDevice(path, **options)
        self._loops.append(loop)
        return loop.path

    def keep(self, run):
        """Has a run end with the rig, at the latest."""
        self._runs.append(run)

    def start(self, *arguments, wrapper=(), program=CLI, **options):
        """Starts drivepress (or another program), or a wrapper that runs it."""
        run = Run([*wrapper, program, *map(str, arguments)], **options)
        self.keep(run)
        return run

    def run(self, *arguments, seconds=60, **options):
        return self.start(*arguments, **options).finish(seconds)
