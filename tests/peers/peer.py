"""What the Python peers share: counting checks, and driving the simulator's people over HTTP."""

import json
import sys
import urllib.error
import urllib.request

passed = 0


def check(name, condition, seen=None):
    """One check; the first that fails ends the script."""
    global passed
    if not condition:
        sys.exit(f"MISMATCH after {passed} checks: {name}\n  seen: {seen!r}")
    passed += 1


def same(name, seen, expected):
    check(f"{name}: expected {expected!r}", seen == expected, seen)


def finish():
    print(f"{passed} checks passed")


class Simulator:
    """The control endpoints under /simulator/."""

    def __init__(self, origin):
        self.origin = origin.rstrip("/")

    def post(self, path, **body):
        return self._ask(f"/simulator/{path}", json.dumps(body).encode())

    def get(self, path):
        return self._ask(f"/simulator/{path}", None)

    def _ask(self, path, data):
        request = urllib.request.Request(
            self.origin + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())
