#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes what a guest boots from, below $BUILD_VM (default build/vm of this tree).

    build_guest.py              makes what is missing, and says how long it took

The base (Debian's stock kernel, an initramfs, a read-only root of Debian packages and an empty
data disk) is made once and kept until this file, the files in guest_files/ or the sources of the
host's apt change. It never contains the product, which is a layer of its own: what `make install`
of this tree installs, as a small image that is named after its content.

The packages come from wherever this host's apt gets Debian's own.
"""

import contextlib
import fcntl
import functools
import hashlib
import lzma
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
FILES = os.path.join(HERE, "guest_files")
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TREE, "build/gcc")))
BUILD_VM = os.path.abspath(os.environ.get("BUILD_VM", os.path.join(TREE, "build/vm")))

MIB = 1 << 20
DATA_DISK_BYTES = 32 * MIB

PACKAGES = [
    # the system
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "util-linux", "mount", "procps", "fdisk",
    # what the product needs
    "libuv1", "libjansson4", "libinih1", "libxxhash0", "liburing2", "libudev1", "libsystemd0",
    "libsodium23", "libblkid1", "zlib1g",
    # what must leave the rig's drives alone, and what makes something to be left alone
    "udisks2", "libblockdev-crypto2", "libblockdev-mdraid2", "lvm2", "mdadm",
    "e2fsprogs", "dosfstools", "btrfs-progs",
    # what looks
    "usbutils", "strace",
]

# The kernel's modules that the guest has: of 300 MB, most are for graphics, radio and network.
MODULES_WITHOUT = re.compile(
    r"kernel/(drivers/(gpu|net|media|infiniband|iio|staging|isdn|comedi|video|bluetooth|wireless)"
    r"|sound|net/(?!9p|core|unix)|fs/(xfs|ocfs2|gfs2|ceph|nfs|nfsd|cifs|smb))/")
# What the initramfs needs, with all that these depend on. erofs asks for crc32c by its name.
MODULES_EARLY = ["virtio_pci", "virtio_blk", "crc32c_generic", "erofs", "overlay"]

# Work that a guest of a few minutes has no use for: updates, cleaning, caches, terminals.
MASKED = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "systemd-tmpfiles-clean.timer", "mdcheck_start.timer",
    "mdcheck_continue.timer", "mdmonitor-oneshot.timer", "getty.target", "ldconfig.service",
    "systemd-hwdb-update.service", "systemd-journal-catalog-update.service",
    "systemd-timesyncd.service", "systemd-networkd.service", "systemd-journal-flush.service",
    "systemd-pstore.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "lvm2-monitor.service", "modprobe@drm.service",
]

UNITS_ENABLED = {"multi-user.target": ["rig-agent.service"]}

CONTENT = {
    "etc/hostname": "rig\n",
    "etc/machine-id": "5f3c1b7a9d2e4f60a1b2c3d4e5f60718\n",  # with none, systemd sets up anew
    "etc/fstab": "LABEL=data /srv ext4 defaults 0 0\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/journald.conf.d/rig.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
    "etc/systemd/system.conf.d/rig.conf": "[Manager]\nDefaultTimeoutStopSec=20s\n",
}


def say(*words):
    print("#", *words, flush=True)


def run(*command, **options):
    """Runs a command; what it said is shown when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, errors="replace", check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout[-8000:]}")
    return done.stdout


@contextlib.contextmanager
def locked(name):
    """Only one process at a time makes something below BUILD_VM."""
    os.makedirs(BUILD_VM, exist_ok=True)
    with open(os.path.join(BUILD_VM, f"{name}.lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made(path):
    """Gives a directory to fill, which becomes `path` when all went well."""
    temporary = tempfile.mkdtemp(prefix=os.path.basename(path) + ".", dir=BUILD_VM)
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_others(prefix, keep):
    for name in os.listdir(BUILD_VM):
        path = os.path.join(BUILD_VM, name)
        if name.startswith(prefix) and path != keep and os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)


def tree_hash(directory):
    """A hash of the names, modes and contents below a directory."""
    digest = hashlib.sha256()
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names + directories):
            path = os.path.join(parent, name)
            status = os.lstat(path)
            digest.update(f"{os.path.relpath(path, directory)} {status.st_mode}\n".encode())
            if os.path.islink(path):
                digest.update(os.readlink(path).encode())
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


# --- The base ------------------------------------------------------------------------------------


def debian_sources():
    """The lines of a sources.list for Debian's own packages, from wherever this host gets them."""
    lines = run("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages", "Origin: Debian")
    if not lines.strip():
        raise RuntimeError("apt knows no packages of Debian: run apt-get update")
    return lines


class Base:
    """The files that a guest boots from."""

    def __init__(self, directory):
        self.directory = directory
        self.kernel = os.path.join(directory, "vmlinux")
        self.initramfs = os.path.join(directory, "initramfs.cpio")
        self.root = os.path.join(directory, "root.erofs")
        self.data = os.path.join(directory, "data.img")


@functools.cache
def base():
    """Returns the Base, which is made first if need be."""
    sources = debian_sources()
    with open(__file__, "rb") as file:
        script = file.read()
    key = hashlib.sha256(script + sources.encode() + tree_hash(FILES).encode()).hexdigest()[:16]
    path = os.path.join(BUILD_VM, f"base-{key}")
    with locked("base"):
        if not os.path.isdir(path):
            began = time.monotonic()
            say("making the base of the guests, which takes about half a minute")
            with made(path) as directory:
                make_base(directory, sources)
            remove_others("base-", path)
            say(f"made the base in {time.monotonic() - began:.1f} s")
    return Base(path)


def make_base(directory, sources):
    # The hook runs while the new root is there; the rest of this file is its code.
    hook = shlex.join([sys.executable, os.path.abspath(__file__), "--hook", directory])
    command = ["mmdebstrap", "--mode=auto", "--variant=essential", "--format=null",
               f"--include={','.join(PACKAGES)}", "--aptopt=APT::Install-Recommends false",
               "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*",
               f'--customize-hook={hook} "$1"', "", "/dev/null", "-"]
    done = subprocess.run(command, input=sources, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap failed:\n{done.stdout[-8000:]}")
    data = os.path.join(directory, "data.img")
    with open(data, "wb") as file:
        file.truncate(DATA_DISK_BYTES)
    run("mkfs.ext4", "-q", "-L", "data", "-O", "^has_journal", data)


def customize(directory, root):
    """What the hook does: fills the root that mmdebstrap has made, and packs it."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        version = put_kernel(root, scratch)
        with open(os.path.join(scratch, "boot", f"vmlinuz-{version}"), "rb") as file:
            kernel = uncompressed_kernel(file.read())
    with open(os.path.join(directory, "vmlinux"), "wb") as file:
        file.write(kernel)
    put_files(root)
    make_initramfs(root, version, directory)
    # Without compression: the emulated processor is slower than the host's page cache.
    run("mkfs.erofs", "--quiet", "-x-1", "--exclude-regex=^(proc|sys|dev|run|tmp|var/cache/apt|"
        "var/lib/apt/lists|usr/share/i18n)/.", os.path.join(directory, "root.erofs"), root)


def put_kernel(root, scratch):
    """Unpacks Debian's kernel into scratch and its modules into the root. Returns its version."""
    # mmdebstrap tells hooks how to ask the apt of the new root.
    environment = {**os.environ, "APT_CONFIG": os.environ["MMDEBSTRAP_APT_CONFIG"]}
    depends = run("apt-cache", "depends", "linux-image-amd64", env=environment)
    version = re.search(r"Depends: linux-image-(\S+)", depends)[1]
    # apt drops to a user of its own, who cannot write here.
    run("apt-get", "-o", "APT::Sandbox::User=root", "download", f"linux-image-{version}",
        cwd=scratch, env=environment)
    package = next(name for name in os.listdir(scratch) if name.endswith(".deb"))
    run("dpkg-deb", "-x", os.path.join(scratch, package), scratch)
    modules = os.path.join(scratch, "lib/modules", version)
    for parent, directories, names in os.walk(modules):
        for name in directories + names:
            path = os.path.join(parent, name)
            if MODULES_WITHOUT.search(os.path.relpath(path, modules) + "/"):
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    os.makedirs(os.path.join(root, "usr/lib/modules"), exist_ok=True)
    shutil.move(modules, os.path.join(root, "usr/lib/modules", version))
    run("chroot", root, "depmod", version)
    return version


def uncompressed_kernel(image):
    """The kernel as ELF from a bzImage, which boots several seconds faster under emulation."""
    # Documentation/arch/x86/boot.rst: setup_sects, payload_offset and payload_length. The payload
    # is followed by four bytes that xz does not know.
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    return lzma.LZMADecompressor().decompress(image[begin : begin + length])


def put_files(root):
    for name, text in CONTENT.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.remove(path)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    units = os.path.join(root, "etc/systemd/system")
    shutil.copy(os.path.join(FILES, "rig-agent.service"), units)
    target = os.path.join(root, "usr/libexec/rig-agent")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    run("cc", "-std=c17", "-O2", "-D_GNU_SOURCE", "-static", "-o", target,
        os.path.join(FILES, "rig_agent.c"))
    for unit in MASKED:
        path = os.path.join(units, unit)
        if os.path.lexists(path):
            os.remove(path)
        os.symlink("/dev/null", path)
    for target, wanted in UNITS_ENABLED.items():
        os.makedirs(os.path.join(units, f"{target}.wants"), exist_ok=True)
        for unit in wanted:
            os.symlink(f"../{unit}", os.path.join(units, f"{target}.wants", unit))
    run("chroot", root, "passwd", "-d", "root")


def modules_in_order(directory):
    """The files of MODULES_EARLY and of what they depend on, each after what it depends on."""
    needs = {}
    with open(os.path.join(directory, "modules.dep"), encoding="utf-8") as file:
        for line in file:
            path, _, dependencies = line.partition(":")
            needs[path] = dependencies.split()
    order = []
    for name in MODULES_EARLY:
        path = next(path for path in needs if os.path.basename(path).split(".")[0] == name)
        # modules.dep lists what is to be loaded first last.
        order += [each for each in [*reversed(needs[path]), path] if each not in order]
    return order


def make_initramfs(root, version, directory):
    modules = os.path.join(root, "usr/lib/modules", version)
    with tempfile.TemporaryDirectory(dir=directory) as initramfs:
        for name in ("bin", "modules"):
            os.mkdir(os.path.join(initramfs, name))
        shutil.copy(shutil.which("busybox"), os.path.join(initramfs, "bin/busybox"))
        shutil.copy(os.path.join(FILES, "init"), os.path.join(initramfs, "init"))
        os.chmod(os.path.join(initramfs, "init"), 0o755)
        order = modules_in_order(modules)
        for path in order:
            shutil.copy(os.path.join(modules, path), os.path.join(initramfs, "modules"))
        with open(os.path.join(initramfs, "modules/order"), "w", encoding="utf-8") as file:
            file.writelines(os.path.basename(path) + "\n" for path in order)
        pack(initramfs, os.path.join(directory, "initramfs.cpio"))


def pack(directory, path):
    """Packs a directory as an initramfs, with everything owned by root."""
    names = [os.path.relpath(os.path.join(parent, name), directory)
             for parent, directories, files in os.walk(directory) for name in directories + files]
    with open(path, "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-0", "-R", "0:0"], cwd=directory,
                       input="\0".join(sorted(names)).encode(), stdout=file, check=True)


# --- The product ---------------------------------------------------------------------------------


@functools.cache
def product():
    """Installs the product as it is now and returns the path of its layer."""
    with locked("product"), tempfile.TemporaryDirectory(prefix="product-", dir=BUILD_VM) as scratch:
        target = os.path.join(scratch, "root")
        os.mkdir(target)
        # Make's own variables of a run around this one would change what it does.
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "DESTDIR")}
        # Inside the tree the Makefile's own name of the directory keeps what it built valid.
        build = os.path.relpath(BUILD, TREE) if BUILD.startswith(TREE + "/") else BUILD
        run("make", "-s", "-C", TREE, "install", f"BUILD={build}", f"DESTDIR={target}",
            "PREFIX=/usr", env=environment)
        path = os.path.join(BUILD_VM, f"product-{tree_hash(target)[:16]}")
        if not os.path.isdir(path):
            with made(path) as directory:
                run("mkfs.erofs", "--quiet", "--all-root", "-x-1",
                    os.path.join(directory, "product.erofs"), target)
            remove_others("product-", path)
    return os.path.join(path, "product.erofs")


def main():
    if sys.argv[1:2] == ["--hook"]:
        customize(*sys.argv[2:])
        return
    began = time.monotonic()
    files = base()
    say(f"base: {files.directory} ({time.monotonic() - began:.1f} s)")
    began = time.monotonic()
    say(f"product: {product()} ({time.monotonic() - began:.1f} s)")


if __name__ == "__main__":
    main()
