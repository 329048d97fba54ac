"""What nobody hopes for: services that flood, die or never come, homes that are none, words that are no text."""
import json
import shutil
import socket
import time

import pytest

from parts import BUILD, ROLES

REAL = BUILD / "src"


@pytest.fixture
def pylon(make_pylon):
    return make_pylon("start", [])


def tree_of(pylon, **scripts):
    """A build tree beside the real one in which some services are shell scripts; $REAL is the real program."""
    tree = pylon.home / "tree"
    for role in ROLES:
        (tree / role).mkdir(parents=True)
        program = tree / role / f"pylon-{role}"
        if role in scripts:
            program.write_text(f"#!/bin/bash\nREAL={REAL}/{role}/pylon-{role}\n{scripts[role]}\n")
            program.chmod(0o755)
        else:
            program.symlink_to(REAL / role / f"pylon-{role}")
    (tree / "cli").mkdir()
    shutil.copy(REAL / "cli/pylon", tree / "cli/pylon")
    before = pylon.command
    pylon.command = lambda *args, **more: [tree / "cli/pylon" if str(a).endswith("src/cli/pylon") else a
                                           for a in before(*args, **more)]


def control(pylon, text, seconds=10):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(str(pylon.base / "control.sock"))
        s.sendall(text)
        answer = b""
        while more := s.recv(4096):
            answer += more
    return json.loads(answer)


def test_a_service_that_floods_the_log_is_in_nobodys_way(pylon):
    tree_of(pylon, host="for i in 1 2 3; do yes >&2 & done; exec $REAL \"$@\"")  # they end when nobody reads
    pylon.start()
    began = time.monotonic()
    for _ in range(5):
        assert control(pylon, b'"Ping"\n') == "Pong"
    assert time.monotonic() - began < 2
    pylon.run("stop", seconds=30)


def test_a_service_that_ends_at_once_is_not_started_in_a_storm(pylon):
    count = pylon.home / "count"
    tree_of(pylon, host=f"echo >> {count}; [ -e {count}.end ] && exit 0; exec $REAL \"$@\"")
    pylon.start()
    (pylon.home / "count.end").touch()
    with socket.socket(socket.AF_UNIX) as s:  # somebody waits for it
        pylon.kill("host")
        s.connect(str(pylon.base / "run/host.sock"))
        began = len(count.read_text())
        time.sleep(2)
        assert len(count.read_text()) - began < 10
