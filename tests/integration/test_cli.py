"""What pylon says without any instance: help, settings, errors in words and in JSON."""
import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest

from parts import BUILD

PYLON = BUILD / "src/cli/pylon"


@pytest.fixture
def run(tmp_path):
    def call(*args, expect=0, **env):
        done = subprocess.run([PYLON, *map(str, args)], capture_output=True, text=True, timeout=30, check=False,
                              stdin=subprocess.DEVNULL, cwd=tmp_path,
                              env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env})
        assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done
    return call


def verbs(run):
    """The words of each command, from the help."""
    rows = re.findall(r"^  ((?:[a-z]+ )?[a-z]+)(?: [A-Z|. -]+)? +\S", run("--help").stdout, re.M)
    assert len(rows) > 8
    return rows


def test_every_command_has_help(run):
    for words in verbs(run):
        text = run(*words.split(), "--help").stdout
        assert text.startswith(f"pylon {words} ") and "--json" in text


def test_the_version_is_told(run):
    assert re.fullmatch(r"pylon \d+\.\d+\.\d+\n", run("--version").stdout)


def test_without_an_instance_status_says_so(run):
    assert "not running" in run(expect=69).stdout
    answer = json.loads(run("status", "--json", expect=69).stdout)
    assert answer["daemon"]["running"] is False and answer["stats"] is None


@pytest.mark.parametrize("args, code, name", [
    (["frobnicate"], 2, "Usage"),
    (["job"], 2, "Usage"),
    (["job", "show"], 2, "Usage"),
    (["job", "show", "a", "b"], 2, "Usage"),
    (["start", "--mode", "neither"], 2, "Usage"),
    (["start", "--timeout"], 2, "Usage"),
    (["start", "-d", "-f"], 2, "Usage"),
    (["init", "--words", "13"], 2, "Usage"),
    (["stop", "--timeout", "soon"], 2, "Usage"),
    (["job", "submit", "--provider", "npub1wrong", "x"], 2, "Usage"),
    (["job", "submit", "--kind", "1", "x"], 2, "Usage"),
    (["job", "list"], 69, "NotRunning"),
    (["earnings"], 69, "NotRunning"),
    (["job", "submit", "x"], 69, "NotRunning"),
    (["store", "backup", "there/is/no/folder"], 73, "CannotCreate"),
    (["start", "-d"], 78, "NoKey"),
    (["status", "--config", "."], 78, "ConfigInvalid"),
])
def test_errors_are_told_in_words_and_in_json(run, args, code, name):
    said = run(*args, expect=code)
    assert said.stdout == "" and said.stderr.strip()
    done = run(*args, "--json", expect=code)
    error = json.loads(done.stdout)["error"]
    assert error["name"] == name and list(error) == ["name", "message", "hint"]
    assert done.stderr == "" and error["message"][0].isupper() or error["message"][0] in '"-'


def test_what_was_almost_a_command_is_named(run):
    assert '"status"' in run("statsu", expect=2).stderr
    assert '"earnings"' in run("earning", expect=2).stderr


def test_settings_are_printed_as_they_would_be_read(run, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('name = "a \\"quoted\\" näme"\n[provider]\nkinds = [5970]\njob_timeout = 90\n'
                      '[[backend]]\nname = "here"\ntype = "openai"\nurl = "http://127.0.0.1:9"\n[[price]]\nkind = 5970\n')
    text = run("config", "show", "--config", config).stdout
    settings = tomllib.loads(text)
    assert settings["name"] == 'a "quoted" näme' and settings["provider"]["job_timeout"] == "90s"
    lists = {"backend": [], "kind": [], "price": []}  # TOML has no way to write an empty one
    assert json.loads(run("config", "show", "--config", config, "--json").stdout) == lists | settings
    config.write_text(text)
    assert run("config", "show", "--config", config).stdout == text


def test_config_check_says_everything_at_once(run, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('nam = "x"\nnetwork = 1\n[provider]\nqueue_max = 0\n')
    done = run("config", "check", "--config", config, expect=78)
    assert re.findall(r":(\d+:\d+): (\w+):", done.stdout) == [("1:1", "warning"), ("2:11", "error"), ("4:13", "error")]
    answer = json.loads(run("config", "check", "--config", config, "--json", expect=78).stdout)
    assert answer["valid"] is False and [r["line"] for r in answer["remarks"]] == [1, 2, 4]
    assert json.loads(run("config", "check", "--json").stdout) == {
        "path": str(tmp_path / ".openagents/pylon/config.toml"), "remarks": [], "valid": True}


def test_a_home_too_long_for_a_socket_is_told(run, tmp_path):
    done = run("status", expect=78, HOME=str(tmp_path / ("x" * 90)))
    assert "107 bytes" in done.stderr


@pytest.mark.parametrize("words, offered", [
    (["job", "s"], {"show", "submit", "settle"}),
    (["age"], {"agent"}),
    (["agent", "sp"], {"spawn"}),
    (["agent", "spawn", "x", "--mind", "r"], {"rules"}),
    (["agent", "stop", "--a"], {"--all"}),
    (["start", "-d", "--mode", ""], {"provider", "host", "both"}),
])
def test_bash_reads_the_completion(run, tmp_path, words, offered):
    script = tmp_path / "completion"
    script.write_text(run("completion").stdout + f"COMP_WORDS=(pylon {' '.join(w or repr(w) for w in words)})\n"
                      f'COMP_CWORD={len(words)}; _pylon; echo "${{COMPREPLY[*]}}"\n')
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered and not done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_the_same(run, shell):
    text = run("completion", shell).stdout
    for words in verbs(run):
        assert words.split()[-1] in text
    assert "pylon completion agents" in text and "supervised" in text
    assert "bash" in run("completion", "ksh", expect=2).stderr
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n", "/dev/stdin"], input=text, capture_output=True, text=True)
        assert checked.returncode == 0 and not checked.stderr
