# SPDX-License-Identifier: GPL-3.0-or-later
"""A running daemon with a dock, and what a volunteer does with it: insert, pull, arm, look.

    with Rig() as rig:
        service = Service(rig)
        service.add_image("films", 2 * MIB)
        service.client("arm", "--image", "films")
        service.insert("A01", 4 * MIB)
        service.wait_for("A01", "passed")
"""

import json
import os
import socket

from rig import BUILD, Run, wait_until

DAEMON = os.path.join(BUILD, "drivepressd")


class Service:
    """Everything is in the rig's directory; the daemon ends with the rig. `more` is appended to the
    configuration, `slots` is [rig] slots."""

    def __init__(self, rig, more="", slots=8, start=True):
        self.rig = rig
        self.dock = rig.path("dock")
        self.images = rig.path("images")
        self.runtime = rig.path("run")
        self.config = rig.path("drivepress.conf")
        self.daemon = None
        os.mkdir(self.dock)
        os.mkdir(self.images)
        self.configure(more, slots)
        if start:
            self.start()

    def configure(self, more="", slots=8):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(
                f"[paths]\nstate = {self.rig.directory}\nruntime = {self.runtime}\n"
                f"images = {self.images}\n[rig]\nname = test\ndock = {self.dock}\nslots = {slots}\n"
                f"[pool]\nsize = 64M\n{more}"
            )

    @property
    def socket(self):
        return os.path.join(self.runtime, "control.sock")

    def start(self):
        self.daemon = Run([DAEMON, "--config", self.config])
        self.rig.keep(self.daemon)
        wait_until(
            lambda: self.daemon.process.poll() is not None or "ready" in self.daemon.errors,
            "the daemon is ready",
        )
        if self.daemon.process.poll() is not None:
            raise RuntimeError(self.daemon.finish().text())

    def add_image(self, name, size_bytes, seed=1):
        """Returns the path of the file that the image was made from."""
        path = self.rig.image(size_bytes, f"{name}.img", seed)
        done = self.rig.run("image", "add", "--images", self.images, path)
        if done.code != 0:
            raise RuntimeError(done.text())
        return path

    def client(self, *arguments, seconds=20, **options):
        return self.rig.run(
            *arguments, seconds=seconds, environment={"DRIVEPRESS_SOCKET": self.socket}, **options
        )

    def arm(self, *arguments):
        done = self.client("arm", *arguments)
        if done.code != 0:
            raise RuntimeError(done.text())

    def status(self):
        done = self.client("status", "--json")
        if done.code != 0:
            raise RuntimeError(done.text())
        return done.json

    def slot(self, name):
        return self.status()["slots"].get(name)

    # --- The protocol itself ----------------------------------------------------------------------

    def talk(self, *requests, which="control.sock"):
        """Sends requests, each a method or (method, params), and returns the answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(os.path.join(self.runtime, which))
            lines = connection.makefile("r", encoding="utf-8")
            self.hello = json.loads(lines.readline())
            answers = []
            for number, request in enumerate(requests):
                method, params = (request, None) if isinstance(request, str) else request
                message = {"jsonrpc": "2.0", "id": number, "method": method}
                if params is not None:
                    message["params"] = params
                connection.sendall(json.dumps(message).encode() + b"\n")
                answers.append(json.loads(lines.readline()))
            return answers

    # --- Drives -----------------------------------------------------------------------------------

    def drive(self, name):
        return os.path.join(self.dock, name)

    def insert(self, name, size_bytes, **keys):
        """Plugs a drive in: simulated if it has keys (daemon/io_sim.h). Returns its path."""
        made = self.rig.file(size_bytes)
        description = self.drive(name) + ".sim"
        if keys:
            with open(description, "w", encoding="ascii") as file:
                file.writelines(f"{key} = {value}\n" for key, value in keys.items())
        elif os.path.exists(description):
            os.unlink(description)
        os.rename(made, self.drive(name))
        return self.drive(name)

    def pull(self, name):
        os.unlink(self.drive(name))

    def wait_for(self, name, state, seconds=20):
        """Waits for a slot's state, and returns the slot."""
        seen = {}

        def reached():
            slot = seen["slot"] = self.slot(name)
            return slot is not None and slot["state"] == state

        try:
            wait_until(reached, f"{name} is {state}", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {seen['slot']}\n{self.daemon.text()}") from None
        return seen["slot"]
