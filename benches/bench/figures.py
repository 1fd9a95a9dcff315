"""Reads reports, sets ours beside a peer's, and holds what comes of it against the limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from .bots import Bench, Kind
from .stores import Store, noise_known
from .tools import Report

# What was measured in one turn: by the name of the bot, or of the part.
Round = dict[str, Report]

# More than a third of a core of foreign work, and a latency says more of the others than of us.
NOISE_LIMIT = 0.35
ATTEMPTS = 3


@dataclass
class Row:
    """One line of the table."""

    bar: str
    ours: str
    peer: str
    ratio: str
    wanted: str
    met: bool | None
    noisy: bool = False

    def verdict(self) -> str:
        words = {True: "met", False: "MISSED", None: "-"}[self.met]
        return f"{words} (noisy)" if self.noisy else words


def noise(measured: Round) -> float:
    return max(float(report["usage"]["other_cores"]) for report in measured.values())


def rounds(bench: Bench, measure: Callable[[bool], Round], noise_known: bool) -> tuple[list[Round], bool]:
    """Measures each pair in turn, the order turned round each time; a noisy one again, and the quietest attempt counts."""
    kept: list[Round] = []
    for number in range(bench.pairs):
        attempts: list[Round] = []
        while len(attempts) < ATTEMPTS:
            attempts.append(measure(number % 2 == 1))
            if not noise_known or noise(attempts[-1]) <= NOISE_LIMIT:
                break
        kept.append(min(attempts, key=noise))
    noisy = noise_known and any(noise(each) > NOISE_LIMIT for each in kept)
    return kept, noisy


def beside(bench: Bench, kinds: list[Kind], store: Store, connections: int) -> tuple[list[Round], bool]:
    """The same load on several bots, one after the other."""

    def measure(backwards: bool) -> Round:
        results: Round = {}
        for kind in reversed(kinds) if backwards else kinds:
            with bench.fresh_bot(kind, store) as load:
                results[kind.name] = load.closed(connections)
        return results

    return rounds(bench, measure, noise_known(store))


def compared(
    bar: str, kept: list[Round], peer: Kind, ours: Kind, figure: Callable[[Report], float], wanted: str, noisy: bool
) -> Row:
    """A figure of ours against the same of a peer: the median of the ratios within each pair."""
    own = [figure(each[ours.name]) for each in kept]
    theirs = [figure(each[peer.name]) for each in kept]
    return ratio_row(bar, own, theirs, wanted, noisy)


def ratio_row(bar: str, own: list[float], theirs: list[float], wanted: str, noisy: bool) -> Row:
    ratio = median([a / b for a, b in zip(own, theirs, strict=True)])
    return Row(bar, number(median(own)), number(median(theirs)), f"{ratio:.2f}", wanted, holds(ratio, wanted), noisy)


def holds(value: float, wanted: str) -> bool:
    """Whether a value keeps a limit such as ">= 1.5" or "< 300"."""
    sign, limit = wanted.split()[:2]
    bound = float(limit.replace(",", ""))
    return {">=": value >= bound, "<=": value <= bound, "<": value < bound, "=": value == bound}[sign]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def limit_row(bar: str, own: Sequence[float], theirs: Sequence[float], wanted: str, noisy: bool) -> Row:
    """A figure of ours against a fixed limit, with a peer's for contrast."""
    a, b = median(own), median(theirs)
    return Row(bar, number(a), number(b), f"{a / b:.2f}", wanted, holds(a, wanted), noisy)


def yes(value: bool) -> str:
    return "yes" if value else "no"
