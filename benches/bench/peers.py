"""What is measured with, and beside: the load tool and the peers, built or installed when they are first needed."""

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from .tools import BENCHES, ROOT, WORK, run_tool, say

ALERTMANAGER = ROOT / "target" / "peers" / "prometheus"


def build_load_tool() -> Path:
    folder = WORK / "load"
    manifest = BENCHES / "load" / "Cargo.toml"
    run_tool(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", folder])
    return folder / "release" / "load"


def installed(folder: Path, pinned: Path, install: Callable[[], None]) -> None:
    """Installs unless just these versions stand there already."""
    stamp = folder / "installed"
    wanted = hashlib.sha256(pinned.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        say(f"installing {folder.name}")
        install()
        stamp.write_text(wanted)


def install_bolt_js() -> Path:
    source, folder = BENCHES / "peers" / "bolt-js", WORK / "bolt-js"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "app.mjs"):
        shutil.copy(source / name, folder)

    def install() -> None:
        run_tool(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder)

    installed(folder, source / "package-lock.json", install)
    return folder / "app.mjs"


def install_bolt_python() -> list[Path]:
    """The command that runs it."""
    source, folder = BENCHES / "peers" / "bolt-python", WORK / "bolt-python"
    folder.mkdir(parents=True, exist_ok=True)
    pinned = source / "requirements.txt"

    def install() -> None:
        run_tool([sys.executable, "-m", "venv", "--clear", folder / "venv"])
        run_tool([folder / "venv" / "bin" / "pip", "install", "--quiet", "--requirement", pinned])

    installed(folder, pinned, install)
    return [folder / "venv" / "bin" / "python", BENCHES / "peers" / "bolt-python" / "app.py"]


def install_alertmanager() -> Path:
    """Debian's, where the tests have it too."""
    run_tool([ROOT / "tests" / "set-up", "prometheus"])
    return ALERTMANAGER
