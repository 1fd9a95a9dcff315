"""Where rows are kept: SQLite, and a PostgreSQL that is started for the benchmark."""

import contextlib
import functools
import glob
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .tools import BenchError, empty_folder, free_port, run_tool, stopping, wait_for


class Store(Protocol):
    name: str
    pid: int | None

    def fresh(self) -> contextlib.AbstractContextManager[str]:
        """An empty database for one run; yields its URL."""

    def column(self, url: str, sql: str) -> list[str]:
        """The only column that a query answers."""


class Sqlite:
    name = "SQLite"
    pid: int | None = None

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        with empty_folder() as home:
            yield f"sqlite://{home}/bench.db"

    def column(self, url: str, sql: str) -> list[str]:
        path = url.removeprefix("sqlite://")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [str(value) for (value,) in database.execute(sql)]


class Postgres:
    name = "PostgreSQL"

    def __init__(self, url: str, psql: Path, pid: int | None) -> None:
        self.url, self.psql, self.pid = url, psql, pid
        self.made = 0

    def ask(self, sql: str, url: str | None = None) -> str:
        command = [str(self.psql), "-X", "-v", "ON_ERROR_STOP=1", "-Atc", sql, url or self.url]
        return run_tool(command, env={**os.environ, "PGCONNECT_TIMEOUT": "10"}).strip()

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        self.made += 1
        name = f"firebell_bench_{os.getpid()}_{self.made}"
        self.ask(f"CREATE DATABASE {name}")
        try:
            # So that nobody pays for the run before.
            self.ask("CHECKPOINT")
            yield urllib.parse.urlsplit(self.url)._replace(path=f"/{name}").geturl()
        finally:
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")

    def column(self, url: str, sql: str) -> list[str]:
        return self.ask(sql, url).splitlines()


def postgres_programs() -> Path:
    found = shutil.which("postgres")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not versions:
        raise BenchError("no PostgreSQL: install its server, or set BENCH_PG_URL")
    return Path(max(versions, key=lambda path: int(Path(path).parts[-3]))).parent


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """The server of BENCH_PG_URL, or one of our own that is gone afterwards."""
    if url := os.environ.get("BENCH_PG_URL"):
        psql = shutil.which("psql")
        if not psql:
            raise BenchError("no psql in PATH")
        yield Postgres(url, Path(psql), None)
    else:
        with private_postgres() as own:
            yield own


@contextlib.contextmanager
def private_postgres() -> Iterator[Postgres]:
    programs = postgres_programs()
    # initdb and postgres refuse to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with empty_folder() as home:
        if user:
            account = pwd.getpwnam(user)
            os.chown(home, account.pw_uid, account.pw_gid)
        data, port = home / "data", free_port()
        become = functools.partial(run_tool, cwd=home, user=user)
        become([programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-sync"])
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": home,
            "shared_buffers": "256MB",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "max_wal_size": "4GB",
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = home / "log"
        with log.open("w") as output, stopping(
            subprocess.Popen(command, cwd=home, user=user, stdout=output, stderr=output), signal.SIGINT
        ) as process:
            wait_for(lambda: ready(programs, port), process, log, "PostgreSQL")
            url = f"postgres://bench@127.0.0.1:{port}/postgres"
            yield Postgres(url, programs / "psql", process.pid)


def ready(programs: Path, port: int) -> bool:
    answer = subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)])
    return answer.returncode == 0


def noise_known(store: Store) -> bool:
    """The work of a database server whose process is not ours to see would count as noise."""
    return not (isinstance(store, Postgres) and store.pid is None)


def count(store: Store, url: str, table: str) -> int:
    return int(store.column(url, f"SELECT count(*) FROM {table}")[0])
