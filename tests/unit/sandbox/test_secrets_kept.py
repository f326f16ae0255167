"""Secrets stay as long as the database that knows them."""

from __future__ import annotations

from pathlib import Path

from sandbox import secrets_kept


def test_an_api_key_is_kept_with_its_database(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = secrets_kept.load(path, database_exists=False)
    made.api_key = "tk_made"
    secrets_kept.save(path, made)
    assert secrets_kept.load(path, database_exists=True) == made
    assert path.stat().st_mode & 0o077 == 0


def test_an_api_key_is_forgotten_with_its_database_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = secrets_kept.load(path, database_exists=False)
    made.api_key = "tk_made"
    secrets_kept.save(path, made)
    again = secrets_kept.load(path, database_exists=False)
    assert again.api_key == ""
    assert again.token_secret == made.token_secret


def test_a_broken_file_is_replaced_by_new_secrets(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text("{")
    assert len(secrets_kept.load(path, database_exists=True).livekit_secret) >= 32
