# SPDX-License-Identifier: GPL-2.0-only
"""The key pairs by which host and guest know each other, made once per store."""

from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.build.store import Store
from harness.errors import HarnessError

KEY_INPUTS = {"type": "ed25519", "made by": "dropbearkey"}


@dataclass(frozen=True)
class Keys:
    """The private keys, as files, and the public ones, as lines."""

    client: Path
    client_public: str
    host: Path
    host_public: str


def obtain_keys(store: Store) -> Keys:
    """Key pairs of client and guest, made once per store."""

    def make(folder: Path) -> None:
        for name in ("client", "host"):
            proc.run(["dropbearkey", "-t", "ed25519", "-f", folder / name])
            (folder / f"{name}.pub").write_text(public_key(folder / name) + "\n")
        # paramiko reads OpenSSH's format, not dropbear's.
        proc.run(["dropbearconvert", "dropbear", "openssh", folder / "client", folder / "client.openssh"])
        (folder / "client.openssh").chmod(0o600)

    entry = store.obtain("ssh-keys", "ed25519", KEY_INPUTS, make)
    return Keys(
        client=entry / "client.openssh",
        client_public=(entry / "client.pub").read_text().strip(),
        host=entry / "host",
        host_public=(entry / "host.pub").read_text().strip(),
    )


def public_key(key: Path) -> str:
    """The public half without its comment, which names the build host."""
    for line in proc.run(["dropbearkey", "-y", "-f", key]).splitlines():
        if line.startswith("ssh-ed25519 "):
            return " ".join(line.split()[:2])
    raise HarnessError(f"dropbearkey shows no public key for {key}")
