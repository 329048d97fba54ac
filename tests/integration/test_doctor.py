"""pylon doctor: all is well where it is, and each thing that is wrong is found, with what to do about it."""
import json
import os
import sqlite3
import time

import pytest

from parts import free_port, wait_for


@pytest.fixture
def pylon(make_pylon, relay):
    return make_pylon("start", [relay.url])


def doctor(pylon, expect):
    before = time.monotonic()
    report = json.loads(pylon.run("doctor", "--json", expect=expect, seconds=90).stdout)
    assert time.monotonic() - before < 60
    assert report["healthy"] == (expect == 0)
    for finding in report["findings"]:
        assert list(finding) == ["area", "subject", "verdict", "text", "remedy"]
        assert finding["verdict"] != "failure" or finding["remedy"], finding
    return report["findings"]


def found(findings, area, subject=None):
    return [(f["verdict"], f["text"]) for f in findings if f["area"] == area and (subject is None or f["subject"] == subject)]


def test_a_pylon_that_is_well_is_told_so(pylon, relay):
    pylon.start()
    wait_for(lambda: pylon.json("status")["daemon"]["running"], 10, "it is up")
    findings = doctor(pylon, 0)
    assert {"config", "files", "boundary", "identity", "database", "relay", "backend", "wallet"} <= {f["area"] for f in findings}
    assert found(findings, "relay", relay.url) == [("ok", "It took an event of ours and said so.")]
    assert found(findings, "database")[0][1].startswith("The database is whole")
    text = pylon.run("doctor").stdout
    assert "signs, and the signature is right" in text and "FAILURE" not in text


def test_what_is_not_running_is_a_failure_with_a_remedy(pylon):
    findings = doctor(pylon, 1)
    assert found(findings, "services") == [("failure", "Pylon is not running.")]
    assert "pylon start" in pylon.run("doctor", expect=1).stdout


def test_secrets_that_others_may_read_are_found(pylon):
    pylon.start()
    os.chmod(pylon.base / "identity.mnemonic", 0o644)
    findings = doctor(pylon, 1)
    assert ("failure", "Others may read it (mode 644).") in found(findings, "files")
    remedy = next(f["remedy"] for f in findings if f["verdict"] == "failure")
    assert remedy == f"chmod 600 '{pylon.base / 'identity.mnemonic'}'"


def test_a_relay_that_is_away_is_found(make_pylon, relay):
    away = f"ws://127.0.0.1:{free_port()}"
    pylon = make_pylon("start", [relay.url, away])
    pylon.start()
    findings = doctor(pylon, 1)
    assert found(findings, "relay", relay.url)[0][0] == "ok"
    assert found(findings, "relay", away)[0][0] == "failure"


def test_a_model_server_that_is_configured_and_away_is_found(make_pylon, relay):
    pylon = make_pylon("start", [relay.url], f'[[backend]]\nname = "attic"\ntype = "openai"\nurl = "http://127.0.0.1:{free_port()}"\n')
    pylon.start()
    findings = doctor(pylon, 1)
    assert found(findings, "backend", "attic")[0][0] == "failure"
    assert "does not answer" in found(findings, "backend", "attic")[0][1]


def test_selling_without_a_wallet_is_found(make_pylon, relay):
    pylon = make_pylon("start", [relay.url], '[wallet]\ndriver = "none"\n')
    pylon.start()
    assert found(doctor(pylon, 0), "wallet")[0][0] == "note"
    config = pylon.config.read_text()
    pylon.config.write_text(config.replace("require_payment = false", "require_payment = true"))
    assert "require_payment = true" in pylon.config.read_text()
    assert found(doctor(pylon, 1), "wallet")[0][0] == "failure"


def test_a_damaged_database_is_found(pylon):
    """Only its table of settings' root is broken: nobody has noticed yet."""
    pylon.start()
    pylon.stop()
    with sqlite3.connect(pylon.database("store")) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        page, size = db.execute("select rootpage from sqlite_schema where name = 'tick_history'").fetchone()[0], \
            db.execute("pragma page_size").fetchone()[0]
    with open(pylon.database("store"), "r+b") as f:
        f.seek((page - 1) * size)
        f.write(b"\xff" * 64)
    pylon.start()
    findings = doctor(pylon, 1)
    assert found(findings, "database")[0][0] == "failure" and "damaged" in found(findings, "database")[0][1]
    pylon.stop()


def test_a_configuration_with_a_mistake_is_found(pylon):
    pylon.start()
    pylon.config.write_text(pylon.config.read_text() + "\n[provider]\nqueue_mix = 3\n")
    assert ("warning" in [v for v, _ in found(doctor(pylon, 0), "config")])
