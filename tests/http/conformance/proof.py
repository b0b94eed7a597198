"""The plugin for --proof: compares the outcomes of the tests with the table."""

import pytest
from conformance.table import PAGE, Outcomes, entries, page, report


class Proof:
    """Prints the table with the outcomes. The run fails if a sentence is not verified.

    A test with several cases passes on a server if all cases pass.
    """

    def __init__(self) -> None:
        self._outcomes: dict[str, dict[str, str]] = {}
        self._servers: dict[str, None] = {}
        self._table = entries()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if "server" not in properties or (report.passed and report.when != "call"):
            return
        server = str(properties["server"])
        self._servers[server] = None
        by_server = self._outcomes.setdefault(str(properties["test"]), {})
        if by_server.get(server, "passed") == "passed":
            by_server[server] = report.outcome

    @property
    def outcomes(self) -> Outcomes:
        """The outcomes of the tests that have run."""
        return self._outcomes

    def pytest_sessionstart(self) -> None:
        PAGE.write_text(page(self._table), "utf-8")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        servers = list(self._servers)
        if not servers or any(entry.lacking(self.outcomes, servers) for entry in self._table):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in report(self._table, self.outcomes, list(self._servers)):
            terminalreporter.write_line(line)
