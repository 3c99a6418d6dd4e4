# SPDX-License-Identifier: GPL-2.0-only
"""Image descriptions: what is refused and where, and the list that gen_init_cpio gets."""

from pathlib import Path

import pytest

from harness.build.image import DESCRIPTION, Extra, listing, load_image, staged
from harness.errors import HarnessError

SMALL = """\
directories: {/tmp: "1777"}
nodes:
  - {path: /dev/console, mode: "600", type: c, major: 5, minor: 1}
links: {/bin/sh: busybox}
applets: "[ ls"
files:
  - {path: /init, source: init, mode: "755"}
  - path: /etc/motd
    text: |
      hello
"""

GOLDEN = """\
dir /bin 755 0 0
slink /bin/[ busybox 777 0 0
slink /bin/ls busybox 777 0 0
slink /bin/sh busybox 777 0 0
dir /dev 755 0 0
nod /dev/console 600 0 0 c 5 1
dir /etc 755 0 0
file /etc/motd etc!motd 644 0 0
file /init init 755 0 0
dir /lib 755 0 0
dir /lib/modules 755 0 0
dir /lib/modules/7.3.4 755 0 0
file /lib/modules/7.3.4/fdbox.ko lib!modules!7.3.4!fdbox.ko 644 0 0
dir /tmp 1777 0 0
"""


def describe(folder: Path, text: str) -> Path:
    path = folder / "image.yaml"
    path.write_text(text)
    return path


def test_listing(tmp_path: Path) -> None:
    image = load_image(describe(tmp_path, SMALL))
    assert listing(image, [Extra(path="/lib/modules/7.3.4/fdbox.ko")]) == GOLDEN


def test_parents_come_before_what_is_in_them() -> None:
    seen = {"/"}
    for line in listing(load_image(DESCRIPTION)).splitlines():
        path = line.split()[1]
        assert str(Path(path).parent) in seen, line
        seen.add(path)


def test_staged_names_are_flat_and_distinct() -> None:
    assert staged("/usr/sbin/dropbear") == "usr!sbin!dropbear"
    assert staged("/init") == "init"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("links:", "link:", ":4:7: link: Extra inputs are not permitted"),
        ("type: c", "type: x", ":3:39: nodes.0.type: Input should be 'b' or 'c'"),
        ("source: init", "source: init, host: /bin/ls", ":7:5: files.0: Value error, needs exactly one of"),
        ("source: init", "source: init, libraries: true", ":7:5: files.0: Value error, libraries: only"),
        ("/etc/motd", "etc/motd", ":8:5: files.1.path: String should match pattern"),
        ('"755"', "755", ":7:33: files.0.mode: Input should be a valid string"),
        ("/etc/motd", "/init", "/init comes twice"),
        ("links: {", "links: [", ":4:25: did not find expected"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = describe(tmp_path, SMALL.replace(old, new))
    with pytest.raises(HarnessError) as caught:
        load_image(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_all_errors_at_once(tmp_path: Path) -> None:
    path = describe(tmp_path, SMALL.replace("type: c", "type: x").replace("source: init", "sauce: init"))
    with pytest.raises(HarnessError) as caught:
        load_image(path)
    assert len(str(caught.value).splitlines()) >= 2


def test_missing_description(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="No such file"):
        load_image(tmp_path / "none.yaml")
