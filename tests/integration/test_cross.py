"""Our formats against nostr-tools, in both directions: node/cross.mjs drives tool-nostr."""
import subprocess

import pytest

from parts import BUILD, NODE


@pytest.mark.parametrize("topic", ["bolt11", "events", "nip04", "nip06", "nip10", "nip13", "nip19", "nip44", "nip59"])
def test_nostr_tools_and_pylon_read_each_other(topic):
    done = subprocess.run(["node", NODE / "cross.mjs", BUILD / "tests/integration/tool-nostr", topic],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
