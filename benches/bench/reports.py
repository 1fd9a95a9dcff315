"""Reads the reports of the load tool."""

from .tools import Report


def goodput(report: Report) -> float:
    return float(report["goodput_per_s"])


def latency(report: Report, which: str = "p50_ms") -> float:
    return float(report["latency"]["2xx"][which])


def cpu_us(report: Report) -> float:
    return float(report["usage"]["processes"]["app"]["cpu_us_per_answer"])


def without_answer(report: Report) -> int:
    return int(sum(report["unanswered"].values()) + report["not_started"])


def neither_ack_nor_503(report: Report) -> int:
    return sum(n for status, n in report["statuses"].items() if not (status.startswith("2") or status == "503"))


def summary(report: Report) -> str:
    return (
        f"{goodput(report):,.0f}/s, p50 {latency(report):.2f} ms, p99 {latency(report, 'p99_ms'):.2f} ms, "
        f"{cpu_us(report):.0f} us CPU each, others {report['usage']['other_cores']:.2f} cores"
    )
