#!/usr/bin/env python3
"""Every #include goes down a layer; every foreign library has one home. The tables are LAYOUT's."""
import re

from source import c_files, report

LAYERS = {"basic": 0, "nostr": 1, "money": 1, "net": 2, "bus": 2, "client": 3, "market": 4, "mind": 4}
SERVICE = 5
HOMES = {
    "json-c/": "lib/basic/json.c",
    "gnutls/": "lib/basic/crypt.c",
    "nettle/": "lib/basic/sha256.c",
    "secp256k1": "lib/basic/secp.c",
    "sqlite3.h": "lib/basic/sql.c",
    "systemd/sd-journal.h": "lib/basic/log.c",
    "curl/": "lib/net/",
    "qrencode.h": "cli/qr.c",
    "libwebsockets.h": "lib/net/",
    "uv.h": "lib/net/",
    "openssl/": "lib/net/",
    "cmocka.h": "tests/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)')


def foreign_problem(name, what):
    for prefix, home in HOMES.items():
        at_home = name.startswith(home) if home.endswith("/") else name == home
        if what.startswith(prefix) and not at_home:
            return f"<{what}> belongs to {home}"
    return None


def own_problem(name, what):
    in_library = name.startswith("lib/")
    if "/" not in what:
        return f'"{what}": library headers are named with their folder' if in_library else None
    folder = name.split("/")[1] if in_library else name.split("/")[0]
    mine = LAYERS[folder] if in_library else SERVICE
    other = what.split("/")[0]
    if other not in LAYERS:
        return f'"{what}": no such folder in the library'
    if LAYERS[other] > mine or (LAYERS[other] == mine and other != folder):
        return f'"{what}" is not below {folder}'
    return None


def problems():
    for path, name in c_files("src"):
        name = name.removeprefix("src/")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, what = match.groups()
            problem = foreign_problem(name, what) if kind == "<" else own_problem(name, what)
            if problem:
                yield f"src/{name}:{number}: {problem}"


report(problems(), "all includes go down")
