"""Fixtures. PYLON_WAYS names the ways to start Pylon that can be had here: "start" anywhere, "system" and
"user" inside the testbed (see inside.sh)."""
import os
import pathlib
import re
import tempfile

import pytest

from parts import NODE, WAYS, Relay


def pytest_generate_tests(metafunc):
    if "way" in metafunc.fixturenames:
        metafunc.parametrize("way", os.environ.get("PYLON_WAYS", "start").split(","))


def pytest_sessionstart(session):
    if not (NODE / "node_modules").is_dir():
        pytest.exit(f"{NODE}/node_modules is not there: tools/check installs it with npm ci", 1)


@pytest.fixture
def tmp_path():
    """Instead of pytest's own, which is too long under pytest-xdist: the path of a socket has 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="pylon-", ignore_cleanup_errors=True) as path:
        yield pathlib.Path(path)


@pytest.fixture
def relay(tmp_path):
    """A relay that is not ours."""
    one = Relay(tmp_path)
    yield one
    one.kill()


@pytest.fixture
def second_relay(tmp_path):
    one = Relay(tmp_path, "second-relay")
    yield one
    one.kill()


@pytest.fixture
def make_pylon(tmp_path, request):
    """make_pylon("start", [relay.url]): configured, initialised, not started. Stopped at the end."""
    made = []
    for other in {"relay", "second_relay"} & set(request.fixturenames):
        request.getfixturevalue(other)  # it outlives Pylon, which else waits to tell it goodbye

    def make(way, relays, more="", init=True, env=None):
        pylon = WAYS[way](tmp_path, relays, more, env)
        made.append(pylon)
        if init:
            pylon.init()
        return pylon

    yield make
    for pylon in made:
        if request.node.stash.get(FAILED, False):
            print(f"---- log of Pylon ----\n{pylon.log()[-20000:]}")
        pylon.stop(expect=None)
        log = pylon.log()
        pylon.remove()
        found = re.search(r"runtime error: |ERROR: \w+Sanitizer", log)
        assert not found, log[max(0, found.start() - 1000):found.start() + 10000]


FAILED = pytest.StashKey()


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        item.stash[FAILED] = True


@pytest.fixture
def pylon(way, relay, make_pylon):
    """Pylon at one relay that is not ours, online."""
    one = make_pylon(way, [relay.url])
    one.start()
    return one
