#!/usr/bin/env python3
"""The tables of the code against what people read: verbs and settings against the man pages, message ids
against the catalog, programs and units against their pages."""
import re

from source import c_files, report, root

CATALOG_ENTRY = re.compile(r"^-- ([0-9a-f]{32})$", re.M)
LOG_ID = re.compile(r'#define LOG_ID_(\w+)\s+"([0-9a-f]{32})"')
# A row of a table, in the order of STYLE section 6: { NULL or "group", "name", …
ROW = re.compile(r'^\s*\{\s*(NULL|"[\w.-]*")\s*,\s*"([\w-]+)"\s*,', re.M)


def read(name):
    path = root() / name
    return path.read_text() if path.exists() else None


def rows(name):
    """The (group, name) rows of the table in a file: not finding any is a problem of this check."""
    found = [(None if g == "NULL" else g.strip('"') or None, n) for g, n in ROW.findall(read(name))]
    return found


def verb_problems():
    if not (root() / "src/cli/main.c").exists():
        return
    verbs, page = rows("src/cli/main.c"), read("man/pylon.1.scd")
    if not verbs:
        yield "src/cli/main.c: no row of the table of verbs was recognised"
    if page is None:
        yield "man/pylon.1.scd: is not there"
        return
    for group, verb in verbs:
        words = f"{group} {verb}" if group else verb
        if not re.search(rf"^\*{re.escape(words)}\*", page, re.M):
            yield f"man/pylon.1.scd: *{words}* has no paragraph"
    described = re.findall(r"^\*([a-z]+(?: [a-z]+)?)\*", page.split("# OPTIONS")[0].split("# COMMANDS")[-1], re.M)
    for words in described:
        group, _, verb = words.rpartition(" ")
        if (group or None, verb) not in verbs:
            yield f"man/pylon.1.scd: *{words}* is no verb of src/cli/main.c"


def settings_problems(table, page_name):
    if not (root() / table).exists():
        return
    settings, page = rows(table), read(page_name)
    if not settings:
        yield f"{table}: no row of the table of settings was recognised"
    if page is None:
        yield f"{page_name}: is not there"
        return
    for _, key in settings:
        if not re.search(rf"^\*{re.escape(key)}\*", page, re.M):
            yield f"{page_name}: *{key}* has no paragraph"


def config_problems():
    yield from settings_problems("src/lib/basic/config.c", "man/pylon.toml.5.scd")


def agent_settings_problems():
    """Those of an agent, and the other way round: what the page explains is a setting."""
    table, page_name = "src/host/settings.c", "man/pylon-agent.toml.5.scd"
    yield from settings_problems(table, page_name)
    keys = {key for _, key in rows(table)}
    for key in re.findall(r"^\*([a-z0-9_]+)\* \(", read(page_name) or "", re.M):
        if key not in keys:
            yield f"{page_name}: *{key}* is no setting of {table}"


def action_problems():
    """What an agent may do."""
    page = read("man/pylon-agent.8.scd") or ""
    names = [n for path, _ in c_files("src/lib/mind") for n in re.findall(r'^\s*\.name = "(\w+)",$', path.read_text(), re.M)]
    if not names:
        yield "src/lib/mind: no action was recognised"
    for name in names:
        if not re.search(rf"^\*{re.escape(name)}\* \{{", page.replace("\\_", "_"), re.M):
            yield f"man/pylon-agent.8.scd: *{name}* has no paragraph"


def catalog_problems():
    ids = {value: name for name, value in LOG_ID.findall(read("src/lib/basic/log-id.h"))}
    catalog = read("units/pylon.catalog")
    if not ids:
        yield "src/lib/basic/log-id.h: no id was recognised"
    if catalog is None:
        yield "units/pylon.catalog: is not there"
        return
    described = CATALOG_ENTRY.findall(catalog)
    for value, name in ids.items():
        if value not in described:
            yield f"units/pylon.catalog: LOG_ID_{name} ({value}) is not explained"
    for value in described:
        if value not in ids:
            yield f"units/pylon.catalog: {value} is no id of log-id.h"
        if described.count(value) > 1:
            yield f"units/pylon.catalog: {value} is there twice"


def page_problems():
    """A unit starts a program, and every program has a page."""
    for unit in sorted((root() / "units").rglob("*.service")):
        program = unit.name.removesuffix(".service").split("@")[0]
        if not (root() / f"man/{program}.8.scd").exists():
            yield f"man/{program}.8.scd: is not there, and units/{unit.relative_to(root() / 'units')} starts {program}"


def po_problems():
    """A text in _() is only translated where po/POTFILES knows its file."""
    listed = [line for line in read("po/POTFILES").splitlines() if line]
    found = [name for path, name in c_files("src") if re.search(r'\bN?_\("', path.read_text())]
    for name in sorted(set(found) - set(listed)):
        yield f"po/POTFILES: {name} has texts for people and is not listed"
    for name in sorted(set(listed) - set(found)):
        yield f"po/POTFILES: {name} has no text for people, or is not there"
    if listed != sorted(listed):
        yield "po/POTFILES: is not in order"


def problems():
    for check in (verb_problems, config_problems, agent_settings_problems, action_problems, catalog_problems, page_problems, po_problems):
        yield from check()


report(sorted(set(problems())), "tables and pages agree")
