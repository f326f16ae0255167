"""What the page about offline speech tells is what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.speech.models import LISTED_ALIASES, OWN_MODELS, require_model
from sandbox.speech.openai_errors import ApiError
from sandbox.speech.settings import SpeechSettings
from sandbox.speech.voices import KOKORO_VOICES, OPENAI_VOICES, espeak_language, kokoro_voice
from sandbox.speech.weights import load_manifest

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox-speech.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    prefix = SpeechSettings.model_config.get("env_prefix", "")
    for name, field in SpeechSettings.model_fields.items():
        known = str(field.validation_alias or f"{prefix}{name}".upper())
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{known}` |")]
        if isinstance(field.default, (int, str)):
            assert f"| `{field.default}` |" in row
        assert field.description is not None and field.description in row


def test_every_voice_of_openai_is_another_one_and_documented() -> None:
    assert len(set(OPENAI_VOICES.values())) == len(OPENAI_VOICES)
    assert set(OPENAI_VOICES.values()) <= set(KOKORO_VOICES)
    for name, own in OPENAI_VOICES.items():
        assert f"| `{name}` | `{own}` |" in PAGE


def test_every_voice_has_its_file_among_the_weights() -> None:
    files = {file.to for package in load_manifest().packages for file in package.files}
    assert {f"kokoro/voices/{voice}.bin" for voice in KOKORO_VOICES} <= files


def test_voices_are_known_by_either_name_in_any_case() -> None:
    assert kokoro_voice("Alloy") == "af_heart"
    assert kokoro_voice(" bm_lewis ") == "bm_lewis"
    assert kokoro_voice("nobody") is None
    assert espeak_language("bm_lewis") == "en-gb"
    assert espeak_language("am_adam") == "en-us"


@pytest.mark.parametrize("own", list(OWN_MODELS))
def test_every_listed_model_name_is_taken_for_its_use_and_no_other(own: str) -> None:
    for name in (own, *LISTED_ALIASES[own]):
        require_model(name, own)
        for other in set(OWN_MODELS) - {own}:
            with pytest.raises(ApiError):
                require_model(name, other)


def test_every_package_of_weights_is_documented_with_its_licence() -> None:
    for package in load_manifest().packages:
        (row,) = [
            line for line in PAGE.splitlines() if f"`{package.name}` {package.version}" in line
        ]
        assert package.licence in row


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert SpeechSettings().cache_home == Path.home() / ".cache"


def test_the_users_cache_folder_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert SpeechSettings().models_dir == Path("/somewhere/telephony/models")
