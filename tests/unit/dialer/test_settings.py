"""Settings name everything that is wrong at once, and never repeat a value."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dialer.setting_checks import trunk_host
from dialer.settings import Settings, TokenSettings, load

GOOD = {
    "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "livekit-secret-of-the-tests-32-and-more",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def use(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**GOOD, **changes}.items():
        monkeypatch.setenv(name, value)


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        load(Settings)
    assert left.value.code == 2
    return capsys.readouterr().err


def test_every_missing_name_is_told_at_once_with_its_shape(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = refused(capsys)
    for name in GOOD:
        assert f"{name} is missing" in told
    assert "redis://127.0.0.1:6379/0" in told


def test_a_whole_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, SIP_CALLER_IDS="+1 415 555 0198, +14155550199", LOG_LEVEL="debug")
    found = load(Settings)
    assert found.sip_caller_ids == ("+14155550198", "+14155550199")
    assert found.base_url == "http://127.0.0.1:8000"
    assert found.browser_livekit_url == "ws://127.0.0.1:7880"
    assert found.log_level == "DEBUG"


def test_a_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [f"{name}={value}" for name, value in GOOD.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "DEPLOYMENT=file", "API_PORT=9"]))
    monkeypatch.setenv("DEPLOYMENT", "env")
    found = load(Settings)
    assert (found.deployment, found.api_port) == ("env", 9)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("TOKEN_SECRET", "short-but-secret", "at least 32 characters"),
        ("LIVEKIT_API_SECRET", "short-but-secret", "at least 32 characters"),
        ("TOKEN_SECRET", "x" * 64, "a placeholder"),
        ("TOKEN_SECRET", "0123" * 16, "a placeholder"),
        ("LIVEKIT_API_SECRET", "please-change-me-please-change-me-please", "a placeholder"),
        ("LIVEKIT_API_SECRET", "replace-this-with-32-random-characters", "a placeholder"),
        ("TOKEN_SECRET", "$(openssl rand -hex 32) and some more", "a placeholder"),
        ("LIVEKIT_URL", "10.9.8.7:1234", "ws://"),
        ("LIVEKIT_URL", "ws://media.example/rtc", "without a path"),
        ("LIVEKIT_URL", "wss://", "a host"),
        ("LIVEKIT_PUBLIC_URL", "wss://media.example/?a=b", "without a path"),
        ("REDIS_URL", "localhost", "redis://"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x", "postgresql://"),
        ("SIP_TRUNK_ADDRESS", "sip:carrier.example", "without sip:"),
        ("SIP_TRUNK_ADDRESS", "carrier.example;transport=udp", "without sip:"),
        ("SIP_TRUNK_ADDRESS", "carrier.example:70000", "port"),
        ("SIP_TRUNK_MEDIA_ENCRYPTION", "always", "'disable', 'allow' or 'require'"),
        ("SIP_CALLER_IDS", "2125550177", "E.164"),
        ("ALLOWED_COUNTRIES", "US,USA", "ISO 3166"),
        ("ALLOWED_COUNTRIES", "US,+44", "ISO 3166"),
        ("ALLOWED_COUNTRIES", "US,*", "no wildcard"),
        ("DEPLOYMENT", "Prod 1", "DEPLOYMENT"),
        ("API_PORT", "eighty", "API_PORT"),
    ],
)
def test_a_wrong_value_is_told_by_its_shape_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    hint: str,
) -> None:
    use(monkeypatch, **{name: value})
    told = refused(capsys)
    assert hint in told
    assert name in told
    assert value not in told


def test_trunk_credentials_and_caller_ids_go_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, SIP_TRUNK_USERNAME="u")
    assert "go together" in refused(capsys)
    use(monkeypatch, SIP_TRUNK_USERNAME="", SIP_TRUNK_ADDRESS="carrier.example")
    assert "SIP_CALLER_IDS" in refused(capsys)


def test_a_fallback_is_set_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, LIVEKIT_FALLBACK_URL="wss://example.livekit.cloud")
    assert "LIVEKIT_FALLBACK_API_SECRET" in refused(capsys)
    secret = "another-livekit-secret-of-32-and-more"
    use(monkeypatch, LIVEKIT_FALLBACK_API_KEY="key", LIVEKIT_FALLBACK_API_SECRET=secret)
    assert load(Settings).fallback_deployment == "telfb"
    use(monkeypatch, LIVEKIT_FALLBACK_URL="wss://example.livekit.cloud/path")
    assert "without a path" in refused(capsys)


def test_without_a_fallback_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert load(Settings).fallback_deployment is None


def test_srtp_keys_do_not_travel_in_clear(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, SIP_TRUNK_MEDIA_ENCRYPTION="require")
    assert "needs SIP_TRUNK_TRANSPORT=tls" in refused(capsys)
    use(monkeypatch, SIP_TRUNK_TRANSPORT="tls")
    found = load(Settings)
    assert (found.sip_trunk_transport, found.sip_trunk_media_encryption) == ("tls", "require")


def test_countries_are_those_of_the_caller_ids_until_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, SIP_CALLER_IDS="+14155550198,+442079460018,+18005550100")
    assert load(Settings).countries == {"US", "GB"}
    use(monkeypatch, ALLOWED_COUNTRIES=" us, CA,us ")
    assert load(Settings).allowed_countries == ("US", "CA")
    assert load(Settings).countries == {"US", "CA"}


def test_caller_ids_of_no_country_need_countries_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, SIP_CALLER_IDS="+883510012345")
    assert "ALLOWED_COUNTRIES is needed" in refused(capsys)
    use(monkeypatch, ALLOWED_COUNTRIES="US")
    assert load(Settings).countries == {"US"}


def test_secrets_are_not_shown_by_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, DATABASE_URL="postgresql://u:hunter2@h/d")
    shown = repr(load(Settings))
    assert (
        "hunter2" not in shown
        and "token-secret-of-the-tests-32-and-more" not in shown
        and "livekit-secret-of-the-tests-32-and-more" not in shown
    )


@pytest.mark.parametrize("address", ["a.example", "a.example:5061", "127.0.0.1:5060", "[::1]:5060"])
def test_a_trunk_is_a_host_and_a_port(address: str) -> None:
    assert trunk_host(address) == address


@pytest.mark.parametrize("keys", ["short", f"{'abcdefgh' * 4},short", f"{'abcdefgh' * 4},"])
def test_each_key_that_seals_is_a_long_one(keys: str) -> None:
    with pytest.raises(ValidationError, match="at least 32"):
        Settings.model_validate({"secrets_key": keys})


def test_without_a_key_of_their_own_passwords_are_sealed_with_the_tokens_secret() -> None:
    token = "token-secret, of the tests, 32 and more"
    settings = TokenSettings.model_validate({"token_secret": token})
    assert settings.sealing_secrets == (token,)
    keys = f"{'abcdefgh' * 4}, {'ijklmnop' * 4}"
    settings = TokenSettings.model_validate({"token_secret": token, "secrets_key": keys})
    assert settings.sealing_secrets == ("abcdefgh" * 4, "ijklmnop" * 4)
