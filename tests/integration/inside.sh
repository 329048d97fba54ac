#!/bin/bash
# Runs inside the testbed: installs what `DESTDIR=… meson install` made, as a package would, and runs
# the tests which need a service manager.  inside.sh DEST PYTEST-ARGUMENTS…
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cp -a "$1"/. /
shift
systemd-sysusers
systemd-tmpfiles --create /usr/lib/tmpfiles.d/pylon.conf
journalctl --update-catalog
useradd -m -s /bin/bash op
loginctl enable-linger op
systemctl daemon-reload
busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig >/dev/null
uid=$(id -u op)
systemctl start "user@$uid.service"
cd "$here"
exec /usr/bin/python3 -m pytest -p no:cacheprovider "$@"
