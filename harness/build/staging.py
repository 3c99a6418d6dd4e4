# SPDX-License-Identifier: GPL-2.0-only
"""The folder that gen_init_cpio runs in: what goes into a guest image, under the names that its list has."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import proc
from harness.build.image import DESCRIPTION, Extra, Image, staged
from harness.build.kmod import Modules
from harness.build.selftests import Selftests

# Where the programs of the kernels' own tests are in the guest, in a folder for each release.
PROGRAMS = "/lib/selftests"


def stage_extra(
    work: Path, libraries: Sequence[str], modules: Mapping[str, Modules], load: Sequence[str]
) -> list[Extra]:
    """Put libraries and modules into the folder that gen_init_cpio runs in; return what they become."""
    extra: list[Extra] = []
    for library in libraries:
        (work / staged(library)).symlink_to(library)
        extra.append(Extra(path=library, mode="755"))
    for release, found in modules.items():
        folder = f"/lib/modules/{release}"
        for file in found.files:
            extra.append(Extra(path=f"{folder}/{file.name}"))
            (work / staged(extra[-1].path)).symlink_to((found.directory / file).absolute())
        extra.append(Extra(path=f"{folder}/modules.load"))
        names = [name for name in load if name in found.names]
        (work / staged(extra[-1].path)).write_text(" ".join(names) + "\n")
    return extra


def stage_selftests(work: Path, selftests: Mapping[str, Selftests]) -> list[Extra]:
    """Put the kernels' own tests there: modules beside ours, programs in a folder of each release."""
    extra: list[Extra] = []
    for release, found in selftests.items():
        placed = [(f"/lib/modules/{release}", file, "644") for file in found.modules]
        placed += [(f"{PROGRAMS}/{release}", file, "755") for file in found.programs]
        for folder, file, mode in placed:
            extra.append(Extra(f"{folder}/{file.name}", mode))
            (work / staged(extra[-1].path)).symlink_to(file.absolute())
    return extra


def stage_files(work: Path, image: Image, built: Mapping[str, Path], client_public: str) -> None:
    """Put what the description names there; built: what was built, by its word for that."""
    for file in image.files:
        target = work / staged(file.path)
        if file.text is not None:
            target.write_text(file.text)
        elif file.built == "authorized_keys":
            target.write_text(client_public + "\n")
        elif file.built is not None:
            target.symlink_to(built[file.built])
        elif file.source is not None:
            target.symlink_to(DESCRIPTION.parent / file.source)
        else:
            target.symlink_to(str(file.host))


def archive(work: Path, entries: str, archiver: Path, target: Path) -> None:
    """Make the archive by the kernel's own tool: no root needed. Times are 0: same in, same out."""
    program = work / "gen_init_cpio"
    proc.run(["gcc", "-O2", "-o", program, archiver])
    (work / "list").write_text(entries)
    proc.run([program, "-t", "0", "-o", target, "list"], cwd=work)
