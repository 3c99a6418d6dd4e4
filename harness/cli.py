# SPDX-License-Identifier: GPL-2.0-only
"""The command line; its exit codes suit `git bisect run`.

Each command is a module of `commands/` with `arguments(parser)` and `command(options)`. Only the one that is
used is imported: help is there at once.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from harness import interrupts
from harness.errors import HarnessError, UsageError
from harness.imports import importing
from harness.verdict import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE

EPILOG = """\
exit codes, as `git bisect run` takes them: 0 every case that was run passed, or failed as it is known to
(XFAIL); 1 a kernel under test broke an expectation, or a known bug is gone (XPASS); 125 could not test, or
every case was skipped; 129 usage error or invalid scenario; 130 interrupted
"""

# A module of commands/, and what it does.
COMMANDS = {
    "run": "run scenarios; plan.json of a run repeats it",
    "check": "check scenarios without running them",
    "plan": "print what would be run, as JSON",
    "build": "build kernel, modules and guest image",
    "gate": "what a patch series breaks, fixes or slows down",
    "series": "the same for each of its patches, so that it can be bisected",
    "bisect": "find the commit that broke a scenario",
    "bench": "measure how long everything takes; of cases, each part",
    "report": "the results of a run folder for people, CI and other tools",
    "clean": "remove from the store what was not used for some days",
    "shell": "a shell in a booted machine, or in one after a scenario",
    "new": "write a commented template for a scenario",
    "list": "list cases: tags, expected time, requirements",
    "schema": "print the JSON Schema of a scenario, for editors",
    "manual": "print the manual of the scenario language, as Markdown",
}


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for a usage error, 2, would mark a good commit bad."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 129."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What the words of a command line mean; its `handler` does it. Ends by SystemExit, as argparse does."""
    about = "End-to-end tests for live update of the Linux kernel."
    top = Parser(prog="harness", description=about, epilog=EPILOG)
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, what in COMMANDS.items():
        parser = commands.add_parser(name, help=what)
        if name in words:
            with importing():
                module = importlib.import_module(f"harness.commands.{name}")
            module.arguments(parser)
            parser.set_defaults(handler=module.command)
    return top.parse_args(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; --help and what argparse refuses end by SystemExit."""
    with interrupts.answered():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        code = int(options.handler(options))
        sys.stdout.flush()
    except SystemExit:
        end(0)
        raise
    except UsageError as error:
        return end(EXIT_USAGE, f"{error}")
    except HarnessError as error:
        return end(EXIT_ERROR, f"harness: {error}")
    except KeyboardInterrupt:
        return end(EXIT_INTERRUPTED, "harness: interrupted; no machine is left running")
    except BrokenPipeError:
        # Whoever read what we print has left: `harness run ... | head`.
        return end(EXIT_INTERRUPTED)
    except OSError as error:
        return end(EXIT_ERROR, f"harness: {error}")
    except Exception:  # noqa: BLE001
        # Python's own exit code for it is 1, which would mark a good commit bad.
        mistake = "harness: this is a mistake in the harness itself, please report it"
        return end(EXIT_ERROR, f"{traceback.format_exc()}{mistake}")
    return code


def end(code: int, last_words: str = "") -> int:
    """Say something, if anybody still listens. What cannot be printed must not become Python's exit code."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"{last_words}\n" if last_words else "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
