#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service with a dock: what starts by itself and what does not, and what people can ask of it."""

import json
import os
import signal
import socket
import stat
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import tap
from rig import MIB, same_bytes, wait_until
from service import DAEMON, Service

SIZE = 2 * MIB
SLOW = {"write_rate": "1M"}


def armed(rig, *arguments, **options):
    """A service with the image films, armed with it."""
    service = Service(rig, **options)
    image = service.add_image("films", SIZE)
    service.arm(*(arguments or ("--image", "films")))
    return service, image


# --- Insert and go --------------------------------------------------------------------------------


@tap.test
def a_drive_that_is_inserted_after_arming_passes_by_itself(rig):
    service, image = armed(rig)
    drive = service.insert("A01", 2 * SIZE)
    slot = service.wait_for("A01", "passed")
    tap.equal((slot["verdict"], slot["image"], slot["target"]), ("passed", "films", drive))
    tap.true(same_bytes(image, drive, SIZE), "it holds the image")
    tap.equal(service.status()["totals"]["passed"], 1)


@tap.test
def a_daemon_starts_disarmed_and_touches_nothing(rig):
    service = Service(rig)
    service.add_image("films", SIZE)
    drive = service.insert("A01", SIZE)
    slot = service.wait_for("A01", "ready")
    tap.equal((service.status()["armed"], slot["verdict"]), (None, None))
    tap.equal(os.stat(drive).st_mtime_ns, 0, "it was not written")


@tap.test
def what_was_there_before_arming_needs_a_start(rig):
    service = Service(rig)
    image = service.add_image("films", SIZE)
    early = service.insert("early", SIZE)
    service.wait_for("early", "ready")
    done = service.client("arm", "--image", "films")
    tap.equal(done.code, 0, done.text())
    service.insert("late", SIZE)
    service.wait_for("late", "passed")
    tap.equal(service.slot("early")["state"], "ready")
    tap.equal(os.stat(early).st_mtime_ns, 0, "it was not written")
    tap.equal(service.client("start", "early").code, 0)
    service.wait_for("early", "passed")
    tap.true(same_bytes(image, early, SIZE), "it holds the image")


@tap.test
def what_was_there_at_the_start_is_not_touched_though_it_arms_by_itself(rig):
    service = Service(rig, "[policy]\narm_on_start = yes\nimage = films\n", start=False)
    service.add_image("films", SIZE)
    before = service.insert("before", SIZE)
    service.start()
    wait_until(lambda: service.status()["armed"], "it is armed")
    service.insert("after", SIZE)
    service.wait_for("after", "passed")
    tap.equal((service.slot("before")["state"], os.stat(before).st_mtime_ns), ("ready", 0))


@tap.test
def killed_in_the_middle_of_a_pass_nothing_is_taken_for_good(rig):
    service, _ = armed(rig)
    drive = service.insert("A01", SIZE, **SLOW)
    service.wait_for("A01", "writing")
    service.daemon.kill()
    service.daemon.finish()
    service.start()
    slot = service.wait_for("A01", "ready")
    tap.equal((slot["verdict"], service.status()["armed"]), (None, None))
    service.arm("--image", "films")
    tap.equal(service.client("start", "A01").code, 0)
    service.wait_for("A01", "passed")
    tap.true(os.path.exists(drive), "it is there")


@tap.test
def auto_gives_each_drive_the_largest_image_that_fits(rig):
    service = Service(rig)
    small = service.add_image("small", 1 * MIB, seed=2)
    large = service.add_image("large", 3 * MIB, seed=3)
    service.arm("--image", "auto")
    one = service.insert("one", 2 * MIB)
    two = service.insert("two", 4 * MIB)
    service.insert("none", MIB // 2)
    tap.equal(service.wait_for("one", "passed")["image"], "small")
    tap.equal(service.wait_for("two", "passed")["image"], "large")
    tap.equal(service.wait_for("none", "refused")["verdict"], "too-small")
    tap.true(same_bytes(small, one, 1 * MIB) and same_bytes(large, two, 3 * MIB), "their images")


@tap.test
def verify_only_reads(rig):
    service = Service(rig)
    image = service.add_image("films", SIZE)
    service.arm("--image", "films", "--mode", "verify")
    good = rig.path("good")
    with open(image, "rb") as source, open(good, "wb") as target:
        target.write(source.read())
    os.chmod(good, 0o444)
    os.rename(good, service.drive("good"))
    service.insert("bad", SIZE)
    service.wait_for("good", "passed")
    tap.equal(service.wait_for("bad", "failed")["verdict"], "mismatch")
    tap.equal(os.stat(service.drive("bad")).st_mtime_ns, 0, "it was not written")


@tap.test
def the_policy_has_a_window_of_sizes(rig):
    service, _ = armed(rig, more="[policy]\nmin_size = 3M\nmax_size = 5M\n")
    service.insert("small", 2 * MIB)
    service.insert("fits", 4 * MIB)
    service.insert("big", 6 * MIB)
    tap.equal(service.wait_for("small", "refused")["verdict"], "too-small")
    tap.equal(service.wait_for("big", "refused")["verdict"], "too-big")
    service.wait_for("fits", "passed")


@tap.test
def a_dock_that_was_away_and_is_back_is_as_at_the_start(rig):
    service = Service(rig)
    service.add_image("films", SIZE)
    early = service.insert("early", SIZE)
    service.wait_for("early", "ready")
    service.arm("--image", "films")
    os.rename(service.dock, service.dock + ".away")
    service.wait_for("early", "empty")
    os.rename(service.dock + ".away", service.dock)
    service.wait_for("early", "ready")
    service.insert("late", SIZE)
    service.wait_for("late", "passed")
    tap.equal((service.slot("early")["state"], os.stat(early).st_mtime_ns), ("ready", 0))


@tap.test
def arming_by_itself_can_be_switched_off_before_it_happens(rig):
    service = Service(rig, "[policy]\narm_on_start = yes\nimage = films\n", start=False)
    service.add_image("films", SIZE)
    service.start()
    service.configure("[policy]\narm_on_start = no\nimage = films\n")
    tap.equal(service.client("reload").code, 0)
    # It would have armed before another that is started later does.
    dock = rig.path("dock2")
    os.mkdir(dock)
    config = rig.path("other.conf")
    with open(service.config, encoding="utf-8") as file:
        text = file.read()
    for old, new in (("= no", "= yes"), (service.runtime, rig.path("run2")), (service.dock, dock)):
        text = text.replace(old, new)
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    later = rig.start("--config", config, program=DAEMON)
    wait_until(lambda: "armed: films" in later.errors, "the other one is armed")
    tap.equal(service.status()["armed"], None)


@tap.test
def a_broken_master_disarms_the_rig(rig):
    service, _ = armed(rig, "--image", "films", "--mode", "write")
    service.add_image("other", SIZE, seed=2)
    with open(os.path.join(service.images, "films.img"), "r+b") as file:
        file.seek(100)
        file.write(b"x")
    service.insert("A01", SIZE)
    service.wait_for("A01", "aborted")
    wait_until(lambda: service.status()["armed"] is None, "it is disarmed")
    tap.contains(service.daemon.errors, "drivepress image verify films")
    service.insert("A02", SIZE)
    service.wait_for("A02", "ready")
    service.arm("--image", "other")
    tap.equal(service.client("start", "A02").code, 0)
    service.wait_for("A02", "passed")


@tap.test
def one_broken_master_of_several_leaves_the_others_armed(rig):
    service = Service(rig)
    service.add_image("small", MIB, seed=2)
    service.add_image("large", SIZE, seed=3)
    service.arm("--image", "auto")
    with open(os.path.join(service.images, "large.img"), "r+b") as file:
        file.seek(100)
        file.write(b"x")
    service.insert("A01", SIZE)
    service.wait_for("A01", "aborted")
    service.insert("A02", MIB)
    service.wait_for("A02", "passed")
    tap.true(service.status()["armed"] is not None, "it is armed")


@tap.test
def images_for_which_there_is_no_room_are_told_of(rig):
    service = Service(rig)
    service.add_image("i00", MIB)
    for number in range(1, 32):
        service.add_image(f"i{number:02}", MIB // 64, seed=number)

    def change_all():
        for name in os.listdir(service.images):
            if name.endswith(".img"):
                os.utime(os.path.join(service.images, name))

    service.arm("--image", "auto")
    service.insert("A01", 2 * MIB, hang_after=4096)
    service.wait_for("A01", "writing")
    change_all()
    service.arm("--image", "auto")
    tap.true("left out" not in service.daemon.errors, service.daemon.errors)
    change_all()
    service.arm("--image", "auto")
    tap.contains(service.daemon.errors, "1 images are left out")


@tap.test
def disarm_gives_up_a_catalogue_that_does_not_answer(rig):
    service = Service(rig)
    service.add_image("films", SIZE)
    service.add_image("well", SIZE)
    manifest = next(name for name in os.listdir(service.images)
                    if name.startswith("films") and not name.endswith(".img"))
    fuse = rig.fuse(["capacity=1M,hang=1"])
    os.unlink(os.path.join(service.images, manifest))
    os.symlink(fuse.path(0), os.path.join(service.images, manifest))
    arming = rig.start("arm", "--image", "films", environment={"DRIVEPRESS_SOCKET": service.socket})
    wait_until(lambda: "job.arm films" in service.daemon.errors, "it was asked")
    tap.equal(service.client("disarm").code, 0)
    arming.finish(20)
    tap.true(arming.code != 0, arming.text())
    tap.contains(arming.errors, "disarmed meanwhile")
    service.arm("--image", "well")
    service.insert("A01", SIZE)
    service.wait_for("A01", "passed")


# --- Pulling --------------------------------------------------------------------------------------


@tap.test
def a_drive_pulled_in_mid_write_is_unplugged_and_its_neighbour_goes_on(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, **SLOW)
    service.insert("A02", SIZE, **SLOW)
    service.wait_for("A01", "writing")
    service.pull("A01")
    tap.equal(service.wait_for("A01", "failed")["verdict"], "unplugged")
    service.wait_for("A02", "passed")
    service.insert("A01", SIZE)
    tap.equal(service.wait_for("A01", "passed")["verdict"], "passed")


@tap.test
def a_slot_is_empty_when_its_drive_was_pulled_after_its_verdict(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE)
    service.wait_for("A01", "passed")
    service.pull("A01")
    slot = service.wait_for("A01", "empty")
    tap.equal((slot["verdict"], slot["target"]), (None, ""))


@tap.test
def a_passed_drive_is_not_done_again_until_it_was_pulled(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE)
    service.wait_for("A01", "passed")
    done = service.client("start", "A01")
    tap.equal(done.code, 2, done.text())
    tap.contains(done.errors, "pull it")
    service.arm("--image", "films")
    tap.equal(service.slot("A01")["state"], "passed")


@tap.test
def a_failed_drive_can_be_tried_again(rig):
    service, image = armed(rig)
    drive = service.insert("A01", SIZE, flip_read_at="1M")
    tap.equal(service.wait_for("A01", "failed")["verdict"], "mismatch")
    with open(drive + ".sim", "w", encoding="ascii") as file:
        file.write("model = well again\n")
    tap.equal(service.client("start", "A01").code, 0)
    service.wait_for("A01", "passed")
    tap.true(same_bytes(image, drive, SIZE), "it holds the image")
    totals = service.status()["totals"]
    tap.equal((totals["passed"], totals["failed"]), (1, 1), "both verdicts count")


# --- Commands -------------------------------------------------------------------------------------


@tap.test
def a_drive_that_was_stopped_can_be_started_at_once(rig):
    """Its last pass still has it open then."""
    service, _ = armed(rig)
    service.insert("A01", SIZE, write_rate="1M", latency_ms="20")
    for _ in range(8):
        service.wait_for("A01", "writing")
        stop, start = service.talk(("job.stop", {"slot": "A01"}), ("job.start", {"slot": "A01"}))
        tap.true("result" in stop and "result" in start, f"{stop} {start}")
    service.wait_for("A01", "passed")
    tap.equal(service.status()["totals"], {"passed": 1, "failed": 8, "refused": 0, "aborted": 0})


@tap.test
def disarm_lets_running_passes_finish(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, **SLOW)
    service.wait_for("A01", "writing")
    tap.equal(service.client("disarm").code, 0)
    service.insert("A02", SIZE)
    service.wait_for("A02", "ready")
    service.wait_for("A01", "passed")
    done = service.client("start", "A02")
    tap.equal(done.code, 2, done.text())
    tap.contains(done.errors, "drivepress arm")


@tap.test
def stop_ends_passes_with_a_verdict(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, **SLOW)
    service.insert("A02", SIZE, **SLOW)
    service.wait_for("A02", "writing")
    tap.equal(service.client("stop", "A01").code, 0)
    tap.equal(service.wait_for("A01", "failed")["verdict"], "stopped")
    tap.equal(service.client("stop", "--all").code, 0)
    tap.equal(service.wait_for("A02", "failed")["verdict"], "stopped")
    done = service.client("stop", "A02")
    tap.equal(done.code, 2, done.text())


@tap.test
def bad_requests_say_what_to_do(rig):
    service = Service(rig)
    for arguments, code, text in (
        (("start", "A99"), 2, "slots list"),
        (("arm", "--image", "nothing"), 5, "image"),
        (("arm", "--image", "auto"), 5, "image add"),
        (("arm", "--image", "../etc/passwd"), 2, "catalogue"),
    ):
        done = service.client(*arguments)
        tap.equal(done.code, code, done.text())
        tap.contains(done.errors, text)
    tap.equal(service.status()["armed"], None)


@tap.test
def an_image_that_is_damaged_does_not_arm(rig):
    service = Service(rig)
    service.add_image("films", SIZE)
    os.truncate(os.path.join(service.images, "films.img"), MIB)
    done = service.client("arm", "--image", "films")
    tap.equal(done.code, 5, done.text())
    tap.equal(service.status()["armed"], None)


@tap.test
def without_a_daemon_the_message_says_how_to_start_it(rig):
    service = Service(rig, start=False)
    done = service.client("status")
    tap.equal(done.code, 4, done.text())
    tap.contains(done.errors, "systemctl start drivepressd")


# --- Sockets --------------------------------------------------------------------------------------


@tap.test
def who_may_only_look_cannot_change_anything(rig):
    service, _ = armed(rig)
    mode = stat.S_IMODE(os.stat(service.socket).st_mode)
    tap.equal(mode, 0o660, "the control socket's mode")
    (status, disarm) = service.talk("status.get", "job.disarm", which="status.sock")
    tap.equal(service.hello["params"]["role"], "observer")
    tap.true("result" in status, status)
    tap.equal(disarm["error"]["data"]["code"], "permission-denied")
    tap.true(service.status()["armed"] is not None, "still armed")


@tap.test
def a_client_that_closes_its_side_still_gets_its_answer(rig):
    service = Service(rig)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(service.socket)
        connection.sendall(b'{"jsonrpc":"2.0","id":7,"method":"status.get"}\n')
        connection.shutdown(socket.SHUT_WR)
        lines = connection.makefile("r", encoding="utf-8").readlines()
    tap.equal([json.loads(line).get("id") for line in lines], [None, 7])


@tap.test
def broken_requests_are_answered_and_too_long_ones_end_the_client(rig):
    service = Service(rig)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(service.socket)
        connection.sendall(b"this is not JSON\n" + b"x" * 70000 + b"\n")
        lines = connection.makefile("r", encoding="utf-8").readlines()
    tap.equal(json.loads(lines[1])["error"]["data"]["code"], "bad-json")
    tap.equal(service.status()["armed"], None, "it lives")


@tap.test
def a_client_that_closes_its_side_still_learns_what_was_armed(rig):
    service = Service(rig)
    for number in range(8):
        service.add_image(f"films{number}", MIB // 16)
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(service.socket)
            arm = {"jsonrpc": "2.0", "id": 7, "method": "job.arm", "params": {"image": "auto"}}
            connection.sendall(json.dumps(arm).encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            lines = connection.makefile("r", encoding="utf-8").readlines()
        tap.equal([json.loads(line).get("id") for line in lines], [None, 7])


@tap.test
def who_looks_learns_nothing_of_a_drives_owner(rig):
    service, _ = armed(rig)
    drive = service.insert("A01", SIZE, serial="SECRET123", **SLOW)
    slot = service.wait_for("A01", "writing")
    tap.equal((slot["target"], slot["drive"]["serial"]), (drive, "SECRET123"), "for operators")
    (status,) = service.talk("status.get", which="status.sock")
    slot = status["result"]["slots"]["A01"]
    tap.equal((slot["target"], slot["drive"]["serial"], slot["drive"]["note"]), ("", "", ""))
    tap.equal(slot["state"], "writing")


@tap.test
def who_looks_keeps_nobody_from_commanding(rig):
    service = Service(rig)
    clients = []
    try:
        for _ in range(80):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(os.path.join(service.runtime, "status.sock"))
            connection.settimeout(20)
            clients.append(connection)
        first = [json.loads(one.makefile("r", encoding="utf-8").readline()) for one in clients]
        tap.equal([one.get("method") for one in first].count("hello"), 16)
        tap.equal(service.client("stop", "--all").code, 0)
    finally:
        for connection in clients:
            connection.close()


@tap.test
def more_clients_than_there_is_room_for_are_turned_away(rig):
    service = Service(rig)
    clients = []
    try:
        for _ in range(65):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(20)
            connection.connect(service.socket)
            clients.append(connection)
        first = [json.loads(one.makefile("r", encoding="utf-8").readline()) for one in clients]
    finally:
        for connection in clients:
            connection.close()
    tap.equal([one.get("method") for one in first].count("hello"), 64)
    tap.contains(first[64]["error"]["message"], "too many clients")
    wait_until(lambda: service.client("status").code == 0, "there is room again")


@tap.test
def only_one_daemon_serves_a_directory(rig):
    service = Service(rig)
    second = rig.run("--config", service.config, program=DAEMON)
    tap.equal(second.code, 1, second.text())
    tap.contains(second.errors, "another drivepressd")
    tap.equal(service.client("status").code, 0)


@tap.test
def the_end_stops_every_pass_and_leaves_no_socket(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, **SLOW)
    service.wait_for("A01", "writing")
    service.daemon.process.send_signal(signal.SIGTERM)
    service.daemon.finish(10)
    tap.equal(service.daemon.code, 0, service.daemon.text())
    tap.contains(service.daemon.errors, "stopped")
    tap.true(not os.path.exists(service.socket), "the socket is gone")


@tap.test
def nothing_is_begun_any_more_after_the_signal_to_end(rig):
    service = Service(rig)
    service.add_image("films", SIZE)
    waiting = service.insert("waiting", SIZE)
    service.wait_for("waiting", "ready")
    service.arm("--image", "films")
    service.insert("hanging", SIZE, hang_after="1M")  # so that the end takes a moment
    service.wait_for("hanging", "writing")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(service.socket)
        lines = connection.makefile("r", encoding="utf-8")
        lines.readline()
        service.daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopped" in service.daemon.errors, "it ends")
        service.daemon.process.send_signal(signal.SIGHUP)
        start = {"jsonrpc": "2.0", "id": 1, "method": "job.start", "params": {"slot": "waiting"}}
        connection.sendall(json.dumps(start).encode() + b"\n")
        answer = json.loads(lines.readline())
    tap.equal(answer["error"]["data"]["code"], "busy", answer)
    tap.contains(answer["error"]["message"], "ending")
    service.daemon.finish(10)
    tap.equal(service.daemon.code, 0, service.daemon.text())
    tap.true("read again" not in service.daemon.errors, service.daemon.errors)
    tap.equal(os.stat(waiting).st_mtime_ns, 0, "it was not written")


@tap.test
def a_dead_daemons_sockets_do_not_keep_the_next_one_from_starting(rig):
    service = Service(rig)
    service.daemon.kill()
    service.daemon.finish()
    tap.true(os.path.exists(service.socket), "it could not clean up")
    service.start()
    tap.equal(service.client("status").code, 0)


# --- Configuration --------------------------------------------------------------------------------


@tap.test
def reloading_takes_over_what_can_be_changed_and_leaves_passes_alone(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, **SLOW)
    service.wait_for("A01", "writing")
    service.configure("[policy]\nmin_size = 3M\n")
    service.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was read again" in service.daemon.errors, "it is reloaded")
    service.insert("A02", SIZE)
    tap.equal(service.wait_for("A02", "refused")["verdict"], "too-small")
    service.wait_for("A01", "passed")


@tap.test
def a_bad_configuration_changes_nothing(rig):
    service = Service(rig)
    service.configure("[policy]\nmin_sice = 3M\n")
    done = service.client("reload")
    tap.equal(done.code, 2, done.text())
    tap.contains(done.errors, "min_sice")
    service.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "stays as it was" in service.daemon.errors, "it refused")
    tap.equal(service.client("status").code, 0)


@tap.test
def check_config_names_file_line_and_key(rig):
    service = Service(rig, "[policy]\nmode = wipe\n", start=False)
    done = rig.run("--config", service.config, "--check-config", program=DAEMON)
    tap.equal(done.code, 2, done.text())
    tap.contains(done.errors, f"{service.config}:")
    tap.contains(done.errors, "mode")
    tap.contains(done.errors, "write+verify")
    service.configure()
    done = rig.run("--config", service.config, "--check-config", program=DAEMON)
    tap.equal(done.code, 0, done.text())


@tap.test
def no_serial_number_is_logged(rig):
    service, _ = armed(rig)
    service.insert("A01", SIZE, serial="SECRET123")
    slot = service.wait_for("A01", "passed")
    tap.equal(slot["drive"]["serial"], "SECRET123")
    tap.contains(service.daemon.errors, "A01")
    tap.true("SECRET" not in service.daemon.errors, service.daemon.errors)


@tap.test
def how_a_drive_is_used_elsewhere_is_told_but_not_logged(rig):
    service, _ = armed(rig)
    drive = service.insert("aside", SIZE)
    service.wait_for("aside", "passed")
    aside = rig.path("aside")
    os.rename(drive, aside)
    service.wait_for("aside", "empty")
    device = rig.loop(aside, direct_io=False)
    os.rename(aside, service.drive("A01"))
    slot = service.wait_for("A01", "refused")
    tap.equal(slot["verdict"], "in-use")
    tap.contains(slot["drive"]["note"], device)
    service.pull("A01")
    service.wait_for("A01", "empty")
    tap.contains(service.daemon.errors, "A01: refused: in-use")
    tap.true(device not in service.daemon.errors, service.daemon.errors)


tap.main()
