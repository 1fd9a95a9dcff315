"""The bar of a restart with a full store, and of a bot at rest."""

from statistics import median

from .bots import Bench, Kind, Load
from .figures import NOISE_LIMIT, Row, limit_row
from .stores import Store, noise_known

STORED_INCIDENTS = 10_000


def start(bench: Bench, store: Store) -> list[Row]:
    """A restart with a full store, and the memory of a bot at rest. Bolt starts with nothing stored."""
    own: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    noises: list[float] = []

    def measure(kind: Kind, database: str, slack: tuple[str, int]) -> tuple[float, float]:
        with bench.bot(kind, store, database, slack[0]) as bot:
            report = Load(bench, bot, *slack).settled()
            noises.append(report["other_cores"])
            return bot.started_ms, report["processes"]["app"]["pss_mb"]

    with store.fresh() as full, store.fresh() as empty, bench.slack() as slack:
        with bench.bot(bench.ours, store, full, slack[0]) as bot:
            load = Load(bench, bot, *slack)
            load.fill(STORED_INCIDENTS)
            load.settled()
        for _ in range(bench.pairs):
            theirs.append(measure(bench.bolt_js, empty, slack))
            own.append(measure(bench.ours, full, slack))

    noisy = noise_known(store) and median(noises) > NOISE_LIMIT
    bar = f"{STORED_INCIDENTS:,} incidents in {store.name}"
    ready, memory = zip(*own, strict=True)
    ready_peer, memory_peer = zip(*theirs, strict=True)
    for kind, seen in ((bench.ours, own), (bench.bolt_js, theirs)):
        bench.runs.append({"what": "start", "bot": kind.name, "store": store.name, "ms_and_pss_mb": seen})
    return [
        limit_row(f"{bar}: ms to /healthz", ready, ready_peer, "< 300", noisy),
        limit_row(f"{bar}: idle PSS MB", memory, memory_peer, "< 27", noisy),
    ]
