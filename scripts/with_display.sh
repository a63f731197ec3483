#!/bin/sh
# Run a command on the display that there is, or under a virtual one.
set -eu
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec xvfb-run -a -s "-screen 0 1920x1200x24" "$@"
fi
exec "$@"
