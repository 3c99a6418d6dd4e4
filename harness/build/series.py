# SPDX-License-Identifier: GPL-2.0-only
"""A patch series as people send it: an mbox, single patches, a folder of them; for the kernel, and for us.

In the store it is a folder of patch(1) files in their order. What it changes of this project's `kmod/` and
`kernel/` is applied to a copy of these, so that one side is built of the copy.
"""

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from harness.build.patch import apply_series, touched_files
from harness.build.store import Store
from harness.build.variant import PatchError
from harness.errors import UsageError
from harness.proc import ProcessError, run

ROOT = Path(__file__).parents[2]
# Files of ours: Linux has a folder kernel/ too, and none of these in it.
_OURS = re.compile(r"^(?:kmod/|kernel/(?:patches|config)/|kernel/kernels\.yaml$|docs/|scenarios/|harness/)")
# Of ours, what a side is built of.
BUILT = ("kmod", "kernel")
SUFFIXES = (".patch", ".diff", ".mbox", ".eml")
_MAIL = re.compile(rb"\A(?:From |[A-Za-z-]+: )")
_NUMBER = re.compile(r"\[[^]]*PATCH[^]]*?\b0*(\d+)/\d+\]")
_TITLES = "titles"
# Of the number in front of a patch's name.
DIGITS = 4


@dataclass(frozen=True)
class Series:
    """Patches in their order: their titles, those for the kernel, those for us, the files that they name."""

    titles: tuple[str, ...]
    kernel: tuple[Path, ...]
    ours: tuple[Path, ...]
    files: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What tells it from another one: of its patches, in their order. Empty: there are none."""
        every = sorted((*self.kernel, *self.ours), key=lambda patch: patch.name)
        parts = b"".join(hashlib.sha256(patch.read_bytes()).digest() for patch in every)
        return hashlib.sha256(parts).hexdigest()[:16] if parts else ""

    def first(self, count: int) -> "Series":
        """The first patches."""
        kernel, ours = (
            tuple(patch for patch in patches if int(patch.name[:DIGITS]) <= count)
            for patches in (self.kernel, self.ours)
        )
        return Series(self.titles[:count], kernel, ours, touched_files((*kernel, *ours)))


@dataclass(frozen=True)
class _Patch:
    title: str
    text: bytes
    number: int | None


def obtain_series(store: Store, arguments: Sequence[Path]) -> Series:
    """The series that files and folders make together, in the store.

    Raises UsageError when there is no patch in one of them, or one is for the kernel and for us at once.
    """
    files = [file for argument in arguments for file in patch_files(argument)]
    digests = {
        f"{n} {file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for n, file in enumerate(files)
    }

    def make(draft: Path) -> None:
        patches = [patch for file in files for patch in read_patches(file)]
        if not patches:
            raise UsageError(f"{', '.join(map(str, arguments))}: there is no patch in it")
        folder = draft / "series"
        folder.mkdir()
        for number, patch in enumerate(patches, 1):
            (folder / f"{number:0{DIGITS}}-{_slug(patch.title)}.patch").write_bytes(patch.text)
        (draft / _TITLES).write_text("".join(f"{patch.title}\n" for patch in patches), encoding="utf-8")

    entry = store.obtain("series", _slug(files[0].stem), {"recipe": "1", **digests}, make)
    patches = sorted((entry / "series").iterdir())
    ours = tuple(patch for patch in patches if is_ours(patch))
    titles = tuple((entry / _TITLES).read_text(encoding="utf-8").splitlines())
    kernel = tuple(patch for patch in patches if patch not in ours)
    return Series(titles, kernel, ours, touched_files(patches))


def patch_files(argument: Path) -> list[Path]:
    """A file, or those in a folder: in the order of its `series` file, or sorted."""
    if argument.is_file():
        return [argument]
    if not argument.is_dir():
        raise UsageError(
            f"{argument}: no such file or folder; a series is an mbox, a patch, or a folder of them"
        )
    order = argument / "series"
    if order.is_file():
        names = [line.partition("#")[0].split() for line in order.read_text(encoding="utf-8").splitlines()]
        found = [argument / words[0] for words in names if words]
    else:
        found = sorted(file for file in argument.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise UsageError(f"{argument}: no patch in this folder: {', '.join(f'*{one}' for one in SUFFIXES)}")
    for file in found:
        if not file.is_file():
            raise UsageError(f"{order}: {file.name} does not exist")
    return found


def read_patches(file: Path) -> list[_Patch]:
    """The patches in a file, in their order; mails without a patch (a cover letter, a reply) are left out."""
    text = file.read_bytes()
    if not _MAIL.match(text):
        found = [_Patch(file.stem, text, None)]
    else:
        with _mails(file) as mails:
            found = [_read_mail(mail, file) for mail in mails]
    found = [patch for patch in found if re.search(rb"^\+\+\+ ", patch.text, re.MULTILINE)]
    numbers = [patch.number for patch in found]
    if None not in numbers and len(set(numbers)) == len(numbers):
        # A mailbox has them in the order in which they came.
        found.sort(key=lambda patch: patch.number or 0)
    elif len(found) > 1 and len(set(numbers)) < len(numbers) and None not in numbers:
        raise UsageError(f"{file}: more than one patch has the same number: is it more than one version?")
    return found


@contextlib.contextmanager
def _mails(file: Path) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="mails-") as folder:
        try:
            run(["git", "mailsplit", f"-o{folder}", "-b", "--keep-cr", "--", file.absolute()])
        except ProcessError as error:
            raise UsageError(f"{file}: not a mailbox: {error.tail.strip()}") from error
        yield sorted(path for path in Path(folder).iterdir() if path.name.isdecimal())


def _read_mail(mail: Path, file: Path) -> _Patch:
    """A mail as git am(1) understands it: encodings undone, what is said about the patch left away."""
    message, patch = mail.with_suffix(".message"), mail.with_suffix(".patch")
    try:
        with mail.open(encoding="utf-8", errors="surrogateescape") as text:
            said = run(["git", "mailinfo", "-b", message, patch], stdin=text, cwd=mail.parent)
    except ProcessError as error:
        raise UsageError(f"{file}: a mail in it is not understood: {error.tail.strip()}") from error
    title = next((line[9:] for line in said.splitlines() if line.startswith("Subject: ")), "")
    subject = " ".join(str(message_from_bytes(mail.read_bytes()).get("Subject", "")).split())
    number = _NUMBER.search(subject)
    title = re.sub(r"^\[[^]]*PATCH[^]]*\]\s*", "", title) or file.stem
    return _Patch(title, patch.read_bytes(), int(number[1]) if number else None)


def is_ours(patch: Path) -> bool:
    """Whether a patch is for this project. Raises UsageError when it is for the kernel too."""
    files = touched_files([patch])
    found = [name for name in files if _OURS.match(name)]
    if found and len(found) < len(files):
        other = next(name for name in files if name not in found)
        raise UsageError(
            f"{patch.name} changes {found[0]} of this project and {other} of the kernel: make it two patches"
        )
    return bool(found)


def obtain_project(store: Store, patches: Sequence[Path], root: Path = ROOT) -> Path:
    """This project's kmod/ and kernel/ after patches. Raises PatchError when one does not apply."""
    if not patches:
        return root
    sources = [file for name in BUILT for file in sorted((root / name).rglob("*")) if file.is_file()]
    files = [*patches, *sources]
    inputs = {
        f"{n} {file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for n, file in enumerate(files)
    }

    def make(draft: Path) -> None:
        target = draft / "project"
        for name in BUILT:
            shutil.copytree(root / name, target / name)
        patched = apply_series(root, target, patches)
        for patch, reason in patched.rejected:
            raise PatchError(f"{patch} does not apply: {reason}")

    return store.obtain("series", "project", inputs, make) / "project"


def _slug(text: str) -> str:
    """A title as the name of a file, as git format-patch(1) has it."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[:52] or "patch"
