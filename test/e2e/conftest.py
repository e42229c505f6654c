"""What suites measure is printed at the end: `figure("…")` records a line, also from a worker process."""
import pytest


@pytest.fixture
def figure(record_property):
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter):
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == "figure"]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
