"""What nobody hopes for: services that flood, die or never come, homes that are none, words that are no text."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from parts import BUILD, ROLES, customer, mining_job, wait_for

REAL = BUILD / "src"


@pytest.fixture
def pylon(make_pylon):
    return make_pylon("start", [])


def tree_of(pylon, **scripts):
    """A build tree beside the real one in which some services are shell scripts; $REAL is the real program."""
    tree = pylon.home / "tree"
    for role in (*ROLES, "agent"):
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


def test_start_says_why_the_provider_does_not_come_online(pylon):
    (pylon.base / "identity.mnemonic").write_text("abandon abandon\n")
    done = pylon.run("start", "-d", expect=None)
    assert done.returncode != 0
    assert "identity.mnemonic" in done.stderr
    assert not (pylon.base / "pylon.pid").exists()


def shell(pylon, redirection, *args):
    return subprocess.run(["bash", "-c", f'"$@" {redirection}', "sh", *pylon.command(*args)], capture_output=True,
                          timeout=60, check=False)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("args", [["config", "show"], ["config", "show", "--json"], ["--help"], ["--version"]])
def test_what_could_not_be_printed_is_no_success(pylon, redirection, args):
    done = shell(pylon, redirection, *args)
    assert done.returncode == 1
    assert b"standard output" in done.stderr


def test_a_backup_is_not_what_is_printed_into(pylon):
    pylon.start()
    copy = pylon.home / "copy.db"
    shell(pylon, ">&-", "store", "backup", copy)
    assert copy.read_bytes().startswith(b"SQLite format 3")
    assert b"copied" not in copy.read_bytes()


@pytest.mark.parametrize("args", [["job", "show"], ["job", "submit"], ["job", "list", "--state"], ["nonsense"]])
def test_an_argument_that_is_no_text_is_told_so(pylon, args):
    done = pylon.run(*args, b"\xff\xfeabcdefgh", "--json", expect=2)
    assert json.loads(done.stdout)["error"]["name"] == "Usage"


def test_a_home_that_is_no_text_does_not_spoil_the_document(pylon):
    home = str(pylon.home).encode() + b"/\xff"
    done = subprocess.run([BUILD / "src/cli/pylon", "--user", "config", "check", "--json"],
                          env={b"HOME": home}, capture_output=True, check=True)
    assert json.loads(done.stdout)["valid"]


def test_a_group_alone_wants_its_second_word(pylon):
    done = pylon.run("job", "--json", expect=2)
    assert "second word: list, " in json.loads(done.stdout)["error"]["message"]
    assert "\n  job list" in pylon.run("job", "--help").stdout


def test_more_bits_than_an_id_has_are_not_ordered(pylon):
    assert "256" in pylon.run("job", "submit", "x", "--pow", "257", expect=2).stderr


def outage(*passes):
    """The n-th commits of each process that find no room on the disk."""
    return {"PYLON_FAULTS": " ".join(f"sql.commit.before@{n}=ENOSPC" for n in passes)}


@pytest.mark.parametrize("passes", [range(4, 12), (5, 7, 9), (6,), (8,)])
def test_jobs_outlive_a_disk_that_is_full_for_a_while(make_pylon, relay, passes):
    pylon = make_pylon("start", [relay.url], env=outage(*passes))
    pylon.start()
    requests = []
    for n in range(4):
        requests += [line["request"]["id"] for line in
                     customer("post", relay.url, *[mining_job(6, content=f"job {n} {i}") for i in range(5)])]
    for request in requests:
        wait_for(lambda: pylon.state(request) == "completed" or not pylon.state(request)
                 and "error" in relay.statuses(request), 40, f"{request[:8]} ends, it is {pylon.state(request)}")
    for request in requests:
        assert len(relay.results(request)) == (pylon.state(request) == "completed"), pylon.state(request)
    assert dict(pylon.query("select status, jobs from job_totals where jobs > 0")) == dict(
        pylon.query("select status, count(*) from jobs group by status"))


def post(relay, *templates):
    return [line["request"]["id"] for line in customer("post", relay.url, *templates)]


def reload(pylon, old, new):
    pylon.config.write_text(pylon.config.read_text().replace(old, new))
    os.kill(pylon.pid("supervisor"), signal.SIGHUP)


def announced(relay):
    return [json.loads(e["content"]).get("name") for e in relay.events(31990)]


def test_a_reload_takes_the_good_and_leaves_the_bad(make_pylon, relay, second_relay):
    pylon = make_pylon("start", [relay.url], more="[pow]\nmax_bits = 20\n")
    pylon.start()
    wait_for(lambda: "under test" in announced(relay), 10, "it is announced")
    reload(pylon, '"under test"', '"renamed"')
    wait_for(lambda: "renamed" in announced(relay), 10, "the new name is announced")

    reload(pylon, "max_bits = 20", "max_bits = 6")
    wait_for(lambda: any("up to 6 bits" in b["detail"] for b in pylon.json("status")["backends"]), 10, "it was read again")
    (hard,) = post(relay, mining_job(12, content="hard"))
    wait_for(lambda: "error" in relay.statuses(hard), 10, "what is too hard now is refused")

    reload(pylon, "max_bits = 6", "max_bits = \"many\"")
    (easy,) = post(relay, mining_job(5, content="easy"))
    pylon.wait_state(easy, "completed")

    reload(pylon, "max_bits = \"many\"", "max_bits = 12")
    reload(pylon, relay.url, second_relay.url)
    wait_for(second_relay.subscribers, 20, "the other relay is subscribed to")
    (there,) = post(second_relay, mining_job(12, content="there"))
    pylon.wait_state(there, "completed")
    assert second_relay.results(there)


def test_odd_numbers_of_bits_are_answered(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    odd = ["16abc", "-1", "1e3", "256", "257", "", " 8", "08", "8.0", "99999999999999999999"]
    *refused, good = post(relay, *[mining_job(bits, content=bits) for bits in odd], mining_job(4, content="good"))
    pylon.wait_state(good, "completed")
    for bits, request in zip(odd, refused):
        wait_for(lambda: "error" in relay.statuses(request), 10, f"{bits!r} is refused")
        assert not pylon.state(request)


def test_odd_events_are_answered(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    odd = []
    for data in ('{"kind":1,"created_at":1,"tags":[["nonce","1","2"]],"content":""}', "[]", "", "{", '{"kind":65536}',
                 '{"kind":1,"created_at":-1,"tags":[],"content":"x"}', '{"kind":1,"created_at":1,"tags":[[]],"content":"x"}',
                 '{"kind":1,"created_at":1,"tags":[[1]],"content":"x"}', '{"pubkey":"zz","kind":1,"created_at":1,"tags":[],"content":""}'):
        odd.append(json.dumps({"tags": [["i", data, "text"], ["param", "pow", "4"]]}))
    last = mining_job(4, content="last")
    ids = post(relay, *odd, last)
    pylon.wait_state(ids[-1], "completed")
    for request in ids[:-1]:
        wait_for(lambda: pylon.state(request) == "completed" or "error" in relay.statuses(request), 20,
                 f"{ids.index(request)} is answered, it is {pylon.state(request)} {relay.statuses(request)}")
