"""The bots that are measured, each started with a Slack of its own, and the load that is put on them."""

import contextlib
import functools
import json
import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from . import peers
from .reports import summary
from .stores import Store, count
from .tools import BenchError, Report, empty_folder, free_port, healthy, run_tool, say, stopping, wait_for

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TOKEN = "xoxb-firebell-bench"
WARMUP_SECONDS = 2.0
OVERLOAD_SECONDS = 5.0
OVERLOAD_CONNECTIONS = 512
SETTLED_CORES = 0.02
SETTLE_SECONDS = 180


@dataclass(frozen=True)
class Kind:
    """A bot that can be started. In what it is told, $port, $slack, $home and $config stand for those of one start."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    config: str = ""
    health: str = "/healthz"
    # Where it must be started; else in its home.
    folder: Path | None = None


@dataclass(frozen=True)
class Bot:
    """A bot that runs."""

    kind: Kind
    store: Store
    database: str
    port: int
    pid: int
    started_ms: float


@dataclass
class Bench:
    """What all bars need, and what they have seen."""

    seconds: float
    pairs: int
    load: Path
    ours: Kind
    sqlite: Store
    postgres: Store
    runs: list[Report] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def bolt_js(self) -> Kind:
        app = peers.install_bolt_js()
        return Kind("Bolt JS", ["node", str(app)], {"PORT": "$port", "NODE_ENV": "production"})

    @functools.cached_property
    def bolt_python_sync(self) -> Kind:
        return self.bolt_python("Bolt Python", "sync")

    @functools.cached_property
    def bolt_python_async(self) -> Kind:
        return self.bolt_python("Bolt Python async", "async")

    def bolt_python(self, name: str, style: str) -> Kind:
        command = [str(word) for word in peers.install_bolt_python()]
        return Kind(name, command, {"PORT": "$port", "STYLE": style})

    @functools.cached_property
    def alertmanager(self) -> Path:
        """The folder of Alertmanager."""
        return peers.install_alertmanager()

    @contextlib.contextmanager
    def slack(self, delay_ms: int = 0) -> Iterator[tuple[str, int]]:
        """A Slack of our own; yields its address and process id."""
        command = [str(self.load), "slack-stub", "--delay-ms", str(delay_ms)]
        self.commands.setdefault(f"Slack, {delay_ms} ms", shlex.join(command))
        with stopping(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
            assert process.stdout
            yield json.loads(process.stdout.readline())["listening"], process.pid

    @contextlib.contextmanager
    def bot(self, kind: Kind, store: Store, database: str, slack: str, home: Path | None = None) -> Iterator[Bot]:
        """Starts a bot and waits until it is well; without a home it gets an empty one."""
        with contextlib.ExitStack() as stack:
            if home is None:
                home = stack.enter_context(empty_folder())
            port, log, config = free_port(), home / "log", home / "config"
            known = {"port": port, "slack": slack, "home": home, "config": config}
            config.write_text(Template(kind.config).substitute(known))
            command = [Template(word).substitute(known) for word in kind.command]
            environment = {
                "DATABASE_URL": database,
                "SLACK_SIGNING_SECRET": SECRET,
                "SLACK_BOT_TOKEN": TOKEN,
                "SLACK_API_URL": f"http://{slack}/api/",
                "FIREBELL_CONFIG": str(config),
            } | {name: Template(value).substitute(known) for name, value in kind.environment.items()}
            words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
            self.commands.setdefault(f"{kind.name}, {store.name}", " ".join([*words, shlex.join(command)]))
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "RUST_LOG") if name in os.environ}
            output = stack.enter_context(log.open("w"))
            begun = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=kind.folder or home, env=kept | environment, stdout=output, stderr=output
            )
            stack.enter_context(stopping(process))
            wait_for(lambda: healthy(port, kind.health), process, log, kind.name)
            started_ms = (time.perf_counter() - begun) * 1000
            yield Bot(kind, store, database, port, process.pid, started_ms)

    @contextlib.contextmanager
    def fresh_bot(self, kind: Kind, store: Store, delay_ms: int = 0) -> Iterator["Load"]:
        """A bot on an empty database with a Slack of its own; yields the load for it."""
        with store.fresh() as database, self.slack(delay_ms) as (slack, slack_pid):
            with self.bot(kind, store, database, slack) as bot:
                yield Load(self, bot, slack, slack_pid)


@dataclass(frozen=True)
class Load:
    """The load tool, pointed at one running bot."""

    bench: Bench
    bot: Bot
    slack: str
    slack_pid: int

    def target(self) -> list[str]:
        url = f"http://127.0.0.1:{self.bot.port}/slack/commands"
        return ["--url", url, "--secret", SECRET, "--response-url", f"http://{self.slack}"]

    def pids(self) -> list[str]:
        named = {"app": self.bot.pid, "slack": self.slack_pid, "database": self.bot.store.pid}
        return [word for name, pid in named.items() if pid for word in ("--pid", f"{name}={pid}")]

    def run(self, mode: str, what: str, *options: object) -> Report:
        """Puts a load on the bot and reports."""
        return self.begin(mode, what, *options)()

    def begin(self, mode: str, what: str, *options: object) -> Callable[[], Report]:
        """Puts a load on the bot meanwhile; what is returned waits for its end, and reports."""
        command = [str(self.bench.load), mode, *map(str, options), *self.pids()]
        self.bench.commands.setdefault(f"load, {what}", shlex.join(command))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end() -> Report:
            output, errors = process.communicate()
            if process.returncode != 0:
                raise BenchError(f"{shlex.join(command)} failed:\n{errors[-2000:]}")
            report: Report = json.loads(output)
            if not report["with_warmup"]["acknowledged"]:
                statuses = f"{report['statuses']} {report['unanswered']}"
                raise BenchError(f"{self.bot.kind.name} acknowledged nothing: {statuses}")
            self.bench.runs.append({"what": what, "bot": self.bot.kind.name, "store": self.bot.store.name, **report})
            say(f"{what}, {self.bot.store.name}, {self.bot.kind.name}: {summary(report)}")
            return report

        return end

    def slash(self, what: str, *options: object) -> Report:
        """Sends commands, checks that each one that was acknowledged is stored, and reports."""
        stored_before = self.stored()
        report = self.run("slash", what, *self.target(), *options)
        self.check(report, stored_before)
        return report

    def check(self, report: Report, stored_before: int) -> None:
        acknowledged = report["with_warmup"]["acknowledged"]
        stored = self.stored() - stored_before
        if stored < acknowledged:
            raise BenchError(f"{self.bot.kind.name} acknowledged {acknowledged} commands and stored {stored}")

    def stored(self) -> int:
        return count(self.bot.store, self.bot.database, "incidents")

    def delivered(self) -> Report:
        """What has reached Slack, or the webhook, so far."""
        with urllib.request.urlopen(f"http://{self.slack}/_stats") as answer:
            report: Report = json.load(answer)
        return report

    def closed(self, connections: int) -> Report:
        options = ("--connections", connections, "--seconds", self.bench.seconds, "--warmup-seconds", WARMUP_SECONDS)
        return self.slash(f"{connections} connections", *options)

    def overload(self, capacity: float) -> Report:
        options = ("--connections", OVERLOAD_CONNECTIONS, "--seconds", min(OVERLOAD_SECONDS, self.bench.seconds))
        return self.slash("overload", "--rate", round(2 * capacity), *options, "--warmup-seconds", WARMUP_SECONDS)

    def fill(self, count: int) -> None:
        report = self.slash("fill", "--connections", 16, "--count", count, "--seconds", 300)
        if report["with_warmup"]["acknowledged"] < count:
            raise BenchError(f"of {count} incidents not all were taken: {report['statuses']} {report['unanswered']}")

    def watch(self, seconds: float = 1.0) -> Report:
        report: Report = json.loads(run_tool([self.bench.load, "watch", "--seconds", str(seconds), *self.pids()]))
        return report

    def settled(self) -> Report:
        """Waits until the bot has nothing left to do, and reads its memory then."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            report = self.watch()
            if report["processes"]["app"]["cpu_seconds"] / report["seconds"] <= SETTLED_CORES:
                return report
            if time.monotonic() > deadline:
                say(f"{self.bot.kind.name} is still at work after {SETTLE_SECONDS} s")
                return report
