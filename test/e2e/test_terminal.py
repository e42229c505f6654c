"""What a person sees on a terminal: prompts that do not echo, a bar that moves and never goes back."""
import os
import pty
import re
import select
import time

import pytest

from party_home import TRUCE, Place

PASSPHRASE = "correct horse battery"


@pytest.fixture
def place():
    place = Place()
    yield place
    place.remove()


def on_terminal(place, words, answers, seconds=120):
    """The screen and the exit status of a command on a terminal; each prompt gets the next answer."""
    environment = {name: value for name, value in place.environment().items() if name != "TRUCE_PASSPHRASE_FILE"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(TRUCE, [str(TRUCE), *map(str, words)], {**environment, "TERM": "xterm"})
    screen, answered, answers, end = b"", 0, list(answers), time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            screen += os.read(terminal, 65536)
        except OSError:  # the child closed its end
            break
        if answers and screen[answered:].endswith(b": "):
            answered = len(screen)
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    return screen.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_passphrase_is_asked_twice_and_not_shown(place):
    screen, status = on_terminal(place, ["party", "init", "alpha"], [PASSPHRASE, PASSPHRASE + "!"])
    assert status != 0 and "passphrase.mismatch" in screen
    screen, status = on_terminal(place, ["party", "init", "alpha"], [PASSPHRASE, PASSPHRASE])
    assert status == 0 and "fingerprint" in screen
    assert PASSPHRASE not in screen


def test_the_bar_of_a_sealing_moves_and_never_goes_back(place):
    on_terminal(place, ["party", "init", "alpha"], [PASSPHRASE, PASSPHRASE])
    sql = "SELECT i AS id, md5(i::VARCHAR) AS noise FROM range(4000000) t(i)"
    screen, status = on_terminal(place, ["dataset", "seal", "numbers", "--sql", sql, "--entity", "none"], [PASSPHRASE])
    assert status == 0, screen
    done = [int(rows) for rows in re.findall(r"sealing rows +\[[#.]+\] (\d+) / 4000000", screen)]
    assert done == sorted(done)
    assert done[-1] == 4000000
    assert len(set(done)) >= 3, screen
