"""pylon-signer on its private socket: who may do what, how words go in and out, what is on disk after a
kill. It is started as systemd would: with its listening socket and nothing else."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import asker
from parts import BUILD

NAME = "com.openagents.Pylon1.Signer"
ERROR = "com.openagents.Pylon1.Error."
ZOO = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"
ZOO_PROVIDER = "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd"
ZOO_BUYER = "83581a0215fb60d08683d2dabecf29ef2a3e69e65103fb5808014ebb6dc74e35"


class Signer:
    def __init__(self, home):
        self.data = home / ".openagents/pylon"
        self.file = self.data / "identity.mnemonic"
        self.path = home / "signer.sock"
        self.home = home
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"]}
        self.data.mkdir(parents=True, mode=0o700)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.askers = []
        self.process = None
        self.bus = None

    def start(self, **env):
        fd = self.listener.fileno()
        self.process = subprocess.Popen(
            ["bash", "-c", f'export LISTEN_PID=$$; exec "$@" 3<&{fd}', "bash", BUILD / "src/signer/pylon-signer"],
            pass_fds=[fd], env={**self.env, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "signer", **env})
        self.bus = asker.connect(self.path)
        return self

    def stop(self, how=signal.SIGTERM):
        for process in self.askers:
            process.stdin.close()
            process.wait()
            process.stdout.close()
        self.askers = []
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def restart(self, **env):
        self.stop()
        return self.start(**env)

    def ask(self, method, signature="", arguments=(), fds=()):
        return asker.ask(self.bus, NAME, method, signature, arguments, fds)

    def generate(self, key="provider", n_words=12, replace=False):
        """What came back, and the words that came through the pipe."""
        out, into = os.pipe()
        answer = self.ask("Generate", "subh", (key, n_words, replace, 0), [into])
        os.close(into)
        with os.fdopen(out) as pipe:
            return answer, pipe.read()

    def import_words(self, words, key="provider", replace=False):
        out, into = os.pipe()
        os.write(into, words.encode())
        os.close(into)
        answer = self.ask("Import", "sbh", (key, replace, 0), [out])
        os.close(out)
        return answer

    def role(self, name):
        """A function that asks as another service: the copy of an interpreter under its name."""
        program = self.home / f"pylon-{name}"
        if not program.exists():
            shutil.copy(os.path.realpath("/usr/bin/python3"), program)
        process = subprocess.Popen([program, asker.__file__, self.path], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.askers.append(process)

        def ask(method, signature, *arguments):
            process.stdin.write(json.dumps([NAME, method, signature, arguments]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        return ask


@pytest.fixture
def signer(tmp_path):
    one = Signer(tmp_path)
    yield one.start()
    one.stop()


def draft(kind, content="hello"):
    return json.dumps({"kind": kind, "created_at": 1700000000, "tags": [], "content": content})


def test_made_words_come_through_the_pipe_and_are_kept_for_the_owner_alone(signer):
    answer, words = signer.generate()
    assert len(words.split()) == 12 and words.endswith("\n")
    assert signer.file.read_text() == words
    assert stat.S_IMODE(signer.file.stat().st_mode) == 0o600
    pubkey = answer["ok"][0]
    assert len(pubkey) == 64 and signer.ask("PublicKey", "s", ("provider",)) == {"ok": (pubkey,)}
    (keys,) = signer.ask("Keys")["ok"]
    assert [name for name, _ in keys] == ["provider", "buyer", "wallet"] and keys[0][1] == pubkey != keys[1][1]
    assert signer.restart().ask("PublicKey", "s", ("provider",)) == {"ok": (pubkey,)}


@pytest.mark.parametrize("n_words", [15, 18, 21, 24])
def test_longer_mnemonics_can_be_ordered(signer, n_words):
    assert len(signer.generate(n_words=n_words)[1].split()) == n_words


def test_a_key_is_never_overwritten_by_accident(signer):
    _, words = signer.generate()
    answer, more = signer.generate()
    assert answer["error"] == ERROR + "KeyExists" and str(signer.file) in answer["text"] and more == ""
    assert signer.import_words(ZOO)["error"] == ERROR + "KeyExists"
    assert signer.file.read_text() == words
    assert signer.import_words(ZOO, replace=True) == {"ok": (ZOO_PROVIDER,)}
    (kept,) = signer.data.glob("identity.mnemonic.bak-*")
    assert kept.read_text() == words


def test_imported_words_give_the_keys_of_nip_06(signer):
    assert signer.import_words(f"  {ZOO.upper()}\n\n") == {"ok": (ZOO_PROVIDER,)}
    assert signer.ask("PublicKey", "s", ("buyer",)) == {"ok": (ZOO_BUYER,)}
    assert signer.file.read_text() == ZOO + "\n"


@pytest.mark.parametrize("words, text", [
    (ZOO.replace("zoo", "zo0", 1), "at word 1"),
    (ZOO + " zoo", "12, 15, 18, 21 or 24"),
    (ZOO.replace("wrong", "zoo"), "checksum"),
    ("", "12, 15, 18, 21 or 24"),
    ("zoo " * 1000, "too long"),
])
def test_words_that_are_no_mnemonic_are_refused(signer, words, text):
    answer = signer.import_words(words)
    assert answer["error"] == ERROR + "BadInput" and text in answer["text"]
    assert not signer.file.exists()


def export_words(signer, key, passkey):
    """The answer, and the parcel that came through the pipe."""
    (key_out, key_in), (out, into) = os.pipe(), os.pipe()
    os.write(key_in, passkey)
    os.close(key_in)
    answer = signer.ask("Export", "shh", (key, 0, 1), [key_out, into])
    os.close(key_out)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        return answer, pipe.read()


def import_sealed(signer, key, pubkey, text):
    out, into = os.pipe()
    os.write(into, text)
    os.close(into)
    answer = signer.ask("ImportSealed", "ssh", (key, pubkey, 0), [out])
    os.close(out)
    return answer


def test_the_words_of_an_agent_leave_encrypted_and_come_back(signer):
    answer, words = signer.generate("agent:ada")
    pubkey, passkey = answer["ok"][0], bytes(range(32))
    answer, parcel = export_words(signer, "agent:ada", passkey)
    assert answer == {"ok": (pubkey,)} and not any(word in parcel for word in words.encode().split() if len(word) > 3)
    assert import_sealed(signer, "agent:ada", pubkey, passkey + parcel)["error"] == ERROR + "KeyExists"
    assert import_sealed(signer, "agent:bob", pubkey, bytes(32) + parcel)["error"] == ERROR + "BadInput"
    assert import_sealed(signer, "agent:bob", "ab" * 32, passkey + parcel)["error"] == ERROR + "BadInput"
    assert import_sealed(signer, "agent:bob", pubkey, passkey + parcel) == {"ok": (pubkey,)}
    assert (signer.data / "keys/bob.mnemonic").read_text() == words


def test_words_are_exported_of_agents_and_for_the_owner_alone(signer):
    signer.generate()
    signer.generate("agent:ada")
    answer, parcel = export_words(signer, "provider", bytes(32))
    assert answer["error"] == ERROR + "NotAllowed" and not parcel
    answer, parcel = export_words(signer, "agent:ada", bytes(31))
    assert answer["error"] == ERROR + "BadInput" and not parcel
    assert export_words(signer, "agent:none", bytes(32))[0]["error"] == ERROR + "NoKey"


def test_a_slow_pipe_makes_nobody_else_wait(signer):
    signer.import_words(ZOO, "agent:ada")
    out, into = os.pipe()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(
        asker.ask(asker.connect(signer.path), NAME, "Import", "sbh", ("provider", False, 0), [out])))
    asking.start()
    os.write(into, ZOO[:10].encode())
    assert signer.ask("PublicKey", "s", ("agent:ada",)) == {"ok": (ZOO_PROVIDER,)}
    os.write(into, ZOO[10:].encode())
    os.close(into)
    asking.join()
    os.close(out)
    assert answers == [{"ok": (ZOO_PROVIDER,)}]


def test_words_go_through_pipes_only(signer, tmp_path):
    with open(tmp_path / "words", "w+") as file:
        file.write(ZOO)
        file.seek(0)
        answer = signer.ask("Import", "sbh", ("provider", False, 0), [file.fileno()])
        assert answer["error"] == ERROR + "BadInput" and "pipe" in answer["text"]
        answer = signer.ask("Generate", "subh", ("provider", 12, False, 0), [file.fileno()])
        assert answer["error"] == ERROR + "BadInput" and "pipe" in answer["text"]
    assert not signer.file.exists()


def test_without_words_given_away_there_is_no_key(signer):
    out, into = os.pipe()
    os.close(out)
    answer = signer.ask("Generate", "subh", ("provider", 12, False, 0), [into])
    os.close(into)
    assert answer["error"] == ERROR + "BadInput" and not signer.file.exists()


def test_the_provider_signs_what_the_table_says_and_one_bad_draft_fails_alone(signer):
    signer.import_words(ZOO)
    ask = signer.role("provider")
    (results,) = ask("Sign", "sas", "provider", [draft(7000), draft(1), "rubbish", draft(6970, "ü\ufdd0")])["ok"]
    assert [code for code, _ in results] == [0, -1, -74, 0]
    assert "kind" in results[1][1] and results[2][1]
    event = json.loads(results[3][1])
    assert (event["kind"], event["pubkey"], event["content"]) == (6970, ZOO_PROVIDER, "ü\ufdd0")
    assert len(event["sig"]) == 128

    refused = ERROR + "NotAllowed"
    assert ask("Sign", "sas", "buyer", [draft(5970)])["error"] == refused
    assert ask("PublicKey", "s", "buyer")["error"] == refused
    assert ask("Keys", "")["error"] == refused
    assert ask("Sign", "sas", "provider", [draft(7000)] * 1025)["error"] == ERROR + "Busy"
    (results,) = ask("Sign", "sas", "provider", [draft(7000)] * 1024)["ok"]
    assert len(results) == 1024 and all(code == 0 for code, _ in results)
    assert ask("Sign", "sas", "provider", []) == {"ok": [[]]}


def test_the_relay_logs_in_with_any_key_and_does_nothing_else(signer):
    signer.import_words(ZOO)
    ask = signer.role("relay")
    for key in ("provider", "buyer"):
        (results,) = ask("Sign", "sas", key, [draft(22242), draft(7000), draft(1)])["ok"]
        assert [code for code, _ in results] == [0, -1, -1]
    (results,) = ask("Encrypt", "sa(sss)", "provider", [[ZOO_BUYER, "nip44", "hello"]])["ok"]
    assert results[0][0] == -1


def test_provider_and_host_write_to_each_other(signer):
    signer.import_words(ZOO)
    provider, host = signer.role("provider"), signer.role("host")
    (sealed,) = provider("Encrypt", "sa(sss)", "provider", [
        [ZOO_BUYER, "nip44", "new"], [ZOO_BUYER, "nip04", "old"], [ZOO_BUYER, "rot13", "x"]])["ok"]
    assert [code for code, _ in sealed] == [0, 0, -22]
    (opened,) = host("Decrypt", "sa(ss)", "buyer", [
        [ZOO_PROVIDER, sealed[0][1]], [ZOO_PROVIDER, "damaged"], [ZOO_PROVIDER, sealed[1][1]]])["ok"]
    assert [opened[0], opened[2]] == [[0, "nip44", "new"], [0, "nip04", "old"]] and opened[1][0] == -74
    (results,) = host("Sign", "sas", "buyer", [draft(5970), draft(5), draft(6970)])["ok"]
    assert [code for code, _ in results] == [0, 0, -1]


def test_agents_write_to_each_other_in_wraps_and_nobody_else_opens_them(signer):
    ada, bob = (signer.generate(f"agent:{name}")[0]["ok"][0] for name in ("ada", "bob"))
    signer.import_words(ZOO)
    host, provider = signer.role("host"), signer.role("provider")
    message, note = draft(14, "psst \U0001f999"), draft(1)

    answers = host("Wrap", "sa(ss)", "agent:ada", [[bob, message], ["", message], [bob, note], ["npub1", message]])["ok"][0]
    assert [code == 0 for code, _ in answers] == [True, True, False, False]
    theirs, own = (text for _, text in answers[:2])
    assert ada not in theirs
    assert json.loads(theirs)["kind"] == 1059 and json.loads(theirs)["tags"] == [["p", bob]]

    answers = host("Unwrap", "sas", "agent:bob", [theirs, own, "{}"])["ok"][0]
    assert [code == 0 for code, _ in answers] == [True, False, False]
    rumor = json.loads(answers[0][1])
    assert (rumor["pubkey"], rumor["content"], rumor["kind"]) == (ada, "psst \U0001f999", 14)
    assert "sig" not in rumor
    assert json.loads(host("Unwrap", "sas", "agent:ada", [own])["ok"][0][0][1]) == rumor

    signer.import_words(ZOO)
    assert provider("Wrap", "sa(ss)", "provider", [[bob, message]])["ok"][0][0][0] == -1
    assert provider("Unwrap", "sas", "agent:bob", [theirs])["error"] == ERROR + "NotAllowed"
    assert signer.ask("Unwrap", "sas", ("agent:bob", [theirs]))["ok"][0][0][0] == -1


def test_the_owner_manages_keys_but_does_not_sign(signer):
    signer.import_words(ZOO)
    (results,) = signer.ask("Sign", "sas", ("provider", [draft(7000)]))["ok"]
    assert results[0][0] == -1
    for role in ("provider", "relay", "host", "store"):
        assert signer.role(role)("Keys", "")["error"] == ERROR + "NotAllowed"


def test_a_missing_key_is_named_and_can_be_asked_for_again(signer):
    answer = signer.role("provider")("Sign", "sas", "provider", [draft(7000)])
    assert answer["error"] == ERROR + "NoKey" and str(signer.file) in answer["text"]
    signer.import_words(ZOO)
    assert "ok" in signer.role("provider")("Sign", "sas", "provider", [draft(7000)])


def test_bad_files_are_told_with_the_remedy(signer):
    signer.import_words(ZOO)
    signer.file.chmod(0o644)
    answer = signer.restart().ask("PublicKey", "s", ("provider",))
    assert answer["error"] == ERROR + "Damaged" and "chmod 600" in answer["text"] and str(signer.file) in answer["text"]
    signer.file.chmod(0o600)
    assert "ok" in signer.ask("PublicKey", "s", ("provider",))
    signer.file.write_text(ZOO[:-6])
    answer = signer.restart().ask("PublicKey", "s", ("provider",))
    assert answer["error"] == ERROR + "Damaged" and signer.file.read_text() == ZOO[:-6]


def test_with_a_wrapping_key_the_words_are_not_on_disk(signer, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "pylon-wrapping-key").write_bytes(bytes(range(32)))
    signer.restart(CREDENTIALS_DIRECTORY=str(credentials))
    answer, words = signer.generate()
    assert words.split()[0].encode() not in signer.file.read_bytes()
    again = signer.restart(CREDENTIALS_DIRECTORY=str(credentials)).ask("PublicKey", "s", ("provider",))
    assert again == answer
    answer = signer.restart().ask("PublicKey", "s", ("provider",))
    assert answer["error"] == ERROR + "Damaged" and "sealed" in answer["text"]


def test_a_wrapping_key_of_another_size_stops_the_start(tmp_path):
    (tmp_path / "pylon-wrapping-key").write_bytes(b"short")
    done = subprocess.run([BUILD / "src/signer/pylon-signer"], capture_output=True, text=True, timeout=20,
                          env={"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.returncode == 78 and "pylon-wrapping-key" in done.stderr


def test_a_kill_while_a_key_is_made_leaves_no_file_or_a_whole_one(signer):
    chance = random.Random(1)
    seen = set()
    began = time.monotonic()
    assert "ok" in signer.generate()[0]
    usual = time.monotonic() - began
    signer.file.unlink()
    signer.restart()
    for _ in range(30):
        out, into = os.pipe()
        bus = asker.connect(signer.path)
        asking = threading.Thread(target=asker.ask, args=(
            bus, NAME, "Generate", "subh", ("provider", 12, False, 0), [into]))
        asking.start()
        killer = threading.Timer(chance.uniform(0, 2 * usual), signer.process.kill)
        killer.start()
        killer.join()
        signer.process.wait()
        asking.join()
        os.close(into)
        with os.fdopen(out) as pipe:
            words = pipe.read()

        signer.restart()
        answer = signer.ask("PublicKey", "s", ("provider",))
        if signer.file.exists():
            assert signer.file.read_text() == words and "ok" in answer
            signer.file.unlink()
        else:
            assert answer["error"] == ERROR + "NoKey"
        assert list(signer.data.glob("*.tmp")) == []
        seen.add("ok" in answer)
        signer.restart()
    assert seen == {True, False}


def test_no_core_is_dumped_and_secrets_are_locked_into_memory(signer):
    assert "ok" in signer.import_words(ZOO)
    limits = pathlib.Path(f"/proc/{signer.process.pid}/limits").read_text()
    (line,) = [one for one in limits.splitlines() if one.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    pages = pathlib.Path(f"/proc/{signer.process.pid}/smaps").read_text()
    if "libasan" in pages:
        pytest.skip("the address sanitizer makes mlock() do nothing")
    assert any(" dd" in one and " lo" in one for one in pages.splitlines() if one.startswith("VmFlags"))
