"""A student's results as one signed file for a teacher; docs/decisions/0087 says what the signature is worth."""

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from labkit.course.manifest import Course, Lab
from labkit.course.results import results
from labkit.course.student import Student
from labkit.course.workspace import lab_folder, moved
from labkit.errors import CannotRun
from labkit.stack.ports import DEFAULT_BASE
from labkit.stack.record import write_whole

FORMAT = "observability-lab-results/1"
ENDING = "-results.json"


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one check found at the last try."""

    name: str
    verdict: str
    seen: str


class LabResults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One lab of one student: what labkit.course.results keeps, the student's numbers, digests of the work files."""

    started: float
    checked: float
    passed: float
    tries: int
    hints: int
    solved: str
    findings: list[Found]
    numbers: dict[str, int]
    files: dict[str, str]
    """SHA-256 (hex) of each file that the manifest lists and that is there; ports as in the starter."""


class StudentResults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All labs that a student has started, by their numbers."""

    student: str
    course: str
    """The course's digest: results of another course cannot be compared."""
    time: float
    labs: dict[str, LabResults]


class SignedResults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: key and signature are Ed25519, in base64."""

    format: str
    public_key: str
    signature: str
    results: StudentResults

    def genuine(self) -> bool:
        """Tell whether the signature fits the content."""
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public_key, validate=True))
            key.verify(base64.b64decode(self.signature, validate=True), _signed(self.public_key, self.results))
        except (ValueError, InvalidSignature):  # binascii's error is a ValueError
            return False
        return True


def collected(course: Course, work: Path, student: Student, base: int) -> StudentResults:
    """Return what a student has done. Raises CannotRun before the first lab."""
    known = results(work)
    labs = {}
    for lab in course.labs:
        if (one := known.get(lab.number)) is not None:
            labs[lab.number] = LabResults(
                started=float(one.started),
                checked=float(one.checked),
                passed=float(one.passed),
                tries=one.tries,
                hints=one.hints,
                solved=one.solved,
                findings=[
                    Found(**{part: finding[part] for part in Found.__struct_fields__}) for finding in one.findings
                ],
                numbers=student.numbers(lab),
                files=file_digests(lab, lab_folder(lab, work), base),
            )
    if not labs:
        raise CannotRun(f"no lab has been started in {work}; next: lab start {course.labs[0].number}")
    return StudentResults(student.name, course_digest(course), time.time(), labs)


def signed(found: StudentResults, key: Ed25519PrivateKey) -> SignedResults:
    """Sign a student's results."""
    public = _base64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return SignedResults(FORMAT, public, _base64(key.sign(_signed(public, found))), found)


def write_results(file: SignedResults, folder: Path) -> Path:
    """Write NAME-results.json. Raises CannotRun when the folder does not take it."""
    name = re.sub(r"[^\w.-]+", "-", file.results.student).strip("-.") or "student"
    path = folder / f"{name}{ENDING}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(msgspec.to_builtins(file), indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CannotRun(f"{path} cannot be written ({error.strerror}); next: lab export --to FOLDER") from error
    return path


def signing_key(work: Path) -> Ed25519PrivateKey:
    """Return the key of this work folder, made at the first call and readable by its owner alone."""
    path = work / ".course" / "signing-key.pem"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key(path)
    key = Ed25519PrivateKey.generate()
    with os.fdopen(new, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def course_digest(course: Course) -> str:
    """Return the digest of the manifest and of all checks: what decides about a pass."""
    root = course.labs[0].root
    files = [root / "labs.toml", *(lab.check_file for lab in course.labs)]
    whole = hashlib.sha256()
    for path in files:
        content = path.read_bytes() if path.is_file() else b""
        whole.update(f"{path.relative_to(root)} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def file_digests(lab: Lab, folder: Path, base: int = DEFAULT_BASE) -> dict[str, str]:
    """Return the digests of a lab's files in a folder, with the ports of the default base: equal work is equal."""
    found = {}
    for name in lab.files:
        try:
            text = (folder / name).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            continue
        found[name] = hashlib.sha256(moved(text, DEFAULT_BASE, base).encode("utf-8", "surrogateescape")).hexdigest()
    return found


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, Ed25519PrivateKey):
            return key
        why = "no Ed25519 key"
    except (OSError, ValueError, TypeError) as error:
        why = str(error)
    raise CannotRun(f"{path} cannot be used ({why}); next: move it away, then lab export makes another")


def _signed(public_key: str, found: StudentResults) -> bytes:
    """Return the bytes under the signature: the content in one way of writing, however the file is laid out."""
    facts: Mapping[str, Any] = {"format": FORMAT, "key": public_key, "results": msgspec.to_builtins(found)}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
