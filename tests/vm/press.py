# SPDX-License-Identifier: GPL-3.0-or-later
"""The product at work in a guest: a rig whose ports are claimed, an image in the catalogue, the
installed service, and what a volunteer sees of it.

    with Guest(rig) as guest:
        press = Press(rig, guest, {"A01": "1.1.1", "A02": "1.1.2"}, image_bytes=8 * MIB)
        press.arm()
        stick = guest.plug("1.1.1", 16 * MIB)
        press.wait_for("A01", "passed")
        tap.true(press.holds_image(stick), "it holds the image")
"""

import json
import os
import subprocess

import tap
from drives import wait_for
from gadget import PORT as GADGET_PORT
from rig import CLI, MIB, fill, same_bytes

IMAGE = "films"
CATALOGUE = "/var/lib/drivepress/images"
CONFIG = "/etc/drivepress/drivepress.conf"
RIG_FILE = "/etc/drivepress/conf.d/60-rig.conf"
CLAIM_FILE = "/etc/udev/rules.d/58-drivepress-ports.rules"
# As the daemon's user, with no more rights than that has.
AS_DAEMON = "setpriv --reuid drivepress --regid drivepress --clear-groups"

# The fields of udev's database by which programs know that a disk holds something of theirs.
CONTENT_FIELDS = ("ID_FS_TYPE", "ID_FS_UUID", "ID_FS_LABEL", "ID_PART_TABLE_TYPE")


# --- The configuration ----------------------------------------------------------------------------


def faces(port):
    """A port of the guest as the configuration names it: both faces of one of a root hub."""
    if port == GADGET_PORT:
        return "dummy_hcd.0/usb2/1"
    buses = ["usb2"] if "." in port else ["usb2", "usb3"]
    return " ".join(f"0000:00:10.0/{bus}/{port}" for bus in buses)


def slots_text(slots):
    """The slots of a configuration: for each name a port of the guest, or a port and a LUN. The
    port of an SD card is its controller with "/mmc" behind."""
    text = ""
    for number, (name, place) in enumerate(slots.items()):
        port, lun = place if isinstance(place, tuple) else (place, 0)
        key = f"usb = {faces(port)}"
        if port.endswith("/mmc"):
            key = f"mmc = {port.removesuffix('/mmc')}"
        text += f"[slot {name}]\n{key}\nlun = {lun}\n"
        if lun == 0:
            text += f"row = {number // 8 + 1}\ncol = {number % 8 + 1}\n"
    return text


def files_at_boot(rig, slots, policy, image_bytes):
    """What a rig that was set up earlier has when it boots, for Guest(files): slots, claim, image
    and the service enabled. Returns the files, and the path of the image on the host."""
    config, claim = rig.path("boot.conf"), rig.path("boot.rules")
    with open(config, "w", encoding="utf-8") as file:
        file.write(slots_text(slots))
    _cli("slots", "claim", "--yes", "--config", config, "--claim", claim)
    images = rig.path("boot-images")
    os.mkdir(images)
    image = rig.path(f"{IMAGE}.img")
    fill(image, image_bytes)
    _cli("image", "add", "--images", images, image)
    wants = "[Unit]\nWants=drivepressd.service\n"
    files = {RIG_FILE: slots_text(slots) + policy,
             "/etc/systemd/system/multi-user.target.d/rig.conf": wants}
    for path, source in [(CLAIM_FILE, claim)] + [
            (f"{CATALOGUE}/{name}", os.path.join(images, name)) for name in os.listdir(images)]:
        with open(source, "rb") as file:
            files[path] = file.read()
    return files, image


def _cli(*arguments):
    done = subprocess.run([CLI, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"drivepress {' '.join(arguments)}: {done.stdout}")


class Press:
    """The service in a guest, running and disarmed.

    `slots` names the ports of the rig, as for slots_text(). `more` is appended to the
    configuration. `image` is the path of the master on the host; without one it is made, and put
    into the guest's catalogue. `start` False: everything is there already (files_at_boot()).
    """

    def __init__(self, rig, guest, slots, *, image_bytes=8 * MIB, more="", image=None, start=True):
        self.guest = guest
        self.slots = slots
        self.image = image
        self.image_bytes = image_bytes
        if image is None:
            self.image = rig.path(f"{IMAGE}.img")
            fill(self.image, image_bytes)
        if start:
            self._install(more)
            self.start()

    def _install(self, more):
        share = self.guest.share
        with open(os.path.join(share, "rig.conf"), "w", encoding="utf-8") as file:
            file.write(slots_text(self.slots) + more)
        os.link(self.image, os.path.join(share, f"{IMAGE}.img"))
        self.guest.check(f"cp /mnt/rig.conf {RIG_FILE} && drivepress image add /mnt/{IMAGE}.img"
                         + (" && drivepress slots claim --yes" if self.slots else ""))

    def start(self):
        self.guest.check("systemctl enable --now drivepressd")

    # --- Commands ---------------------------------------------------------------------------------

    def client(self, *arguments, timeout=60):
        """Runs the CLI in the guest, and returns its exit status and what it said."""
        return self.guest.run(f"drivepress {' '.join(arguments)}", timeout)

    def check(self, *arguments):
        status, output = self.client(*arguments)
        tap.equal(status, 0, f"drivepress {' '.join(arguments)}: {output}")
        return output

    def arm(self, *arguments):
        self.check("arm", "--image", IMAGE, *arguments)

    def status(self):
        return json.loads(self.check("status", "--json"))

    def slot(self, name):
        return self.status()["slots"].get(name)

    # --- Waiting ----------------------------------------------------------------------------------

    def wait_for_all(self, names, state, seconds=90):
        """Waits until all these slots have a state (one of several, if it is a tuple) at the same
        time, and returns them, by name."""
        names = list(names)
        states = state if isinstance(state, tuple) else (state,)
        seen = {}

        def reached():
            slots = seen["slots"] = self.status()["slots"]
            return all(name in slots and slots[name]["state"] in states for name in names)

        try:
            wait_for(reached, f"{' '.join(names)} {' or '.join(states)}", seconds, every=0.2)
        except TimeoutError as error:
            others = [name for name in names
                      if seen["slots"].get(name, {}).get("state") not in states]
            told = [text for text in self.messages() if text.split(":")[0] in others]
            shown = {name: seen["slots"].get(name) for name in others}
            raise TimeoutError(f"{error}: {shown}\n{told}") from None
        return {name: seen["slots"][name] for name in names}

    def wait_for(self, name, state, seconds=90):
        return self.wait_for_all([name], state, seconds)[name]

    def wait_written(self, name, more_than_bytes, seconds=60):
        """Waits until a pass has written more than so much, and is still writing."""
        def reached():
            slot = self.slot(name)
            tap.true(slot["state"] in ("empty", "ready", "identifying", "writing"),
                     f"{name} is not writing any more: {slot}")
            return slot["state"] == "writing" and slot["bytes_written"] > more_than_bytes

        wait_for(reached, f"{name} is being written", seconds, every=0.1)

    # --- What came of it --------------------------------------------------------------------------

    def holds_image(self, drive):
        """Whether a drive holds the image, as the host sees it."""
        return same_bytes(self.image, drive.path, self.image_bytes)

    def passed(self, name, drive, slot=None):
        """Checks that the drive in a slot has passed and holds the image."""
        slot = slot or self.wait_for(name, "passed")
        tap.equal((slot["state"], slot["verdict"], slot["image"]), ("passed", "passed", IMAGE),
                  f"{name}: {slot}")
        if drive is not None:
            tap.true(self.holds_image(drive), f"the drive in {name} holds the image")
        return slot

    def failed(self, name, verdict, slot=None):
        slot = slot or self.wait_for(name, "failed")
        tap.equal((slot["state"], slot["verdict"]), ("failed", verdict), f"{name}: {slot}")
        return slot

    def at_its_port(self, name, drive, slot):
        """Checks that what a slot shows is the drive that is in its port: a slot that was mixed up
        with another would show another's device."""
        tap.equal(slot["target"], f"/dev/{self.guest.disk(drive)}", f"the device of {name}")

    # --- The system's view ------------------------------------------------------------------------

    def pid(self):
        return int(self.guest.check("systemctl show -P MainPID drivepressd"))

    def property(self, name):
        return self.guest.check(f"systemctl show -P {name} drivepressd").strip()

    def journal(self):
        """What the service said, as dictionaries of the journal's fields."""
        lines = self.guest.check("journalctl -o json --no-pager -t drivepressd").splitlines()
        return [json.loads(line) for line in lines]

    def messages(self):
        return [entry["MESSAGE"] for entry in self.journal()]

    def opens(self, name):
        """What happens when the daemon's user opens a disk, to read and to write: "" or why not."""
        done = [self.guest.run(f"{AS_DAEMON} bash -c 'exec 3{how}/dev/{name}'")
                for how in ("<", "<>")]
        if all(status == 0 for status, _ in done):
            return ""
        denied = all("Permission denied" in output for _, output in done)
        return "EACCES" if denied else repr(done)

    def udev(self, name):
        """The properties that udev has of a disk."""
        lines = self.guest.check(f"udevadm info --query=property /dev/{name}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def holders(self):
        """The devices of the guest's device mapper and md."""
        return [name for name in self.guest.disks() if name.startswith(("dm-", "md"))]
