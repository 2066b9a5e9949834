#!/usr/bin/env bash
# Installs a Chromium for the browser test, where that is possible. Where it is not, that test is
# skipped with a reason, so this never fails.
#
#     tests/browser/install_browser.sh [PYTHON]    (PYTHON: of an environment with playwright)
set -u

for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    if command -v "$name" >/dev/null 2>&1; then
        echo "The browser test will use $(command -v "$name")."
        exit 0
    fi
done
if [ -n "${SLAE_TEST_BROWSER:-}" ]; then
    echo "The browser test will use $SLAE_TEST_BROWSER."
    exit 0
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    if apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 ||
        { apt-get update -qq >/dev/null 2>&1 &&
            apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1; }
    then
        if command -v chromium >/dev/null 2>&1; then
            echo "Chromium was installed for the browser test."
            exit 0
        fi
    fi
fi

if "${1:-python3}" -m playwright install chromium >/dev/null 2>&1; then
    echo "Playwright's own Chromium was installed for the browser test."
    exit 0
fi
echo "No browser could be installed; the browser test will be skipped."
