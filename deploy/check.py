"""Checks what no compiler sees: pins, migrations, and that docker-compose.yml names only what exists."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import chdb
import yaml
from typer.main import get_command

from schemas import repository
from sinks.migrate import Migration
from spendstream.cli import app
from spendstream.settings import ClickHouse, Settings

ROOT = Path(__file__).parent.parent
_ADDRESS = re.compile(r"https?://")


def pins() -> list[str]:
    """Return what is wrong with the pins: a missing hash, an address, a dependency that is not pinned."""
    problems = []
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        if _ADDRESS.search(text):
            problems.append(f"{path.name} holds an address")
        entries = re.findall(r"^([a-zA-Z0-9._-]+)==[^\\\n]*(\\?)", text, re.MULTILINE)
        problems += [f"{path.name}: {name} has no hash" for name, more in entries if not more]
    pinned = (ROOT / "requirements" / "all.txt").read_text().lower()
    declared = re.findall(r'^    "([A-Za-z0-9._-]+)', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    wanted = {name.lower() for name in declared if (ROOT / "pyproject.toml").read_text().count(f'"{name}>=')}
    return problems + [
        f"{name} is declared and not pinned" for name in sorted(wanted) if f"\n{name}==" not in "\n" + pinned
    ]


def schemas() -> list[str]:
    """Return what is wrong with the schemas: a file without a number, a number without a file."""
    folder = ROOT / "schemas" / "subjects"
    numbered = set(json.loads((folder / "numbers.json").read_text()).values())
    files = {f"{path.parent.name}/{path.stem}" for path in folder.glob("*/v*.avsc")}
    for subject in repository.subjects():
        repository.load(subject)
    return [f"{name} is not both a file and a number" for name in sorted(numbered ^ files)]


def migrations() -> list[str]:
    """Return what is wrong with the SQL migrations: a gap in the numbers, a statement that cannot be read."""
    problems = []
    paths = sorted((ROOT / "sinks" / "migrations").glob("*.sql"))
    for number, path in enumerate(paths, start=1):
        if int(path.name[:4]) != number:
            problems.append(f"{path.name}: the next number is {number:04d}")
        for statement in Migration(number, path.name, path.read_text()).statements(ClickHouse()):
            try:
                chdb.query("SELECT formatQuery('" + statement.replace("\\", "\\\\").replace("'", "\\'") + "')")
            except RuntimeError as error:
                problems.append(f"{path.name}: {str(error).splitlines()[0]}")
    return problems if paths else ["there are no migrations"]


def compose() -> list[str]:
    """Return what is wrong with docker-compose.yml: an unknown command or setting, a service without a health check."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    problems = []
    for name, service in document["services"].items():
        if "healthcheck" not in service and service.get("restart") != "no":
            problems.append(f"service {name} has no health check")
        command = service.get("command") or []
        if str(service.get("image", "")).startswith("spendstream") and command and command[0] not in commands:
            problems.append(f"service {name} runs spendstream {command[0]}, which does not exist")
        problems += [
            f"service {name} sets {variable}, which is no setting"
            for variable in service.get("environment") or {}
            if str(variable).startswith("SPENDSTREAM_") and not _is_setting(str(variable))
        ]
        for volume in service.get("volumes") or []:
            source = str(volume).split(":", maxsplit=1)[0]
            if source.startswith("./") and not (ROOT / source).exists():
                problems.append(f"service {name} mounts {source}, which does not exist")
            if not source.startswith((".", "/")) and source not in (document.get("volumes") or {}):
                problems.append(f"service {name} uses volume {source}, which is not declared")
        problems += [
            f"service {name} depends on {other}, which does not exist"
            for other in service.get("depends_on") or {}
            if other not in document["services"]
        ]
    return problems


def _is_setting(variable: str) -> bool:
    if variable == "SPENDSTREAM_CONFIG":
        return True
    section, _, name = variable.removeprefix("SPENDSTREAM_").lower().partition("__")
    field = Settings.model_fields.get(section)
    if field is None:
        return False
    inner = getattr(field.annotation, "model_fields", {})
    return name in inner if name else True


def main() -> int:
    """Print every problem; fail when there is one."""
    problems = [*pins(), *schemas(), *migrations(), *compose()]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
