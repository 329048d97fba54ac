#!/usr/bin/env python3
"""Each translation in po/ has what the programs for people say: all texts of pylon, of the settings, of the
TOML reader, and what agents want to do. Services speak English, to logs and to Nostr."""
import re
import shutil
import subprocess
import sys

from source import report, root

SPOKEN = ("src/cli/", "src/lib/basic/config", "src/lib/basic/toml", "src/lib/mind/")
ENTRY = re.compile(r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?msgstr(?:\[0\])? ((?:".*"\n)+)', re.M)
QUOTED = re.compile(r'^"(.*)"$', re.M)


def entries(text):
    """msgid → msgstr, both as they are written."""
    return {"".join(QUOTED.findall(a)): "".join(QUOTED.findall(b)) for a, b in ENTRY.findall(text + "\n")}


def texts():
    files = [f for f in (root() / "po/POTFILES").read_text().split() if f.startswith(SPOKEN)]
    made = subprocess.run(["xgettext", "--from-code=UTF-8", "--keyword=_", "--keyword=N_", "--no-location", "-o", "-", *files],
                          cwd=root(), check=True, capture_output=True, text=True).stdout
    return [text for text in entries(made) if text]


def problems():
    spoken = texts()
    for language in (root() / "po/LINGUAS").read_text().split():
        path = root() / f"po/{language}.po"
        checked = subprocess.run(["msgfmt", "--check-format", "-o", "/dev/null", path], capture_output=True, text=True, check=False)
        yield from checked.stderr.splitlines()
        there = entries(path.read_text())
        for text in spoken:
            if not there.get(text):
                yield f'po/{language}.po: "{text}" has no translation'


if not shutil.which("xgettext") or not shutil.which("msgfmt"):
    print("gettext is not here")
    sys.exit(77)
report(problems(), "all texts of pylon are translated")
