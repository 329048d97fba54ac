"""What is installed for systemd, D-Bus and polkit, seen by the real ones. Needs the testbed."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from parts import BUILD, ROLES, processes, wait_for
from purse import Stubs
from test_nwc import balance, connect, make_client  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif("system" not in os.environ.get("PYLON_WAYS", ""), reason="needs the testbed: inside.sh")


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("instance", ["system", "user"])
def test_systemd_has_nothing_to_say_about_the_units(instance):
    units = sorted(str(p) for p in pathlib.Path(f"/usr/lib/systemd/{instance}").glob("pylon*"))
    assert len(units) == 16
    done = subprocess.run(["systemd-analyze", *(["--user"] if instance == "user" else []), "--man=no", "verify", *units],
                          capture_output=True, text=True, timeout=60, env={**os.environ, "XDG_RUNTIME_DIR": "/run"})
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("role", ROLES)
def test_each_service_has_an_account_of_its_own(role):
    code, text = output("id", f"pylon-{role}")
    assert code == 0 and "(pylon)" in text


def test_only_the_accounts_of_pylon_may_connect(make_pylon, relay):
    make_pylon("system", [relay.url]).start()
    for role in ROLES:
        path = pathlib.Path(f"/run/pylon/{role}.sock")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660 and path.group() == "pylon"
    code, text = output("setpriv", "--reuid=op", "--regid=op", "--init-groups", "--", "busctl",
                        "--address=unix:path=/run/pylon/store.sock", "tree")
    assert code != 0 and "Permission denied" in text


def test_every_owner_in_the_polkit_policy_is_an_account():
    code, text = output("pkaction", "--verbose")
    assert code == 0
    for action in ("provider.manage", "agent.manage", "agent.approve", "job.submit", "store.backup", "identity.manage", "wallet.view", "wallet.receive",
                   "wallet.pay"):
        assert f"com.openagents.pylon1.{action}:" in text


def test_a_stranger_may_look_but_not_touch(make_pylon, relay):
    make_pylon("system", [relay.url]).start()
    call = ("setpriv", "--reuid=op", "--regid=op", "--init-groups", "--", "busctl", "--system", "--timeout=10", "call",
            "com.openagents.Pylon1.Provider", "/com/openagents/Pylon1", "com.openagents.Pylon1.Provider")
    wait_for(lambda: output("busctl", "--system", "status", "com.openagents.Pylon1.Provider")[0] == 0, 10, "the name is there")
    assert output(*call, "Jobs")[0] == 0
    code, text = output(*call, "Offline")
    assert code != 0 and "com.openagents.pylon1.provider.manage" in text


def test_the_journal_explains_what_pylon_logs():
    code, text = output("journalctl", "--list-catalog")
    assert code == 0 and text.count("Pylon:") + text.count("Pylon") >= 5


def test_the_target_stops_everything(make_pylon, relay):
    pylon = make_pylon("system", [relay.url])
    pylon.start()
    pylon.stop()
    for role in ROLES:
        assert not pylon.pids(role)
        assert output("systemctl", "is-active", f"pylon-{role}.socket")[1].strip() == "inactive"


def test_pylon_start_and_stop_go_through_systemd(way, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.run("start", "--mode", "provider")
    # Online() is answered when the wish is written down; the signer may still be waking up then.
    wait_for(lambda: pylon.json("status")["daemon"]["provider_state"] == "online", 10, "the provider is online")
    status = pylon.json("status")["daemon"]
    assert status["running"] and status["host_state"] == "offline"
    assert subprocess.run([*pylon.systemctl, "is-active", "--quiet", "pylon.target"], check=False).returncode == 0
    pylon.run("start")
    assert pylon.json("status")["daemon"]["host_active"]
    pylon.run("stop")
    assert not any(pylon.pids(role) for role in ROLES)
    pylon.run("status", expect=69)


def test_an_instance_of_its_own_and_one_of_systemd_do_not_run_together(make_pylon, relay):
    pylon = make_pylon("user", [relay.url])
    pylon.run("start")
    done = pylon.run("start", "-d", "--json", expect=1)
    assert '"AlreadyRunning"' in done.stdout
    pylon.run("stop")
    pylon.run("start", "-d")
    assert pylon.json("start")["already"]  # not a second one beside it
    assert pylon.json("status")["daemon"]["pid"]
    pylon.run("stop")


OBJECT = "/com/openagents/Pylon1"
NAMES = {role: f"com.openagents.Pylon1.{role.capitalize()}" for role in ROLES if role != "signer"}


def busctl(pylon, *args):
    """On the bus of this instance, as its owner."""
    owner = pylon.as_user if pylon.way == "user" else ()
    return output(*owner, "busctl", f"--{pylon.way}", "--timeout=5", *args)


@pytest.mark.parametrize("role", NAMES)
def test_a_sleeping_service_is_found_by_its_name(role, way, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.stop()
    sockets = [f"pylon-{r}.socket" for r in ROLES]
    subprocess.run([*pylon.systemctl, "stop", *sockets], check=True, timeout=60)
    wait_for(lambda: not any(pylon.pids(r) for r in ROLES), 10, "everything sleeps")
    subprocess.run([*pylon.systemctl, "start", *sockets], check=True, timeout=60)
    code, text = busctl(pylon, "--json=short", "call", NAMES[role], OBJECT, "org.freedesktop.DBus.Introspectable", "Introspect")
    assert code == 0, text
    assert pylon.pids(role)
    served = json.loads(text)["data"][0]
    described = pathlib.Path(f"/usr/share/dbus-1/interfaces/{NAMES[role]}.xml").read_text()
    begin, end = f' <interface name="{NAMES[role]}">', " </interface>"
    assert described[described.index(begin):described.index(end)] in served
    subprocess.run([*pylon.systemctl, "stop", *sockets], check=True, timeout=60)


def test_asking_for_a_name_does_not_start_a_pylon_that_was_stopped(way, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    pylon.stop()
    assert busctl(pylon, "call", NAMES["provider"], OBJECT, NAMES["provider"], "Jobs")[0] != 0
    assert not any(pylon.pids(role) for role in ROLES)
    pylon.run("status", expect=69, seconds=5)


def test_the_command_wakes_a_service_that_left(way, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.run("start", "--mode", "host")
    for role in ("provider", "relay", "store"):
        subprocess.run([*pylon.systemctl, "stop", f"pylon-{role}.service"], check=True, timeout=60)
    assert not pylon.pids("provider")
    pylon.json("earnings")
    assert pylon.json("status")["daemon"]["provider_state"] == "offline"
    assert pylon.pids("provider")


def test_the_purse_works_however_it_was_started(way, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    assert pylon.json("wallet", "status")["simulated"]
    assert pylon.json("wallet", "fund", "1000")["done"]
    wait_for(lambda: any(a["balance_msats"] == 1_000_000 for a in pylon.json("wallet", "balance")), 10, "the money is there")
    invoice = pylon.json("wallet", "invoice", "21", "--account", "provider")
    assert pylon.json("wallet", "pay", invoice["bolt11"], "--yes")["state"] == "settled"
    wait_for(lambda: any(a["account"] == "provider" and a["balance_msats"] == 21_000 for a in pylon.json("wallet", "balance")),
             10, "it was paid")
    pylon.kill("wallet")
    assert pylon.json("wallet", "show", invoice["payment_hash"])["amount_msat"] == 21_000
    assert pylon.json("status")["wallet"]["driver"] == "regtest"
    assert pylon.run("ledger", "verify").returncode == 0


@pytest.fixture
def wallet_drop_in():
    """wallet_drop_in(text): a drop-in for pylon-wallet.service of the system."""
    folder = pathlib.Path("/run/systemd/system/pylon-wallet.service.d")

    def make(text):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "secret.conf").write_text(text)
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)

    yield make
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["LoadCredential", "LoadCredentialEncrypted"])
def test_the_secret_of_the_wallet_is_handed_over_by_systemd(kind, wallet_drop_in, make_pylon, relay, tmp_path):
    stubs = Stubs(tmp_path, encrypted=())
    try:
        secret = pathlib.Path("/etc/pylon/wallet.secret.root")
        secret.touch(0o600)
        secret.write_text(stubs.nodes["lnd"]["secret"] + "\n")
        pylon = make_pylon("system", [relay.url], f"[wallet]\ndriver = \"lnd\"\nurl = \"{stubs.nodes['lnd']['url']}\"\n")
        pylon.start()
        assert "its secret was not given" in pylon.json("wallet", "status")["reason"]  # the file is root's alone
        if kind == "LoadCredentialEncrypted":
            sealed = pathlib.Path("/etc/pylon/wallet.secret.cred")
            subprocess.run(["systemd-creds", "encrypt", "--with-key=host", "--name=pylon-wallet-secret", secret, sealed], check=True, timeout=60)
            secret.unlink()
            assert stubs.nodes["lnd"]["secret"].encode() not in sealed.read_bytes()
            secret = sealed
        wallet_drop_in(f"[Service]\n{kind}=pylon-wallet-secret:{secret}\n")
        subprocess.run(["systemctl", "restart", "pylon-wallet.service"], check=True, timeout=60)
        wait_for(lambda: pylon.json("wallet", "status")["state"] == "ready", 20, "the backend takes the secret")
        invoice = pylon.json("wallet", "invoice", "21", "--account", "provider")
        stubs.order("pay", hash=invoice["payment_hash"])
        wait_for(lambda: any(a["account"] == "provider" and a["balance_msats"] == 21_000 for a in pylon.json("wallet", "balance")), 10,
                 "it is paid there")
        pid = pylon.pid("wallet")
        assert stubs.nodes["lnd"]["secret"].encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert stubs.nodes["lnd"]["secret"] not in pylon.log()
    finally:
        stubs.kill()
        for name in ("root", "cred"):
            pathlib.Path(f"/etc/pylon/wallet.secret.{name}").unlink(missing_ok=True)


def test_other_programs_use_the_purse_however_it_was_started(way, make_pylon, relay, make_client):  # noqa: F811 (a fixture)
    """NIP-47: the wallet asks relay and signer for this, all of them in their sandboxes."""
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    pylon.run("wallet", "fund", "1000")
    wait_for(lambda: balance(pylon) == 1_000_000, 10, "the money is there")
    client = make_client(connect(pylon, "--max-sat", "100"))
    assert client.ok("getInfo")["network"] == "regtest"
    made = client.ok("makeInvoice", amount=21_000, description="tea")
    assert made["invoice"].startswith("lnbcrt")
    invoice = pylon.json("wallet", "invoice", "50", "--account", "provider")
    assert len(client.ok("payInvoice", invoice=invoice["bolt11"])["preimage"]) == 64
    wait_for(lambda: balance(pylon, "provider") == 50_000 and balance(pylon) == 950_000, 10, "it is paid, once")
    pylon.kill("wallet")  # requests are ephemeral: what is asked meanwhile is asked again
    wait_for(lambda: client.ask("getBalance") == ["ok", {"balance": 950_000}], 60, "it is served again")
    other = pylon.json("wallet", "invoice", "51", "--account", "provider")
    assert client.ask("payInvoice", invoice=other["bolt11"])[:2] == ["error", "QUOTA_EXCEEDED"]  # 50 are left


@pytest.fixture
def operator():
    """A member of the group which the sample rule is for."""
    rule = pathlib.Path("/etc/polkit-1/rules.d/49-pylon-operators.rules")
    subprocess.run(["groupadd", "pylon-operators"], check=True)
    subprocess.run(["useradd", "-G", "pylon-operators", "shopkeeper"], check=True)
    shutil.copy("/usr/share/doc/pylon/examples/pylon-operators.rules", rule)
    subprocess.run(["systemctl", "restart", "polkit.service"], check=True, timeout=60)
    yield ("setpriv", "--reuid=shopkeeper", "--regid=shopkeeper", "--init-groups", "--")
    rule.unlink()
    subprocess.run(["userdel", "shopkeeper"], check=True)
    subprocess.run(["groupdel", "pylon-operators"], check=True)
    subprocess.run(["systemctl", "restart", "polkit.service"], check=True, timeout=60)


def test_an_operator_runs_the_shop_without_touching_the_purse(operator, make_pylon, relay):
    pylon = make_pylon("system", [relay.url])
    pylon.start()
    call = (*operator, "busctl", "--system", "--timeout=10", "call")
    for verb in ("Offline", "Online"):
        assert output(*call, NAMES["provider"], OBJECT, NAMES["provider"], verb) == (0, "")
    code, text = output(*call, NAMES["host"], OBJECT, NAMES["host"], "Submit", "qssa(ss)a{sv}", "5970", "{}", "text", "0", "0")
    assert code != 0 and "com.openagents.pylon1.job.submit" in text
    wallet = (*call, NAMES["wallet"], OBJECT, NAMES["wallet"])
    assert output(*wallet, "Balances")[0] == 0
    for right, *method in (("receive", "CreateInvoice", "sxsu", "owner", "1000", "", "60"),
                           ("pay", "Pay", "sssxxa{sv}", "1", "owner", "lnbcrt1", "0", "0", "0"),
                           ("pay", "Resolve", "sss", "00" * 32, "failed", ""), ("pay", "Fund", "sx", "owner", "1000"),
                           ("pay", "Transfer", "sssxs", "1", "provider", "owner", "1000", ""),
                           ("pay", "SetGrant", "sss", "all", "owner", "{}")):
        code, text = output(*wallet, *method)
        assert code != 0 and f"com.openagents.pylon1.wallet.{right}" in text, (method, text)
    for verb in ("stop", "start"):
        assert output(*operator, "systemctl", verb, "pylon.target")[0] == 0
    assert output(*operator, "systemctl", "stop", "dbus.service")[0] != 0


def test_an_operator_looks_after_agents_and_moves_no_money(operator, make_pylon, relay):
    pylon = make_pylon("system", [relay.url])
    pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true"))
    pylon.start()
    born = pylon.json("agent", "spawn", "scout", "--fund", "no")
    pylon.run("wallet", "fund", "20000")
    wait_for(lambda: pylon.run("agent", "fund", "scout", "5000", "--from", "owner", "--yes", expect=None).returncode == 0, 10, "funded")
    wait_for(lambda: pylon.json("agent", "info", "scout")["state"] == "active", 10, "it lives")
    assert pylon.json("agent", "tick", "scout")["state"] == "done"

    def call(who, path, interface, *method):
        return output(*who, "busctl", "--system", "--timeout=10", "call", NAMES["host"], path, interface, *method)

    stranger = ("setpriv", "--reuid=op", "--regid=op", "--init-groups", "--")
    agent, interface = born["object"], "com.openagents.Pylon1.Agent"
    assert "scout" in call(stranger, OBJECT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[1]
    for method in (("Stop",), ("Tell", "s", "x"), ("History", "xu", "0", "1"), ("Settings",), ("Delete", "s", "")):
        code, text = call(stranger, agent, interface, *method)
        assert code != 0 and "com.openagents.pylon1.agent.manage" in text, (method, text)
    for method in (("Pause",), ("Start",), ("Tell", "s", "Hello"), ("History", "xu", "0", "1"), ("Fund", "xs", "1000", "invoice")):
        assert call(operator, agent, interface, *method)[0] == 0, method
    for method in (("Fund", "xs", "1000", "owner"), ("Withdraw", "sx", "owner", "1000"), ("Delete", "s", "owner"),
                   ("Edit", "ss", "limits.per_hour_sats", "1000000"), ("SetSettings", "s", "")):
        code, text = call(operator, agent, interface, *method)
        assert code != 0 and "com.openagents.pylon1.wallet.pay" in text, (method, text)
    code, text = call(operator, OBJECT, NAMES["host"], "Approve", "sbs", "0123abcd", "true", "")
    assert code != 0 and "com.openagents.pylon1.agent.approve" in text
    assert call(operator, OBJECT, NAMES["host"], "StopAll") == (0, "")
    assert [a["wish"] for a in pylon.json("agent", "list")] == ["stopped"]
    assert "scout" in output(*operator, "pylon", "--system", "agent", "list")[1]


def test_an_agent_travels_between_instances_of_systemd(make_pylon, relay, tmp_path):
    pylon = make_pylon("system", [relay.url])
    pylon.start()
    born = pylon.json("agent", "spawn", "scout", "--fund", "no")
    pylon.run("agent", "goal", "scout", "add", "See the sea")
    secret, file = tmp_path / "passphrase", tmp_path / "scout.agent"
    secret.write_text("correct horse battery")
    pylon.run("agent", "export", "scout", str(file), "--passphrase-file", str(secret))
    pylon.run("agent", "delete", "scout", "--yes")
    pylon.run("agent", "import", str(file), "--passphrase-file", str(secret))
    assert pylon.json("agent", "info", "scout")["npub"] == born["npub"]
    assert [g["text"] for g in pylon.json("agent", "goal", "scout")] == ["See the sea"]


# ---- agents

TOOL = BUILD / "tests/integration/tool-agent"
SOCKET = "/run/pylon/agent-x.sock"
AS_HOST = ("setpriv", "--reuid=pylon-host", "--regid=pylon-host", "--init-groups", "--")


def manage(*args, who=AS_HOST):
    return output(*who, "busctl", "--system", "--timeout=20", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                  "org.freedesktop.systemd1.Manager", *args)


def wait_for_socket():
    host = pwd.getpwnam("pylon-host").pw_uid
    wait_for(lambda: os.path.exists(SOCKET) and os.stat(SOCKET).st_uid == host, 10, "the socket is there, and the host's")


@pytest.fixture
def no_agents():
    def stop():
        subprocess.run(["systemctl", "stop", "pylon-agent@*.socket", "pylon-agent@*.service"], check=False, timeout=60)

    stop()
    yield
    stop()


def test_the_host_may_start_its_agents_units_and_no_other(no_agents):
    assert manage("StartUnit", "ss", "pylon-agent@x.socket", "replace")[0] == 0
    wait_for_socket()
    assert stat.S_IMODE(os.stat(SOCKET).st_mode) == 0o600
    for method, unit in (("StartUnit", "pylon-agent@../x.socket"), ("StartUnit", "pylon-agent@X.socket"),
                         ("StartUnit", "pylon-agent@.socket"), ("StartUnit", "xpylon-agent@x.socket"),
                         ("StartUnit", "pylon-agent@x.target"), ("StartUnit", "pylon-agents.slice"),
                         ("StartUnit", "pylon-signer.service"), ("StopUnit", "pylon-signer.socket"),
                         ("StopUnit", "dbus.service"), ("RestartUnit", "pylon-agent@x.socket"),
                         ("ReloadUnit", "pylon-agent@x.service")):
        code, text = manage(method, "ss", unit, "replace")
        assert code != 0, (method, unit)
        assert any(why in text for why in ("uthentication", "Access denied", "not valid", "missing the instance")), text
    code, text = manage("SetUnitProperties", "sba(sv)", "pylon-agent@x.socket", "true", "0")
    assert code != 0
    assert manage("StopUnit", "ss", "pylon-agent@x.socket", "replace")[0] == 0
    wait_for(lambda: not os.path.exists(SOCKET), 10, "the socket is gone")
    for account in ("pylon-relay", "op"):
        who = ("setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "--")
        assert manage("StartUnit", "ss", "pylon-agent@x.socket", "replace", who=who)[0] != 0


def agents_context(name="x", **mind):
    return json.dumps({"v": 1, "agent": {"name": name, "npub": "n", "pubkey": "p"}, "now": 1, "tick": 1, "trigger": "tell",
                       "fence": "0" * 32, "money": {"balance_msat": 1}, "mind": mind or {"type": "local"},
                       "allowed": ["post"]})


def tick(path, context, *answer, who=AS_HOST):
    return subprocess.run([*who, TOOL, "tick", path, *answer], input=context, capture_output=True, text=True, timeout=60,
                          check=False)


def test_an_agents_tick_is_started_by_a_connection_and_leaves_with_it(way, no_agents, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    who = AS_HOST if way == "system" else pylon.as_user
    path = SOCKET if way == "system" else str(pylon.base / "run/agent-x.sock")
    assert output(*who, TOOL, "start", way, "x") == (0, "done\n")
    assert output(*who, TOOL, "start", way, "x") == (0, "done\n")
    assert not pylon.pids("agent")

    # By a program named as no service of ours: in a user instance that is the owner.
    done = tick(path, agents_context(), '{"actions":[{"type":"post","text":"hello"}]}', who=who)
    assert done.returncode == 0, done.stdout + done.stderr
    what, answer = (line.split(" ", 1) for line in done.stdout.splitlines())
    assert what[0] == "think" and answer == ["done", '{"actions":[{"type":"post","text":"hello"}],"refused":[]}']
    wait_for(lambda: not pylon.pids("agent"), 10, "the process is gone")

    words = "import json,sys; json.load(sys.stdin); print(json.dumps([{'type':'post','text':open('/proc/self/cgroup').read()}]))"
    done = tick(path, agents_context(type="exec", exec=["/usr/bin/python3", "-I", "-c", words]), who=who)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pylon-agents.slice" in done.stdout and "pylon-agent@x.service" in done.stdout
    done = tick(path, agents_context(type="exec"), who=who)
    assert (done.returncode, done.stdout) == (0, 'done {"actions":[],"refused":[]}\n')

    done = tick(path, agents_context(type="exec", exec=["/bin/sh", "-c", "setsid sleep 600 & exit 5"]), who=who)
    assert done.returncode == 1 and "exit status 5" in done.stdout
    wait_for(lambda: not pylon.pids("agent") and not processes("sleep", lambda p: True), 20, "nothing is left of it")

    mark = ("/bin/sh", "-c", "exec sleep 600")
    hangs = subprocess.Popen([*who, TOOL, "tick", path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    hangs.stdin.write(agents_context(type="exec", exec=list(mark)).encode())
    hangs.stdin.close()
    wait_for(lambda: processes("sleep", lambda p: True), 10, "the mind thinks")
    pylon.kill("agent")
    hangs.kill()
    hangs.wait()
    wait_for(lambda: not processes("sleep", lambda p: True), 10, "the mind died with its agent")
    done = tick(path, agents_context(), who=who)
    assert (done.returncode, done.stdout[:5]) == (0, "think"), "the next connection starts it again"

    assert output(*who, TOOL, "stop", way, "x") == (0, "done\n")
    assert output(*who, TOOL, "stop", way, "x") == (0, "done\n")
    assert not os.path.exists(path)
    assert output(*who, TOOL, "start", way, "x") == (0, "done\n")
    pylon.stop()
    wait_for(lambda: not os.path.exists(path), 10, "it is stopped with Pylon")


def test_an_agent_lives_under_systemd(way, no_agents, make_pylon, relay):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    pylon.run("agent", "spawn", "ada")
    assert pylon.json("wallet", "fund", "50000")["done"]
    wait_for(lambda: any(a["balance_msats"] == 50_000_000 for a in pylon.json("wallet", "balance")), 10, "the money is there")
    pylon.run("agent", "tell", "ada", "Be kind")
    pylon.run("agent", "fund", "ada", "20000", "--from", "owner", "--yes")
    wait_for(lambda: "Be kind" in pylon.run("agent", "memory", "ada").stdout, 20, "it remembers what it was told")
    wait_for(lambda: not pylon.pids("agent"), 10, "the process is gone")
    assert output(*pylon.systemctl, "is-active", "pylon-agent@ada.socket")[1].strip() == "active"
    pylon.run("agent", "delete", "ada", "--sweep-to", "owner", "--yes")
    wait_for(lambda: output(*pylon.systemctl, "is-active", "pylon-agent@ada.socket")[1].strip() == "inactive", 10, "its socket is gone")


def test_nobody_but_the_host_reaches_an_agents_socket(no_agents, make_pylon, relay):
    make_pylon("system", [relay.url]).start()
    assert manage("StartUnit", "ss", "pylon-agent@x.socket", "replace")[0] == 0
    wait_for_socket()
    for account in ("pylon-wallet", "pylon-provider", "op"):
        with pytest.raises(subprocess.CalledProcessError), socket.socket(socket.AF_UNIX):
            subprocess.run(["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "--", "/usr/bin/python3", "-I",
                            "-c", f"import socket; socket.socket(socket.AF_UNIX).connect('{SOCKET}')"], check=True,
                           capture_output=True, timeout=60)
    assert tick(SOCKET, agents_context(), who=()).returncode == 0   # root is the owner


def test_what_an_agent_logs_is_in_the_journal_though_it_opens_no_socket(no_agents, make_pylon, relay):
    make_pylon("system", [relay.url]).start()
    assert manage("StartUnit", "ss", "pylon-agent@x.socket", "replace")[0] == 0
    wait_for_socket()
    tick(SOCKET, agents_context(type="exec", exec=["/bin/sh", "-c", "echo strange thoughts >&2"]))
    wait_for(lambda: "mind: strange thoughts" in output("journalctl", "-b", "--no-pager", "-u", "pylon-agent@x.service")[1], 10,
             "its words are in the journal")


def last_fed(role):
    return int(output("systemctl", "show", "--value", "-p", "WatchdogTimestampMonotonic", f"pylon-{role}.service")[1])


@pytest.mark.parametrize("role", ROLES)
def test_a_service_that_hangs_is_started_again(role, make_pylon, relay):
    folder = pathlib.Path(f"/run/systemd/system/pylon-{role}.service.d")
    folder.mkdir(parents=True)
    try:
        (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=1s\n")
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)
        pylon = make_pylon("system", [relay.url])
        pylon.start()
        subprocess.run(["systemctl", "start", f"pylon-{role}.service"], check=True, timeout=60)
        pid = pylon.pid(role)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: pylon.pid(role) not in (None, pid), 20, f"{role} runs again")
        assert "watchdog timeout" in output("journalctl", "-b", "--no-pager", "-n", "50", "-u", f"pylon-{role}.service")[1].lower()
        pid = pylon.pid(role)
        first = last_fed(role)
        wait_for(lambda: last_fed(role) > first + 2_000_000, 10, "a healthy one feeds the watchdog")
        assert pylon.pid(role) == pid
    finally:
        shutil.rmtree(folder)
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)
