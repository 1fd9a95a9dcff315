"""What every part of the benchmark needs: tools that are run, processes that are started and ended, a place on a disk."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
WORK = TARGET / "bench"

Report = dict[str, Any]


class BenchError(Exception):
    """What stops the whole benchmark, told without a traceback."""


def say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)


def run_tool(command: Sequence[str | Path], **options: Any) -> str:
    """Runs a command to its end and returns its standard output."""
    words = [str(word) for word in command]
    done: subprocess.CompletedProcess[str] = subprocess.run(words, text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise BenchError(f"{shlex.join(words)} failed:\n{done.stderr[-2000:]}{done.stdout[-500:]}")
    return done.stdout


def scratch() -> str:
    """A folder on a disk: /tmp may be memory, where a commit costs nothing."""
    return os.environ.get("BENCH_TMP", "/var/tmp")


@contextlib.contextmanager
def empty_folder() -> Iterator[Path]:
    """An empty folder on a disk, for a while."""
    with tempfile.TemporaryDirectory(prefix="firebell-bench-", dir=scratch()) as path:
        yield Path(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def stopping(process: subprocess.Popen[Any], how: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[Any]]:
    try:
        yield process
    finally:
        process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[Any], log: Path, name: str) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{name} does not come up (exit status {process.poll()}):\n{log.read_text()[-2000:]}")
        time.sleep(0.001)


def peak_mb(pid: int) -> float:
    """The most memory that a process has had so far; nothing, if it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def healthy(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
