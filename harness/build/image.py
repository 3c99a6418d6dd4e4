# SPDX-License-Identifier: GPL-2.0-only
"""The description of a guest image (guests/*.yaml), and the list that gen_init_cpio makes an archive from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from harness.errors import HarnessError

DESCRIPTION = Path(__file__).parents[2] / "guests" / "default.yaml"
# gen_init_cpio separates the fields of its list by spaces and knows no quotes.
ImagePath = Annotated[str, Field(pattern=r"^/[\w./+\[-]+$")]
Mode = Annotated[str, Field(pattern=r"^[0-7]{3,4}$")]
Built = Literal["agent", "authorized_keys", "host_key"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Node(_Model):
    """A device node."""

    path: ImagePath
    mode: Mode
    type: Literal["b", "c"]
    major: int
    minor: int


class File(_Model):
    """A regular file: from the build host, from beside the description, made by the build, or its text."""

    path: ImagePath
    mode: Mode = "644"
    host: str | None = None
    libraries: bool = False
    source: str | None = None
    built: Built | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "File":
        origins = (self.host, self.source, self.built, self.text)
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("needs exactly one of: host, source, built, text")
        if self.libraries and self.host is None:
            raise ValueError("libraries: only with host")
        return self


class Image(_Model):
    """A whole image."""

    directories: dict[ImagePath, Mode] = {}
    nodes: tuple[Node, ...] = ()
    links: dict[ImagePath, str] = {}
    applets: Annotated[tuple[str, ...], BeforeValidator(lambda text: tuple(str(text).split()))] = ()
    # Names of the modules that init loads, in order, unless the kernel's command line says otherwise.
    load: Annotated[tuple[str, ...], BeforeValidator(lambda text: tuple(str(text).split()))] = ()
    files: Annotated[tuple[File, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _no_path_twice(self) -> "Image":
        seen: set[str] = set()
        nodes, files = (n.path for n in self.nodes), (f.path for f in self.files)
        for path in (*self.directories, *self.links, *nodes, *files):
            if path in seen:
                raise ValueError(f"{path} comes twice")
            seen.add(path)
        return self


@dataclass(frozen=True)
class Extra:
    """A file that the build adds to what the description says: a shared library, a kernel module."""

    path: str
    mode: str = "644"


def load_image(path: Path) -> Image:
    """Read a description.

    Raises HarnessError with path:line:column and what is wrong, for everything that is wrong.
    """
    try:
        text = path.read_text()
        data = yaml.load(text, yaml.CSafeLoader)
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise HarnessError(f"{path}:{place}: {error.problem}") from error
    try:
        return Image.model_validate(_tuples(data))
    except ValidationError as error:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        lines = [f"{path}:{_place(root, e['loc'])}: {_sentence(e['loc'], e['msg'])}" for e in error.errors()]
        raise HarnessError("\n".join(lines)) from error


def _tuples(data: object) -> object:
    """YAML has lists where the models, being frozen, have tuples."""
    if isinstance(data, list):
        return tuple(map(_tuples, data))
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return data


def _sentence(location: Sequence[str | int], message: str) -> str:
    where = ".".join(str(part) for part in location if part != "[key]")
    return f"{where}: {message}" if where else message


def _place(node: yaml.Node | None, location: Sequence[str | int]) -> str:
    """line:column of the deepest node that location leads to."""
    for part in location:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    inner = value if not isinstance(value, yaml.ScalarNode) else key
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            inner = node.value[part]
        if inner is None:
            break
        node = inner
    return f"{node.start_mark.line + 1}:{node.start_mark.column + 1}" if node else "1:1"


def staged(path: str) -> str:
    """The name under which the file that becomes path lies in the folder that gen_init_cpio runs in."""
    return path.removeprefix("/").replace("/", "!")


def listing(image: Image, extra: Sequence[Extra] = ()) -> str:
    """The input of the kernel's usr/gen_init_cpio. Everything belongs to root; parents come first."""
    files = [(file.path, file.mode) for file in image.files] + [(file.path, file.mode) for file in extra]
    entries = {path: f"file {path} {staged(path)} {mode} 0 0" for path, mode in files}
    entries |= {f"/bin/{name}": f"slink /bin/{name} busybox 777 0 0" for name in image.applets}
    entries |= {path: f"slink {path} {target} 777 0 0" for path, target in image.links.items()}
    entries |= {n.path: f"nod {n.path} {n.mode} 0 0 {n.type} {n.major} {n.minor}" for n in image.nodes}
    entries |= {path: f"dir {path} {mode} 0 0" for path, mode in image.directories.items()}
    parents = {str(parent) for path in entries for parent in PurePosixPath(path).parents}
    for parent in parents - {"/"} - set(entries):
        entries[parent] = f"dir {parent} 755 0 0"
    return "".join(entries[path] + "\n" for path in sorted(entries))
