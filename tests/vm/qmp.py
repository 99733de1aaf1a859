# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's control socket: commands, their answers, and events."""

import json
import socket
import time


class QmpError(Exception):
    """QEMU refused a command. `kind` is its class, such as GenericError."""

    def __init__(self, command, error):
        super().__init__(f"{command}: {error['desc']}")
        self.kind = error["class"]


class Qmp:
    """A connection. A command waits for its answer; events that come meanwhile are kept."""

    def __init__(self, path, seconds=30):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(path)
        self._seconds = seconds
        self._pending = b""
        self.events = []
        self._message(seconds)  # the greeting
        self("qmp_capabilities")

    def _message(self, seconds):
        """The next message, or None when none comes in time."""
        end = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionError("QEMU has closed its control socket")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)

    def __call__(self, command, arguments=None, fd=None):
        """Runs a command and returns its result. `fd` goes along, for getfd."""
        text = json.dumps({"execute": command, "arguments": arguments or {}}).encode()
        socket.send_fds(self._socket, [text], [] if fd is None else [fd])
        while True:
            message = self._message(self._seconds)
            if message is None:
                raise TimeoutError(f"QEMU did not answer {command} within {self._seconds} s")
            if "error" in message:
                raise QmpError(command, message["error"])
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def wait_event(self, name, seconds=30, **data):
        """Waits for an event with these data, takes it off the kept ones and returns its data."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events:
                found = event.get("data", {})
                if event["event"] == name and data.items() <= found.items():
                    self.events.remove(event)
                    return found
            message = self._message(end - time.monotonic())
            if message is None:
                raise TimeoutError(f"no event {name} {data} within {seconds} s")
            self.events.append(message)

    def close(self):
        self._socket.close()
