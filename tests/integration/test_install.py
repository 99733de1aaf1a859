#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make install`: what it puts where, that it takes away as much, and that systemd is content with
the units, and the daemon with their sandbox."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import BUILD, MIB, Rig, Run
from service import DAEMON, Service

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CONFIG = "etc/drivepress/drivepress.conf"
UNITS = ["drivepressd.service", "drivepressd-control.socket", "drivepressd-status.socket"]
EXPOSURE_MAX = 1.5

# What changes a running system; an installation must not.
HANDS_OFF = ["systemctl", "udevadm", "systemd-sysusers", "systemd-tmpfiles", "useradd", "groupadd",
             "adduser", "addgroup", "deb-systemd-helper"]


def make(rig, goal, **variables):
    """Runs make; fails when it calls what it must not."""
    fakes, called = rig.path("fakes"), rig.path("called")
    if not os.path.exists(fakes):
        os.mkdir(fakes)
        for name in HANDS_OFF:
            with open(f"{fakes}/{name}", "w", encoding="ascii") as file:
                file.write(f'#!/bin/sh\necho "$0 $*" >>{called}\n')
            os.chmod(f"{fakes}/{name}", 0o755)
    inherited = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PREFIX", "DESTDIR")
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    environment["PATH"] = f"{fakes}:{environment['PATH']}"
    run = subprocess.run(
        ["make", "-s", "-C", TREE, goal, f"BUILD={BUILD}", "DEPS=no",
         *(f"{name}={value}" for name, value in variables.items())],
        env=environment, text=True, capture_output=True, check=False)
    tap.equal(run.returncode, 0, run.stdout + run.stderr)
    tap.true(not os.path.exists(called), "it leaves the running system alone")


def files_below(directory):
    return {os.path.relpath(os.path.join(where, name), directory)
            for where, _, names in os.walk(directory) for name in names}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@tap.test
def everything_is_where_it_is_looked_for(rig):
    root = rig.path("root")
    make(rig, "install", DESTDIR=root)
    found = files_below(root)
    expected = {CONFIG, "usr/local/bin/drivepress", "usr/local/libexec/drivepress/drivepressd",
                "usr/local/lib/udev/rules.d/59-drivepress.rules",
                "usr/local/lib/sysusers.d/drivepress.conf",
                "usr/local/lib/tmpfiles.d/drivepress.conf",
                "usr/local/share/man/man1/drivepress.1",
                "usr/local/share/man/man8/drivepressd.8",
                *(f"usr/local/lib/systemd/system/{unit}" for unit in UNITS)}
    tap.equal(sorted(expected - found), [])
    tap.true(os.path.isdir(f"{root}/etc/drivepress/conf.d"), "a place for drop-ins")
    for name in found:
        mode = stat.S_IMODE(os.stat(f"{root}/{name}").st_mode)
        program = "/bin/" in name or "/libexec/" in name
        tap.equal((name, f"{mode:o}"), (name, "755" if program else "644"))
    for unit in UNITS:
        left = re.findall(r"@\w+@", read(f"{root}/usr/local/lib/systemd/system/{unit}"))
        tap.equal(left, [], f"{unit} is filled in")


@tap.test
def the_configuration_is_understood(rig):
    root = rig.path("root")
    make(rig, "install", DESTDIR=root)
    for text in (read(f"{root}/{CONFIG}"),
                 re.sub(r"^;(\w+ = )", r"\1", read(f"{root}/{CONFIG}"), flags=re.MULTILINE)):
        path = rig.path()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        run = subprocess.run([f"{BUILD}/drivepressd", "--check-config", "--config", path],
                             text=True, capture_output=True, check=False)
        tap.equal((run.returncode, run.stderr), (0, ""))
    tap.contains(text, "\narm_on_start = no\n", "the examples are switched on")


@tap.test
def a_package_has_it_below_usr(rig):
    root = rig.path("root")
    make(rig, "install", DESTDIR=root, PREFIX="/usr")
    unit = read(f"{root}/usr/lib/systemd/system/drivepressd.service")
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    tap.equal(start, "ExecStart=/usr/libexec/drivepress/drivepressd --config "
                     "/etc/drivepress/drivepress.conf")
    tap.true(os.path.exists(f"{root}/usr/lib/udev/rules.d/59-drivepress.rules"), "the rules")
    tap.true(os.path.exists(f"{root}/{CONFIG}"), "the configuration")


@tap.test
def uninstalling_leaves_the_configuration_and_nothing_else(rig):
    root = rig.path("root")
    make(rig, "install", DESTDIR=root)
    neighbour = f"{root}/usr/local/lib/systemd/system/other.service"
    drop_in = f"{root}/etc/drivepress/conf.d/slots.conf"
    for path in (neighbour, drop_in, f"{root}/{CONFIG}"):
        with open(path, "w", encoding="ascii") as file:
            file.write("mine\n")
    make(rig, "install", DESTDIR=root)
    tap.true(read(f"{root}/{CONFIG}") == "mine\n", "an edited configuration stays")
    make(rig, "uninstall", DESTDIR=root)
    tap.equal({f"{root}/{name}" for name in files_below(root)},
              {neighbour, drop_in, f"{root}/{CONFIG}"})
    tap.true(not os.path.exists(f"{root}/usr/local/libexec/drivepress"), "its directory is gone")
    make(rig, "uninstall", DESTDIR=root)


def installed_units(rig):
    """Installs to where the units say, so that all that they name exists."""
    if not shutil.which("systemd-analyze"):
        tap.skip("no systemd-analyze here")
    prefix = rig.path("prefix")
    make(rig, "install", PREFIX=prefix, SYSCONFDIR=f"{prefix}/etc")
    return f"{prefix}/lib/systemd/system"


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], text=True, capture_output=True,
                          check=False, env={**os.environ, "SYSTEMD_COLORS": "0"})


@tap.test
def systemd_has_no_complaint_about_the_units(rig):
    directory = installed_units(rig)
    tap.equal(sorted(os.listdir(directory)), sorted(UNITS))
    run = analyze("verify", "--man=no", *(f"{directory}/{unit}" for unit in UNITS))
    # It also warns of units of the machine.
    complaints = [line for line in run.stderr.splitlines() if "drivepress" in line]
    tap.equal((run.returncode, complaints), (0, []))


@tap.test
def the_daemon_is_hardly_exposed(rig):
    directory = installed_units(rig)
    run = analyze("security", "--offline=true", f"{directory}/{UNITS[0]}")
    level = re.search(r"Overall exposure level for drivepressd.service: ([\d.]+)", run.stdout)
    tap.true(level, f"a level is told: {run.stdout[-500:]} {run.stderr}")
    tap.true(float(level[1]) <= EXPOSURE_MAX, level[0])


@tap.test
def the_user_and_the_directories_can_be_made(rig):
    if not shutil.which("systemd-sysusers") or os.geteuid() != 0:
        tap.skip("this needs systemd-sysusers and root")
    root = rig.path("root")
    make(rig, "install", DESTDIR=root)
    # At every boot anew.
    for tool in 2 * (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        name = "sysusers.d" if "sysusers" in tool[0] else "tmpfiles.d"
        subprocess.run([*tool, f"--root={root}", f"{root}/usr/local/lib/{name}/drivepress.conf"],
                       check=True, capture_output=True)
    user = next(line.split(":") for line in read(f"{root}/etc/passwd").splitlines()
                if line.startswith("drivepress:"))
    tap.contains(read(f"{root}/etc/group"), f"drivepress:x:{user[3]}:")
    tap.true(user[6].endswith("nologin"), "nobody logs in as it")
    for name, owner in (("var/lib/drivepress", int(user[2])), ("var/lib/drivepress/images", 0),
                        ("etc/drivepress/conf.d", 0)):
        status = os.stat(f"{root}/{name}")
        tap.equal((name, status.st_uid, f"{stat.S_IMODE(status.st_mode):o}"), (name, owner, "755"))


def filtered_calls(unit):
    """The system calls that a unit's allow-list leaves."""
    groups, name = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = set()
        elif name and line.strip() and not line.strip().startswith("#"):
            groups[name].add(line.strip())

    def expand(entry):
        return set().union(*map(expand, groups[entry])) if entry.startswith("@") else {entry}

    # systemd(1) cannot start anything without these.
    allowed = expand("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", read(unit), re.MULTILINE):
        calls = set().union(*map(expand, line.removeprefix("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def calls_of_daemon(trace):
    """The system calls of drivepressd in a trace, without those of who started it."""
    daemon, calls = set(), set()
    for line in read(trace).splitlines():
        pid, _, rest = line.partition(" ")
        if "execve(" in rest and "/drivepressd\"" in rest:
            daemon.add(pid)
        elif pid in daemon:
            if made := re.match(r"\s*(\w+)\(", rest):
                calls.add(made[1])
            if child := re.search(r"(?:clone3?\(.*|<\.\.\. clone3? resumed.*) = (\d+)$", rest):
                daemon.add(child[1])
    return calls


def needs_strace():
    if not shutil.which("strace"):
        tap.skip("no strace here")
    if "address" in BUILD or "thread" in BUILD:
        tap.skip("sanitizers call what they want")


@tap.test
def a_session_calls_nothing_that_the_unit_forbids(rig):
    needs_strace()
    allowed = filtered_calls(f"{installed_units(rig)}/{UNITS[0]}")
    tap.true("openat" in allowed and "mount" not in allowed, "it is a filter")
    image = rig.image(2 * MIB)
    for engine in ("io_uring", "threads"):
        trace = rig.path()
        run = rig.run("write", "--json", "--yes", "--engine", engine, image, rig.file(4 * MIB),
                      rig.file(1 * MIB), wrapper=["strace", "-f", "-o", trace])
        tap.equal(run.verdicts, ["passed", "too-small"], run.text())
        calls = calls_of_daemon(trace)
        tap.true("io_uring_enter" in calls or engine == "threads", f"{engine}: {calls}")
        tap.true({"openat", "futex"} <= calls, f"the daemon was seen: {calls}")
        tap.equal(sorted(calls - allowed), [])


@tap.test
def the_service_calls_nothing_that_its_unit_forbids(rig):
    """As systemd runs it: told that it is ready, watched over, with drives that come and go."""
    needs_strace()
    allowed = filtered_calls(f"{installed_units(rig)}/{UNITS[0]}")
    for engine in ("io_uring", "threads"):
        trace, told = rig.path(), rig.path()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, Rig() as inner:
            notified.bind(told)
            notified.settimeout(20)
            service = Service(inner, f"[policy]\nengine = {engine}\n", start=False)
            service.add_image("films", 2 * MIB)
            service.daemon = Run(["strace", "-f", "-o", trace, DAEMON, "--config", service.config],
                                 environment={"NOTIFY_SOCKET": told, "WATCHDOG_USEC": "2000000"})
            inner.keep(service.daemon)
            while "READY=1" not in notified.recv(4096).decode():
                pass
            service.arm("--image", "films")
            service.insert("A01", 4 * MIB)
            service.wait_for("A01", "passed")
            service.insert("A02", 1 * MIB)
            service.wait_for("A02", "refused")
            service.pull("A01")
            service.wait_for("A01", "empty")
            tap.equal(service.client("reload").code, 0)
            tap.equal(service.client("stop", "--all").code, 0)
            while "WATCHDOG=1" not in notified.recv(4096).decode():
                pass
            os.kill(service.daemon.daemon_pid(), signal.SIGTERM)
            tap.equal(service.daemon.finish().code, 0)
        calls = calls_of_daemon(trace)
        tap.true({"inotify_add_watch", "bind", "listen", "accept4", "sendmsg"} <= calls,
                 f"the service was seen: {sorted(calls)}")
        tap.contains(read(trace), "AF_NETLINK", "it listens to udev")
        tap.equal(sorted(calls - allowed), [])


@tap.test
def what_root_adds_the_daemon_reads(rig):
    if os.geteuid() != 0:
        tap.skip("this needs root")
    images = rig.path("catalogue")
    image = rig.image(2 * MIB, "films.img")
    run = rig.run("image", "add", "--images", images, image, before=lambda: os.umask(0o077))
    tap.equal(run.code, 0, run.text())
    names = os.listdir(images)
    tap.true(len(names) >= 2, f"an image and its manifest: {names}")
    tap.equal({f"{stat.S_IMODE(os.stat(path).st_mode):o}"
               for path in [f"{images}/{name}" for name in names]}, {"644"})
    tap.equal(f"{stat.S_IMODE(os.stat(images).st_mode):o}", "755")


@tap.test
def the_daemon_cannot_change_the_images(rig):
    unit = read(f"{TREE}/systemd/{UNITS[0]}")
    tap.contains(unit, "\nReadOnlyPaths=-/var/lib/drivepress/images\n")
    states = re.search(r"^StateDirectory=(.*)$", unit, re.MULTILINE)[1].split()
    tap.equal(states, ["drivepress"], "systemd gives the images to the daemon")


tap.main()
