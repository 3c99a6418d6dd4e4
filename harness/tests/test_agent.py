# SPDX-License-Identifier: GPL-2.0-only
"""The guest's agent, run on this machine: everything that needs no live update."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import proc
from harness.build.guest import agent_version, obtain_agent
from harness.build.store import default_store
from harness.pattern import chunk_crcs, expected

START_SECONDS = 5.0
ANSWER_SECONDS = 20.0
Call = Callable[..., dict[str, Any]]


class Client:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def line(self, text: bytes) -> dict[str, Any]:
        self.socket.sendall(text + b"\n")
        reply: dict[str, Any] = json.loads(self.file.readline())
        return reply

    def __call__(self, op: str, **arguments: object) -> dict[str, Any]:
        reply = self.line(json.dumps({"id": 1, "op": op, **arguments}).encode())
        assert reply["id"] == 1
        assert reply["t"] > reply["ns"] > 0
        result: dict[str, Any] = reply["ok"] if "ok" in reply else reply["error"]
        return result

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def program() -> Path:
    return obtain_agent(default_store()) / "agent"


@pytest.fixture(scope="module")
def served(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("agent")
    with serve(program, folder):
        yield folder


@contextlib.contextmanager
def serve(program: Path, folder: Path) -> Iterator[None]:
    with proc.spawn([program, "serve", "--foreground"], env={"AGENT_DIR": str(folder)}) as process:
        wait_for(folder, process)
        yield
        assert process.poll() is None, "the agent died"


def wait_for(folder: Path, process: proc.Process) -> None:
    end = time.monotonic() + START_SECONDS
    while not connects(folder / "agent.sock"):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.005)


def connects(path: Path) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(Client(path)):
        return True
    return False


@pytest.fixture
def call(served: Path) -> Iterator[Client]:
    client = Client(served / "agent.sock")
    yield client
    for name in client("fds")["fds"]:
        client("close", fd=name)
    client.close()


def test_hello(call: Call) -> None:
    hello = call("hello")
    assert hello["version"] == agent_version()
    assert hello["release"] == os.uname().release
    assert hello["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert hello["build_id"] is None or bytes.fromhex(hello["build_id"])


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1 << 20, (17 << 20) + 5])
def test_pattern_is_the_hosts(call: Call, size: int) -> None:
    call("memfd", fd="ram", size=size)
    assert call("fill", fd="ram", seed=2**64 - 1) == {}
    for via in ("read", "mmap"):
        crcs = list(chunk_crcs(2**64 - 1, 0, size))
        assert call("digest", fd="ram", via=via) == {"size": size, "chunks": crcs}


def test_parts_of_the_pattern(call: Call) -> None:
    call("memfd", fd="ram", size=1 << 20)
    call("fill", fd="ram", seed=5, offset=4000, length=5000)
    assert bytes.fromhex(call("read", fd="ram", offset=4000, length=5000)["hex"]) == expected(5, 4000, 5000)
    assert bytes.fromhex(call("read", fd="ram", offset=3990, length=10)["hex"]) == bytes(10)
    assert call("digest", fd="ram", offset=4001, length=4998)["chunks"] == list(chunk_crcs(5, 4001, 4998))


def test_stat_and_attributes(call: Call) -> None:
    call("memfd", fd="a", size=5000)
    call("seek", fd="a", pos=77)
    call("chmod", fd="a", mode=0o640)
    call("seal_add", fd="a", seals=2)
    seen = call("stat", fd="a")
    assert (seen["size"], seen["pos"], seen["seals"], seen["cloexec"]) == (5000, 77, 2, False)
    assert stat.S_ISREG(seen["mode"])
    assert stat.S_IMODE(seen["mode"]) == 0o640
    assert seen["flags"] & os.O_ACCMODE == os.O_RDWR
    assert seen["link"] == "/memfd:a (deleted)"
    assert call("truncate", fd="a", size=1) | {"text": ""} == {
        "errno": "EPERM",
        "call": "ftruncate",
        "text": "",
    }


def test_memfd_flags(call: Call) -> None:
    call("memfd", fd="a", size=0, flags=["cloexec"])
    assert call("stat", fd="a")["cloexec"]
    assert call("stat", fd="a")["seals"] == 1  # F_SEAL_SEAL: sealing was not allowed
    assert "unknown flag 'x'" in call("memfd", fd="b", size=0, flags=["x"])["text"]


def test_extents(call: Call) -> None:
    call("memfd", fd="a", size=1 << 20)
    call("seek", fd="a", pos=9)
    call("write", fd="a", offset=8192, hex="ff")
    assert call("extents", fd="a") == {"data": [[8192, 4096]]}
    call("punch", fd="a", offset=8192, length=4096)
    assert call("extents", fd="a") == {"data": []}
    assert call("pages", fd="a") == {"runs": []}
    assert call("stat", fd="a")["pos"] == 9


@pytest.mark.skipif(os.geteuid() != 0, reason="page frame numbers need CAP_SYS_ADMIN")
def test_pages(call: Call) -> None:
    call("memfd", fd="a", size=(20 << 20) + 1)
    call("write", fd="a", offset=4096, hex="ff")
    call("fill", fd="a", seed=1, offset=15 << 20, length=5 << 20)
    runs = call("pages", fd="a")["runs"]
    covered = [page for start, _, count in runs for page in range(start, start + count)]
    assert covered == [1, *range(15 << 8, 20 << 8)]
    assert all(frame > 0 for _, frame, _ in runs)


def test_other_kinds_of_files(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("x")
    call("open", fd="file", path=str(path), access="O_RDONLY")
    call("pipe", fd="pipe")
    call("socket", fd="socket")
    assert call("stat", fd="file")["flags"] & os.O_ACCMODE == os.O_RDONLY
    assert stat.S_ISFIFO(call("stat", fd="pipe")["mode"])
    assert stat.S_ISSOCK(call("stat", fd="socket")["mode"])
    assert call("open", fd="none", path="/does/not/exist")["errno"] == "ENOENT"
    assert "cannot be 'rw'" in call("open", fd="none", path=str(path), access="rw")["text"]


WAYS = ("read", "write", "write later", "execute", "private")


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (None, {}),
        (("reopen", {"access": "O_RDONLY"}), {"write": "EACCES", "write later": "EACCES"}),
        (("reopen", {"access": "O_WRONLY"}), dict.fromkeys(WAYS, "EACCES")),
        (("seal_add", {"seals": 8}), {"write": "EPERM", "write later": "EACCES"}),
        (("seal_add", {"seals": 16}), {"write": "EPERM", "write later": "EACCES"}),
    ],
)
def test_ways_to_map(
    call: Call, change: tuple[str, dict[str, object]] | None, refused: dict[str, str]
) -> None:
    call("memfd", fd="a", size=1 << 20)
    call("fill", fd="a", seed=1, offset=0, length=4096)
    if change is not None:
        call(change[0], fd="a", **change[1])
    assert call("mappings", fd="a") == {**dict.fromkeys(WAYS, "ok"), **refused}


def test_a_look_at_the_ways_to_map_fills_no_hole(call: Call) -> None:
    call("memfd", fd="a", size=1 << 20)
    call("mappings", fd="a")
    assert call("stat", fd="a")["blocks"] == 0


def test_status_and_access_of_an_open_file(call: Call) -> None:
    call("memfd", fd="a", size=1 << 20)
    every = os.O_APPEND | os.O_NONBLOCK | os.O_NOATIME
    call("status", fd="a", flags=every)
    assert call("stat", fd="a")["flags"] & (every | os.O_ACCMODE) == every | os.O_RDWR
    call("status", fd="a", flags=os.O_NONBLOCK)
    assert call("stat", fd="a")["flags"] & every == os.O_NONBLOCK
    before = call("stat", fd="a")["ino"]
    assert call("reopen", fd="a", access="O_RDONLY") == {}
    after = call("stat", fd="a")
    assert (after["ino"], after["flags"] & os.O_ACCMODE) == (before, os.O_RDONLY)
    assert call("truncate", fd="a", size=1)["errno"] == "EINVAL"
    call("reopen", fd="a", access="O_RDWR")
    call("allocate", fd="a", offset=8192, length=4096)
    assert call("stat", fd="a")["blocks"] == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
def test_another_process_of_another_user(program: Path) -> None:
    # Not in pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with serve(program, Path(name)):
            call = Client(Path(name) / "agent.sock")
            another_process(call)
            call.close()


def another_process(call: Client) -> None:
    started = call("process", name="nobody.1", uid=65534)
    pid, there = started["pid"], started["dir"]
    try:
        assert "Uid:\t65534\t65534\t65534\t65534\n" in Path(f"/proc/{pid}/status").read_text()
        other = Client(Path(there) / "agent.sock")
        call("memfd", fd="a", size=10)
        assert other("fds") == {"fds": []}
        assert "no fd came" in other("receive", **{"as": "b"})["text"]
        assert call("pass", fd="a", to=there, **{"as": "b"}) == {}
        assert other("stat", fd="b")["ino"] == call("stat", fd="a")["ino"]
        assert "is taken" in call("pass", fd="a", to=there, **{"as": "b"})["text"]
        assert other("chown", fd="b", uid=0, gid=0)["errno"] == "EPERM"
        other.close()
    finally:
        assert call("process_end", pid=pid) == {}
    assert call("pass", fd="a", to=there, **{"as": "c"})["errno"] == "ECONNREFUSED"
    assert "cannot be a name" in call("process", name="../x", uid=0)["text"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process needs root")
def test_a_process_that_cannot_begin_is_no_fault_of_the_kernel(program: Path, tmp_path: Path) -> None:
    """Its user may not go where its socket is to be: it ends at once, and that is said at once."""
    tmp_path.chmod(0o700)
    with serve(program, tmp_path):
        client = Client(tmp_path / "agent.sock")
        error = client("process", name="other", uid=65534)
        client.close()
    assert error["call"] is None
    assert "has ended before it listened" in error["text"]


def test_less_than_what_must_be_there_is_no_success(call: Call) -> None:
    """Of a call that does less than it was asked for there is no errno."""
    call("memfd", fd="cut", size=0)
    error = call("writer_check", fd="cut")
    assert (error["errno"], error["call"]) == ("EUCLEAN", "the kernel")
    assert "it has 0 bytes" in error["text"]


def test_a_module_that_does_not_exist(call: Call) -> None:
    assert "no module 'none'" in call("module_load", name="none")["text"]
    assert "is no module" in call("module_load", name="../none")["text"]


@pytest.mark.parametrize("op", ["create", "delete", "seal", "unseal"])
def test_a_device_that_somebody_else_opened(call: Call, op: str) -> None:
    call("memfd", fd="no device", size=0)
    error = call(f"fdbox_{op}", box="x", via="no device")
    assert (error["errno"], error["call"].startswith("FDBOX_")) == ("ENOTTY", True)
    assert "no via 'none'" in call(f"fdbox_{op}", box="x", via="none")["text"]


def test_names(call: Call, served: Path) -> None:
    call("memfd", fd="a", size=1)
    call("dup", fd="a", **{"as": "b"})
    assert call("stat", fd="a")["ino"] == call("stat", fd="b")["ino"]
    assert (served / "fd" / "b").stat().st_ino == call("stat", fd="b")["ino"]
    assert "taken" in call("memfd", fd="a", size=1)["text"]
    assert call("rename", fd="b", **{"as": "a"}) == {}
    assert call("fds") == {"fds": ["a"]}
    assert os.listdir(served / "fd") == ["a"]  # noqa: PTH208
    for bad in ("", ".", "..", "a/b", "x" * 201):
        assert call("memfd", fd=bad, size=1)["errno"] == "EPROTO"


def test_fds_outlive_the_connection(call: Call, served: Path) -> None:
    call("memfd", fd="a", size=10)
    other = Client(served / "agent.sock")
    other("fill", fd="a", seed=3)
    other.close()
    assert call("digest", fd="a")["chunks"] == list(chunk_crcs(3, 0, 10))


def test_thousands_of_fds(call: Client) -> None:
    # Many requests at once, but no more than the socket takes: the agent reads no request before it has
    # written the reply to the last one.
    count, at_once = 3000, 50
    for first in range(0, count, at_once):
        numbers = range(first, first + at_once)
        requests = [{"id": n, "op": "memfd", "fd": f"m{n}", "size": 1} for n in numbers]
        call.socket.sendall("".join(json.dumps(request) + "\n" for request in requests).encode())
        for n in numbers:
            reply = json.loads(call.file.readline())
            assert reply["id"] == n
            assert "ok" in reply
    assert len(call("fds")["fds"]) == count


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"", "bad JSON: unexpected character"),
        (b"[]", "a request is a JSON object"),
        (b'{"op":"fds"', "expected ',' or a closing bracket"),
        (b'{"op":"fds"} x', "something follows the value"),
        (b'{"op":"fds","op":"fds"}', "duplicate key"),
        (b'{"op":"fds', "unterminated string"),
        (b'{"op":"fds\\', "unknown escape"),
        (b'{"op":"fds\\u0000"}', "bad \\u escape"),
        (b'{"op":"fds","a":1.5}', "not an integer"),
        (b'{"op":"fds","a":18446744073709551616}', "does not fit into 64 bits"),
        (b'{"a":' + b"[" * 1000, "too deep"),
        (b'{"op":"fds\x00"}', "NUL in the request"),
        (b"{}", "missing 'op'"),
        (b'{"op":"fd"}', "unknown op 'fd'"),
        (b'{"op":"close"}', "close: missing argument 'fd'"),
        (b'{"op":"fds","fd":"x"}', "fds: unknown argument 'fd'"),
        (b'{"op":"close","fd":7}', "'fd' is not a string"),
        (b'{"op":"memfd","fd":"a","size":-1}', "'size' is not an unsigned integer"),
        (b'{"op":"close","fd":"none"}', "no fd 'none'"),
    ],
)
def test_bad_requests(call: Client, line: bytes, text: str) -> None:
    error = call.line(line)["error"]
    assert error["errno"] == "EPROTO"
    assert text in error["text"]
    assert call("fds") == {"fds": []}


def test_ranges_outside_the_file(call: Call) -> None:
    call("memfd", fd="a", size=10)
    for op in ("fill", "digest"):
        more = {"seed": 1} if op == "fill" else {}
        assert "leaves the file" in call(op, fd="a", offset=5, length=6, **more)["text"]
        assert "leaves the file" in call(op, fd="a", offset=11, length=0, **more)["text"]


def test_errors_of_the_kernel(call: Call) -> None:
    call("memfd", fd="a", size=0)
    assert call("seal_add", fd="a", seals=0x4000)["errno"] == "EINVAL"
    assert call("file", path="/does/not/exist")["errno"] == "ENOENT"
    assert call("punch", fd="a", offset=0, length=0)["call"] == "fallocate"


def test_large_file_and_odd_text(call: Call, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "ü \n").write_bytes(content)
    assert bytes.fromhex(call("file", path=str(tmp_path / "ü \n"))["hex"]) == content
    name = 'ü"\\\U0001f600\x7f'
    call("memfd", fd=name, size=0)
    assert call("fds") == {"fds": [name]}


def test_request_too_long(served: Path) -> None:
    client = Client(served / "agent.sock")
    with contextlib.suppress(BrokenPipeError):
        client.socket.sendall(b"x" * (2 << 20))
    with contextlib.suppress(ConnectionResetError):
        assert b"longer than 1 MiB" in client.file.readline()
    client.close()


def test_connection_that_ends_in_the_middle(served: Path, call: Call) -> None:
    call("memfd", fd="a", size=8 << 20)
    for text in (
        b'{"op":',
        b'{"id":1,"op":"digest","fd":"a"}\n',
        b'{"id":1,"op":"file","path":"/proc/kallsyms"}\n',
    ):
        client = Client(served / "agent.sock")
        client.socket.sendall(text)
        client.close()
    assert call("fds") == {"fds": ["a"]}


def test_a_file_that_shrinks_is_no_crash(served: Path, call: Call) -> None:
    """SIGBUS in the middle of a walk becomes EFAULT."""
    call("memfd", fd="a", size=64 << 20)
    other = Client(served / "agent.sock")
    for _ in range(5):
        call("truncate", fd="a", size=64 << 20)
        other.socket.sendall(b'{"id":1,"op":"fill","fd":"a","seed":1}\n')
        call("truncate", fd="a", size=0)
        reply = json.loads(other.file.readline())
        assert "ok" in reply or reply["error"]["errno"] in ("EFAULT", "ENOENT", "EPROTO"), reply
    other.close()


def test_a_restart_kills_whoever_holds_something(program: Path, tmp_path: Path) -> None:
    """A program of its own: every process that runs it is ended."""
    own, env = tmp_path / "agent", {"AGENT_DIR": str(tmp_path)}
    shutil.copy(program, own)
    with proc.spawn([own, "serve", "--foreground"], env=env) as process:
        wait_for(tmp_path, process)
        first = Client(tmp_path / "agent.sock")
        first("memfd", fd="a", size=4096)
        other = first("process", name="other", uid=0)["pid"]
        assert (tmp_path / "fd" / "a").is_symlink()
        # Not by proc: whom it starts is to outlive it, and keeps the pipe to whoever reads what it prints.
        subprocess.run([own, "restart"], env=env, stdout=subprocess.DEVNULL, check=True)
        assert process.wait(START_SECONDS) == -signal.SIGKILL
    with contextlib.suppress(FileNotFoundError):
        assert Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    assert not (tmp_path / "process").exists()
    second = Client(tmp_path / "agent.sock")
    try:
        assert second("fds") == {"fds": []}
    finally:
        os.kill(second("hello")["pid"], signal.SIGKILL)


def test_what_changes_the_machine_is_refused_in_whole(call: Call) -> None:
    """What these do when they do it would be done to this machine."""
    before = time.time()
    news = {"seconds": 0, "nanoseconds": 0}
    assert "at most 64 bytes" in call("renew", **news, entropy="00" * 65)["text"]
    assert "hex digits" in call("renew", **news, entropy="0")["text"]
    assert call("renew", seconds=0, nanoseconds=10**9, entropy="")["errno"] == "EINVAL"
    assert time.time() >= before
    assert "neither true nor false" in call("settle", shrink=1)["text"]


def test_command_line(program: Path, served: Path) -> None:
    env = {"AGENT_DIR": str(served)}
    assert proc.run([program, "version"]).strip() == agent_version()
    assert '"ok":{"fds":[]}' in proc.run([program, "call", '{"id":1,"op":"fds"}'], env=env)
    # A call that failed, and one that the agent did not make.
    for request, status in (('{"id":1,"op":"file","path":"/none"}', 1), ('{"id":1,"op":"x"}', 125)):
        with pytest.raises(proc.ProcessError) as caught:
            proc.run([program, "call", request], env=env)
        assert caught.value.status == status
    with pytest.raises(proc.ProcessError, match="usage: agent"):
        proc.run([program, "none"])


def test_relay(program: Path, served: Path, tmp_path: Path) -> None:
    """The server's replies still arrive after the end of the requests."""
    requests = tmp_path / "requests"
    requests.write_text("".join(f'{{"id":{n},"op":"fds"}}\n' for n in range(1000)))
    with requests.open() as stdin:
        output = proc.run([program, "connect"], env={"AGENT_DIR": str(served)}, stdin=stdin)
    assert [json.loads(line)["id"] for line in output.splitlines()] == list(range(1000))
