"""Agents in pylon-store, asked by the host's own client (tool-agents, under the name pylon-host): what is written
once however often it is asked, kill -9 in the middle of each change, hostile texts, and who may not ask at all."""
import json
import os
import re
import select
import shutil
import sqlite3
import subprocess
import time

import pytest

import bolt11
from parts import BUILD, wait_for

from store_wire import PUBLIC, Refused, opened

AGENTS = PUBLIC + ".Agents"
EVENT = "ab" * 32
FLOOD = 10000 if "PYLON_KILLS" in os.environ else 2000


def key(n):
    """The npub of some public key, and the key."""
    data = bolt11.fives(bytes([n]) * 32)
    spread = [ord(c) >> 5 for c in "npub"] + [0] + [ord(c) & 31 for c in "npub"]
    check = bolt11.polymod(spread + data + [0] * 6) ^ 1
    data += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return "npub1" + "".join(bolt11.CHARSET[g] for g in data), bytes([n] * 32).hex()


ALICE, BOB = key(0x11), key(0x22)


class Host:
    """The client in a process of that name; one line for each answer."""

    def __init__(self, store):
        program = store.folder / "pylon-host"
        if not program.exists():
            shutil.copy(BUILD / "tests/integration/tool-agents", program)
        self.process = subprocess.Popen([program, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.rest = b""

    def ask(self, *words):
        self.process.stdin.write(json.dumps(words, ensure_ascii=False).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, timeout=20):
        end = time.monotonic() + timeout
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, "there is no answer"
            self.rest += os.read(self.process.stdout.fileno(), 1 << 20)
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def __call__(self, *words):
        self.ask(*words)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


@pytest.fixture
def store(tmp_path):
    yield from opened(tmp_path)


@pytest.fixture
def host(store):
    one = Host(store)
    yield one
    one.close()


def npubs(host):
    """Our two agents, born."""
    assert host("add", *ALICE, "alice") == [0, ""]
    assert host("add", *BOB, "bob") == [0, ""]
    return ALICE[0], BOB[0]


def test_a_life_from_the_first_tick_to_the_last(store, host):
    store.start()
    a, b = npubs(host)
    assert host("add", *ALICE, "alice") == [1, "spawning"]
    assert host("set", a, "active", "", 5000, 0) == [0, ""]
    assert [row[2:6] for row in host("list", "", 10)[2]] == [
        ["bob", "spawning", "started", 0], ["alice", "active", "started", 5000]]
    assert host("observe", a, [["e1", "mention", BOB[1], "hello <b>"], ["tell:1", "tell", "owner", "be kind"]]) == [0, ""]
    assert host("remember", a, "own.1", "Bob likes cats") == [0, ""]
    assert host("goal", a, "own.2", "be useful", 1, -1, "") == [0, ""]

    assert host("begin", a, 0) == [0, "", 1]
    context = host("context", a, 1, "what of bob and his cats?")[2]
    assert [o["text"] for o in context["observations"]] == ["hello <b>", "be kind"]
    assert context["memories"][0]["text"] == "Bob likes cats" and context["goals"][0]["priority"] == 1
    assert host("tick", a, 1, "thinking", "agent:alice/1/1", '[{"role":"user"}]', "", []) == [0, ""]
    actions = [["post", '{"type":"post","text":"hi"}', "planned"], ["remember", '{"type":"remember"}', "planned"],
               ["pay", '{"type":"pay"}', "waiting", "its owner is asked"], ["zap", "{}", "refused", "not allowed"]]
    assert host("tick", a, 1, "acting", "", "", "an answer", actions) == [0, ""]
    assert host("action", a, 1, 1, "signed", EVENT, '{"id":"x"}', "") == [0, ""]
    assert host("action", a, 1, 1, "done") == [0, ""]
    assert host("action", a, 1, 2, "done", "", "", "", "remember", "1.2", "cats purr") == [0, ""]
    assert host("tick", a, 1, "done", "", "", "", []) == [0, ""]

    rows = host("open", 0)[2]
    assert [row[2:5:2] for row in rows[:1]] == [[1, "done"]] and [row[3] for row in rows[1:]] == [
        "done", "done", "waiting", "refused"]
    assert host("open", rows[0][0])[2] == []
    assert host("find", a, 1)[2] == rows and host("find", b, 1) == [0, "", []]
    assert host("action", a, 1, 3, "denied") == [0, ""]
    assert host("open", 0)[2] == []
    (row,) = host("history", a, 0, 10)[2]
    assert row[0] == 1 and row[5:8] == [1500, "done", "heartbeat"] and row[10:] == [2, 0, 0]
    assert [(x["type"], x["state"]) for x in json.loads(row[9])] == [
        ("post", "done"), ("remember", "done"), ("pay", "denied"), ("zap", "refused")]
    record = host("record", a, 1)[2]
    assert record["thoughts"][0]["answer"] == "an answer" and record["actions"][0]["event"] == {"id": "x"}
    assert host("record", a, 2)[:2] == [-2, "there is no such tick"]
    assert host("count", a, "post", 0) == [0, "", 1] and host("count", a, "", 0) == [0, "", 2]
    assert [m[0] for m in host("memories", a, "cats", 5)[2]] == ["1.2", "own.1"]
    assert [g[:2] for g in host("goals", a)[2]] == [["own.2", "be useful"]]
    mind = host("export", a)[2]
    assert host("import", b, json.dumps(mind)) == [0, ""]
    assert host("export", b)[2]["memories"] == mind["memories"]
    assert host("remove", a) == [0, ""] and host("remove", a) == [1, "there is no such agent"]
    assert [row[2] for row in host("list", "", 10)[2]] == ["bob"]
    assert subprocess.run(["sqlite3", store.db, "SELECT count(*) FROM agents"], capture_output=True,
                          text=True).stdout == "1\n"


def test_many_agents_and_their_open_ticks_come_in_pages(store, host):
    store.start()
    keys = [key(n) for n in range(130)]
    prompt = json.dumps(["x" * 200000])
    for n, one in enumerate(keys):
        assert host("add", *one, f"agent{n}") == [0, ""] and host("begin", one[0], 0) == [0, "", 1]
    for one in keys[10:20]:
        assert host("tick", one[0], 1, "thinking", "t/1", prompt, "", []) == [0, ""]
    seen, after = [], ""
    while page := host("list", after, 50)[2]:
        assert len(page) <= 50
        seen += [row[0] for row in page]
        after = page[-1][0]
    assert seen == sorted(one[0] for one in keys)
    pages, after = [], 0
    while page := host("open", after)[2]:
        pages.append(page)
        after = page[-1][0]
    ticks = [tick for page in pages for tick in page]
    assert [tick[1] for tick in ticks] == [one[0] for one in keys]  # in the order in which they began
    assert [tick[8] == prompt for tick in ticks].count(True) == 10
    assert len(pages) == 3 and all(sum(len(tick[8]) for tick in page) < 1300000 for page in pages)


def test_an_agent_with_a_long_history_is_removed_by_one_call(store, host):
    store.start()
    a, b = npubs(host)
    assert store.stop() == 0
    with sqlite3.connect(store.db) as db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) INSERT INTO "
                   "tick_history (agent_npub, tick_number, created_at) SELECT npub, i, 1 FROM n, agent_state")
        db.execute("UPDATE agent_state SET tick_count = 4500")
    db.close()
    store.start()
    host.ask("remove", a)
    host.ask("begin", b, 0)  # is served between its parts
    assert host.answer() == [0, "", 4501] and host.answer() == [0, ""]
    assert store.query("SELECT count(*) FROM tick_history") == [(4501,)]


def test_only_the_host_may_ask(store):
    store.start()
    for program in ("pylon-provider", "pylon-wallet", "busctl"):
        with pytest.raises(Refused) as refused:
            store.wire(program).call(AGENTS, "List", "su", "", 10)
        assert refused.value.name == "com.openagents.Pylon1.Error.NotAllowed"
        with pytest.raises(Refused) as refused:
            store.wires[-1].call(AGENTS, "Forget", "ss", "npub1", "1.1")
        assert refused.value.name == "com.openagents.Pylon1.Error.NotAllowed"


# Each change: how it comes to it, what is asked, and a query that must say the same however often it was asked.
CHANGES = {
    "add": ([], ("add", *ALICE, "carol"), "SELECT count(*) FROM agent_state"),
    "observe": (["agents"], ("observe", ALICE[0], [["e1", "dm", BOB[1], "x"]]),
                "SELECT count(*) FROM agent_observations"),
    "begin": (["agents", "seen"], ("begin", ALICE[0], 0),
              "SELECT tick_count, (SELECT count(*) FROM agent_observations WHERE tick = 1) FROM agent_state "
              "WHERE name = 'alice'"),
    "think": (["agents", "tick"], ("tick", ALICE[0], 1, "thinking", "t/1", "[]", "", []),
              "SELECT status, (SELECT count(*) FROM tick_thoughts) FROM tick_history"),
    "act": (["agents", "tick"], ("tick", ALICE[0], 1, "acting", "", "", "x", [["post", "{}", "planned"]]),
            "SELECT status, (SELECT count(*) FROM agent_actions) FROM tick_history"),
    "fail": (["agents", "seen", "tick"], ("tick", ALICE[0], 1, "failed", "", "", "", []),
             "SELECT status, (SELECT sum(tries) FROM agent_observations) FROM tick_history"),
    "sign": (["agents", "tick", "act"], ("action", ALICE[0], 1, 1, "signed", EVENT, "{}", ""),
             "SELECT status, event_id FROM agent_actions"),
    "remember": (["agents", "tick", "act"], ("action", ALICE[0], 1, 1, "done", "", "", "", "remember", "1.1", "cats"),
                 "SELECT status, (SELECT count(*) FROM agent_memories), (SELECT count(*) FROM agent_memory_words "
                 "WHERE agent_memory_words MATCH 'cats') FROM agent_actions"),
    "goal": (["agents"], ("goal", ALICE[0], "1.1", "live", -1, -1, ""), "SELECT count(*) FROM agent_goals"),
    "remove": (["agents"], ("remove", ALICE[0]), "SELECT count(*) FROM agent_state"),
}
STEPS = {
    "agents": [("add", *ALICE, "alice"), ("add", *BOB, "bob")],
    "seen": [("observe", ALICE[0], [["e1", "dm", BOB[1], "x"]])],
    "tick": [("begin", ALICE[0], 0)],
    "act": [("tick", ALICE[0], 1, "acting", "", "", "", [["post", "{}", "planned"]])],
}


def prepare(store, host, name):
    store.start()
    assert host("list", "", 1) == [0, "", []]  # it is up
    steps, change, query = CHANGES[name]
    for step in steps:
        for words in STEPS[step]:
            assert host(*words)[0] == 0
    assert store.stop() == 0
    return change, query


@pytest.mark.parametrize("moment", ["sql.commit.before", "sql.commit.after"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_store_that_is_killed_does_it_once(store, host, name, moment):
    change, query = prepare(store, host, name)
    store.start(["env", f"PYLON_FAULTS={moment}=kill"])
    host.ask(*change)
    assert store.exit_code() == -9
    store.start()
    answer = host.answer()
    assert answer[0] == (0 if moment == "sql.commit.before" else {"sign": 0}.get(name, 1)), answer
    once = store.query(query)
    again = host(*change)
    assert again[0] == (0 if name == "sign" else 1)
    assert store.query(query) == once
    assert store.query("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("name, fault", [("begin", "store.tick.begun"), ("act", "store.tick.moved"),
                                         ("fail", "store.tick.moved"), ("remember", "store.action.moved")])
def test_a_change_that_fails_in_the_middle_leaves_nothing(store, host, name, fault):
    change, query = prepare(store, host, name)
    before = store.query(query)
    store.start(["env", f"PYLON_FAULTS={fault}=EIO"])
    assert host(*change)[0] == -5
    assert store.query(query) == before
    assert host(*change)[0] == 0


def test_what_was_asked_together_is_done_in_its_order(store, host):
    store.start()
    a, _ = npubs(host)
    host.ask("begin", a, 0)
    for n in range(50):
        host.ask("observe", a, [[f"e{n}", "mention", BOB[1], "x"]])
    host.ask("tick", a, 1, "acting", "", "", "", [["post", "{}", "planned"]])
    host.ask("action", a, 1, 1, "signed", EVENT, "{}", "")
    host.ask("action", a, 1, 1, "done")
    host.ask("tick", a, 1, "done", "", "", "", [])
    assert [host.answer()[0] for _ in range(55)] == [0] * 55
    assert store.query("SELECT status FROM tick_history") == [("done",)]


def test_a_lazy_change_is_answered_before_it_is_on_disk(store, host):
    store.start()
    a, _ = npubs(host)
    assert host("set", a, "active", "", 7, 1) == [0, ""]
    wait_for(lambda: store.query("SELECT balance_msats FROM agent_state WHERE name = 'alice'") == [(7,)], 3,
             "it is on disk")


def test_texts_of_strangers_do_no_harm(store, host):
    store.start()
    a, _ = npubs(host)
    hostile = "\x01\u202e\ufffe\U0001ffff'); DROP TABLE agent_state; -- \" OR agent_npub : \"" + BOB[0]
    assert host("observe", a, [["e1", "mention", BOB[1], hostile]]) == [0, ""]
    assert host("begin", a, 0)[0] == 0
    (seen,) = host("context", a, 1, hostile)[2]["observations"]
    assert seen["text"] == re.sub("[\ufffe\U0001ffff]", "\ufffd", hostile)
    assert host("remember", a, "1.1", hostile)[0] == 0
    assert host("memories", a, hostile, 5)[2][0][0] == "1.1"
    action = json.dumps({"type": "post", "text": hostile}, ensure_ascii=False)
    assert host("tick", a, 1, "acting", "", "", hostile * 2000, [["post", action, "planned"]]) == [0, ""]
    assert host("record", a, 1)[2]["actions"][0]["action"]["text"] == hostile
    assert host("tick", a, 1, "done", "", "", "", []) == [-16, "an action of the tick is still planned"]


def test_a_flood_keeps_its_limits_and_the_host_waits_for_nothing(store, host):
    store.start()
    a, _ = npubs(host)
    for n in range(0, FLOOD, 200):
        host.ask("observe", a, [[f"e{i}", "mention", f"{i:064x}", "x" * 5000] for i in range(n, n + 200)])
    assert [host.answer(60)[0] for _ in range(FLOOD // 200)] == [0] * (FLOOD // 200)
    assert store.query("SELECT count(*), max(length(text)) FROM agent_observations") == [(64, 4096)]
    assert host("observe", a, [[f"f{i}", "mention", "", "x"] for i in range(257)]) == [
        -7, "more than 256 observations at once"]
    assert host("begin", a, 0)[0] == 0
    assert host("context", a, 1, "")[2]["dropped"] >= FLOOD - 64
