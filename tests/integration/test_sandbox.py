"""What the shipped system units forbid: their program is replaced by probe.py, which tries it. Needs the testbed."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import probe

pytestmark = pytest.mark.skipif("system" not in os.environ.get("PYLON_WAYS", ""), reason="needs the testbed: inside.sh")

PYTHON = os.path.realpath("/usr/bin/python3")
FOLDER = pathlib.Path("/run/pylon-probe")
ANYWHERE = {
    "read_home": "EACCES",
    "write_outside": "EROFS",
    "write_own_state": "",
    "look_at_others": "ENOENT",
    "look_at_kernel": "ENOENT",
    "run_program": "EACCES",
    "write_and_execute": "EPERM",
    "make_setuid_file": "EPERM",
    "make_namespace": "EPERM",
}
OFFLINE = {**ANYWHERE, "network": "EAFNOSUPPORT", "netlink": "EAFNOSUPPORT", "change_priority": "EPERM"}
FORBIDDEN = {
    "store": OFFLINE,
    "signer": OFFLINE,
    "host": OFFLINE,
    "relay": {**ANYWHERE, "network": "", "change_priority": "EPERM"},
    "wallet": {**ANYWHERE, "network": "", "change_priority": "EPERM"},
    "provider": {**ANYWHERE, "network": "", "change_priority": ""},
}
# An agent's mind may be any program that is installed; what it could reach is not there.
AGENT = "agent@probe"
FORBIDDEN[AGENT] = {
    **OFFLINE, "run_program": "", "run_own_program": "EACCES", "write_own_state": "EROFS", "local_socket": "EAFNOSUPPORT",
    "look_at_sockets": "ENOENT", "look_at_bus": "ENOENT", "look_at_state": "EACCES", "look_at_settings": "EACCES",
    "signal_others": "EPERM"}


@pytest.fixture
def probe_program():
    FOLDER.mkdir(exist_ok=True)
    shutil.copy(probe.__file__, FOLDER)
    os.makedirs(probe.OPEN_FOLDER, exist_ok=True)
    os.chmod(probe.OPEN_FOLDER, 0o777)
    subprocess.run(["systemctl", "stop", "pylon.target"], check=True, timeout=60)
    yield FOLDER / "probe.py"
    subprocess.run(["systemctl", "stop", *(f"pylon-{role}.socket" for role in FORBIDDEN)], check=True, timeout=60)
    shutil.rmtree(FOLDER)


@pytest.fixture
def replace_program(probe_program):
    """The unit as it is shipped, but for what it runs."""
    made = []

    def replace(role, attempts):
        folder = pathlib.Path(f"/run/systemd/system/pylon-{role}.service.d")
        made.append(folder)
        folder.mkdir(parents=True)
        (folder / "probe.conf").write_text("\n".join([
            "[Service]", "Type=oneshot", "Restart=no", f"ExecPaths={PYTHON}", f"BindReadOnlyPaths={FOLDER}", "ExecStopPost=", "ExecStart=",
            f"ExecStart={PYTHON} -I {probe_program} {' '.join(attempts)}", f"StandardOutput=truncate:{FOLDER}/{role}", ""]))
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)
        subprocess.run(["systemctl", "start", f"pylon-{role}.socket", f"pylon-{role}.service"], check=True, timeout=60)
        return json.loads((FOLDER / role).read_text())

    yield replace
    for folder in made:
        shutil.rmtree(folder)
    subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)


@pytest.mark.parametrize("role", FORBIDDEN)
def test_what_the_unit_forbids_does_not_work(role, replace_program):
    assert replace_program(role, FORBIDDEN[role]) == FORBIDDEN[role]


def test_without_the_unit_the_same_account_could_do_all_of_it(probe_program):
    done = subprocess.run(["setpriv", "--reuid=pylon-store", "--regid=pylon-store", "--init-groups", PYTHON, "-I",
                           probe_program, *OFFLINE], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == dict.fromkeys(OFFLINE, "")
