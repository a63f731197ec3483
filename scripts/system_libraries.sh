#!/bin/sh
# Install what Qt and OpenGL need on Debian and Ubuntu, if anything is missing; elsewhere there is nothing to do.
set -eu
command -v dpkg-query >/dev/null 2>&1 || exit 0

packages="xvfb xauth libgl1-mesa-dri libgl1 libegl1 libopengl0 libglib2.0-0 libdbus-1-3 libfontconfig1
libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxcb-render-util0 libxcb-xinerama0
libxcb-image0 libxcb-randr0 libxcb-xfixes0"
missing=""
for package in $packages; do
    # a renamed package (libglib2.0-0t64) counts through what it provides
    dpkg-query -W -f '${Status} ${Package} ${Provides}\n' 2>/dev/null | grep -Eq "^install ok installed .*\b$package\b" \
        || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests of the window need system libraries. Run this, then the same command again:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
