#!/usr/bin/env bash
# Installs emotion-edge on this board, with the same role as for a fleet:
#   cp deploy/example/group_vars/emotion_devices.yml board.yml     # and edit it
#   sudo deploy/install.sh board.yml [options of ansible-playbook, such as --check]
# UNINSTALL=1 uninstalls it.
set -euo pipefail

die() { echo "install.sh: $*" >&2; exit 2; }

[ $# -gt 0 ] || die "name the settings file: cp deploy/example/group_vars/emotion_devices.yml board.yml, edit it, then sudo $0 board.yml"
[ -r "$1" ] || die "$1 cannot be read."
[ "$(id -u)" = 0 ] || die "must run as root; run sudo $0 $*"
settings=$(realpath "$1")
shift
cd "$(dirname "$0")"

venv=/opt/emotion-edge-installer
if [ ! -x $venv/bin/ansible-playbook ]; then
    python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
    echo "installing Ansible into $venv (once)"
    python3 -m venv $venv
    $venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
fi
playbook=site.yml
[ -z "${UNINSTALL:-}" ] || playbook=uninstall.yml
exec $venv/bin/ansible-playbook --inventory installer.ini --extra-vars "@$settings" "$@" $playbook
