#!/bin/sh
# Installs QGIS on Debian or Ubuntu (as root; minutes, 2 GB) and tests the plugin in it.
set -eu
cd "$(dirname "$0")/../.."
command -v qgis_process >/dev/null || {
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y qgis python3-qgis
}
exec .venv/bin/python -m pytest tests/end_to_end/test_qgis.py "$@"
