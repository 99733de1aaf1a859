# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny test harness that speaks TAP, for the integration tests.

    import tap

    @tap.test
    def writes_a_file(rig): ...

    tap.main()

Each test gets a rig of its own (rig.py), which is taken down before the next one begins. A test
fails by any exception, by one of the checks below, or when it takes longer than it may.
"""

import signal
import sys
import traceback

from rig import Rig

_tests = []


class Failure(Exception):
    """What was expected did not happen."""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


class TimeUp(BaseException):
    """The test takes longer than it may. Not an Exception, so that nothing on the way eats it."""


def test(function):
    """Decorator: makes a function of one argument, the rig, a test. Its name is the test's."""
    _tests.append(function)
    return function


def skip(reason):
    raise Skip(reason)


def equal(actual, expected, what=""):
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, got {actual!r}")


def true(condition, what):
    if not condition:
        raise Failure(what)


def contains(text, part, what=""):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in {text!r}")


def _run(function):
    """Returns None, or what is to be said after "not ok"."""
    try:
        with Rig() as rig:
            function(rig)
    except Failure as failure:
        return str(failure)
    except TimeUp:
        return "took too long\n" + traceback.format_exc()
    except Skip:
        raise
    except Exception:  # any other is a failure of this test and of no other
        return traceback.format_exc()
    return None


def _time_up(_signal, _frame):
    raise TimeUp


def main(seconds_max=60):
    """Runs every test, or those whose names are given as arguments, and ends the program."""
    chosen = [f for f in _tests if len(sys.argv) == 1 or f.__name__ in sys.argv[1:]]
    failed = 0
    signal.signal(signal.SIGALRM, _time_up)
    print(f"1..{len(chosen)}", flush=True)
    for number, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
        signal.alarm(seconds_max)
        try:
            trouble = _run(function)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
            continue
        finally:
            signal.alarm(0)
        if trouble is None:
            print(f"ok {number} - {name}", flush=True)
        else:
            failed += 1
            for line in trouble.splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)
