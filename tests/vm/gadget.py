# SPDX-License-Identifier: GPL-3.0-or-later
"""A card reader of which every LUN can be empty and change its medium, which QEMU's cannot: Linux
plays it inside the guest, with its USB gadget for mass storage on an emulated controller. It is a
USB 2 device of its own vendor and product at the only port of that controller."""

from drives import Drive

PORT = "3-1"  # QEMU's controller has the buses 1 and 2
GADGET = "/sys/kernel/config/usb_gadget/reader"
FUNCTION = f"{GADGET}/functions/mass_storage.0"
UDC = "dummy_udc.0"
MEDIA = "/run/reader"

SET_UP = f"""set -e
modprobe -a dummy_hcd usb_f_mass_storage
mkdir -p {MEDIA} {GADGET}; cd {GADGET}
echo 0x058f >idVendor; echo 0x6366 >idProduct
mkdir -p strings/0x409 functions/mass_storage.0 configs/c.1
echo Reader >strings/0x409/product; echo 058F63666485 >strings/0x409/serialnumber
"""


class GadgetReader:
    """The reader, plugged in and empty. `luns` are Drives, for Guest.disk() and disks_of(); what a
    medium holds is in the guest, in the file medium(lun)."""

    def __init__(self, guest, luns=4):
        self._guest = guest
        self.luns = [Drive(f"gadget-{lun}", PORT, lun=lun) for lun in range(luns)]
        # LUN 0 is always there.
        each = "".join(f"mkdir -p {FUNCTION}/lun.{lun}; echo 1 >{FUNCTION}/lun.{lun}/removable\n"
                       for lun in range(luns))
        guest.check(f"{SET_UP}{each}ln -s functions/mass_storage.0 configs/c.1/")
        self.plug()

    def plug(self):
        self._guest.check(f"echo {UDC} >{GADGET}/UDC")

    def unplug(self):
        self._guest.check(f"echo >{GADGET}/UDC")

    def pull(self):
        """Pulls it at once, where unplug() first waits until its medium has answered. What is
        plugged in again has to be unplugged first."""
        self._guest.check(f"echo disconnect >/sys/class/udc/{UDC}/soft_connect")

    def medium(self, lun):
        return f"{MEDIA}/medium{lun}"

    def insert(self, lun, size_bytes, path=None):
        """Puts a medium of zeros into a LUN: medium(lun), or another file of the guest."""
        path = path or self.medium(lun)
        self._guest.check(f"rm -f {path}; truncate -s {size_bytes} {path}"
                          f" && echo {path} >{FUNCTION}/lun.{lun}/file")

    def eject(self, lun):
        """Takes the medium out, at once, whatever is under way."""
        self._guest.check(f"echo 1 >{FUNCTION}/lun.{lun}/forced_eject")
