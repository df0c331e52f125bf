"""The file of a backup: a tar of the dumps, the records and a manifest with their digests."""

import hashlib
import os
import tarfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from medusa.cannot_start import CannotStart

FORMAT = 1
MANIFEST, RECORDS = "manifest.json", "usage.jsonl"
CHUNK = 1 << 20
MANIFEST_BYTES_MAX = 1 << 20


class Member(Struct, frozen=True):
    """One file inside. `role`: database, logs or records; `engine` sqlite, postgresql, mysql or ''."""

    name: str
    role: str
    engine: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    format: int
    created_s: int
    partitions: int
    entries: int  # usage records
    members: list[Member]

    def find(self, role: str) -> Member | None:
        return next((member for member in self.members if member.role == role), None)


def digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as data:
        while chunk := data.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def write(target: Path, folder: Path, roles: dict[str, tuple[str, str]], *, partitions: int, entries: int) -> Manifest:
    """Pack files of a folder; `roles`: name -> (role, engine). The target appears whole or not at all, for its owner alone."""
    members = [
        Member(name, role, engine, (folder / name).stat().st_size, digest(folder / name))
        for name, (role, engine) in roles.items()
    ]
    manifest = Manifest(FORMAT, int(time.time()), partitions, entries, members)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    fresh = target.with_name(target.name + ".writing")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=3) as tar:
            for name in (MANIFEST, *roles):
                tar.add(folder / name, arcname=name, recursive=False)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(target)
    return manifest


def read(source: Path, folder: Path) -> Manifest:
    """Unpack into a folder what the manifest names, and nothing else. Raises CannotStart for a file that is damaged."""
    try:
        with tarfile.open(source, "r:gz") as tar:
            head = tar.extractfile(MANIFEST)
            if head is None:
                raise KeyError(MANIFEST)
            manifest = msgspec.json.decode(head.read(MANIFEST_BYTES_MAX), type=Manifest)
            if manifest.format != FORMAT:
                raise CannotStart(f"{source} has format {manifest.format}; this version reads format {FORMAT}.")
            for member in manifest.members:
                _extract(tar, member, folder)
    except (tarfile.TarError, KeyError, EOFError, OSError, msgspec.MsgspecError) as error:
        raise CannotStart(f"{source} is not a backup, or is damaged: {error}") from None
    return manifest


def _extract(tar: tarfile.TarFile, member: Member, folder: Path) -> None:
    data = tar.extractfile(member.name)
    if data is None or Path(member.name).name != member.name:
        raise KeyError(member.name)
    target = folder / member.name
    with target.open("wb") as out:
        while chunk := data.read(CHUNK):
            out.write(chunk)
    if digest(target) != member.sha256:
        raise CannotStart(f"{member.name} inside the backup is damaged: its digest differs.")
