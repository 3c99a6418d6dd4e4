# SPDX-License-Identifier: GPL-2.0-only
"""Running make(1) for the kernel: a clean environment, a log, and errors that show the compiler's first."""

import errno
import functools
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import HarnessError, HostError
from harness.proc import ProcessError, run

# Where distributions keep links called gcc that lead to ccache.
_CCACHE_LINKS = ("/usr/lib/ccache", "/usr/lib64/ccache")
_CCACHE_SIZE = "5G"
# From the user's environment; the rest (ARCH, MAKEFLAGS, KBUILD_*, LOCALVERSION ...) would change the build.
_KEPT = ("HOME", "TMPDIR", "USER")
_ERROR = re.compile(r".*?: (?:fatal )?error: |.*undefined reference to |ERROR: |.*\*\*\* (?!Waiting)")


@functools.cache
def toolchain() -> str:
    """What compiles and links: the version lines of gcc and ld. Raises ProcessError when one is missing."""
    return "; ".join(
        run([tool, "--version"], env={"LC_ALL": "C"}).partition("\n")[0] for tool in ("gcc", "ld")
    )


def environment(ccache: Path) -> dict[str, str]:
    """The whole environment of a build: nothing of the user's that could change its result."""
    links = [folder for folder in _CCACHE_LINKS if Path(folder, "gcc").exists() and shutil.which("ccache")]
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": os.pathsep.join([*links, os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C",
        "CCACHE_DIR": str(ccache),
        "CCACHE_MAXSIZE": _CCACHE_SIZE,
        # Not CCACHE_DEPEND: then ccache does not see `.incbin`, and piggy.S, which is the same whenever the
        # compressed kernel has the same size, got the kernel before this one. Another way to tell compilers
        # apart than the default one makes what was remembered like that unusable.
        "CCACHE_COMPILERCHECK": "content",
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
        "KBUILD_BUILD_USER": "fdbox",
        "KBUILD_BUILD_HOST": "harness",
        "KBUILD_BUILD_VERSION": "1",
    }


def make(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    ccache: Path,
    log: Path,
    what: str,
    on_line: Callable[[str], None] | None = None,
    mark: Path | None = None,
) -> None:
    """Run make, or a script that runs it, in a clean environment, appending its output to log.

    mark: a file that is there meanwhile, and stays where make was killed: then there may be half of an object
    file with the time of a whole one, for whose removal it had no time.
    Raises HarnessError that shows the first error in the output and names the log; HostError when somebody
    ended it; OSError (ENOSPC) when that error was a full disk.
    """
    settings = [f"{name}={value}" for name, value in environment(ccache).items()]
    errors: list[str] = []

    def watch(line: str) -> None:
        if not errors and _ERROR.match(line):
            errors.append(line)
        if os.strerror(errno.ENOSPC) in line:
            errors.insert(0, line)
        if on_line:
            on_line(line)

    try:
        run(["env", "-i", *settings, *argv], cwd=cwd, log=log, on_line=watch, mark=mark)
    except ProcessError as error:
        if errors and os.strerror(errno.ENOSPC) in errors[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if error.status is not None and error.status < 0:
            raise HostError(f"the build of {what} was ended by a signal; its output: {log}") from error
        first = errors[0].strip() if errors else error.tail.strip()
        raise HarnessError(f"{what} does not build: {first}\nwhole output: {log}") from error
