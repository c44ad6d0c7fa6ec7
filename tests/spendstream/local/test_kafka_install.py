"""Fetching Kafka once, also when several ask, and what is said when something is missing. Java and Maven: scripts."""

import threading
from pathlib import Path

import pytest

from spendstream.local.kafka import main
from spendstream.local.kafka_install import MissingDependencyError, install

JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
MAVEN = """
[ "$1" = --version ] && { echo "Apache Maven 3.8.7"; exit 0; }
for argument in "$@"; do case $argument in -DoutputDirectory=*) folder=${argument#*=};; esac; done
echo run >> "$(dirname "$0")/runs"
sleep 0.3
mkdir -p "$folder" && : > "$folder/kafka.jar"
"""


class Machine:
    """A machine with the programs that a test puts on it."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.local = folder / "local"
        self.programs.mkdir()

    def has(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        program.chmod(0o755)

    @property
    def maven_runs(self) -> int:
        runs = self.programs / "runs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    @property
    def fetched(self) -> list[Path]:
        return sorted(self.local.glob("kafka/libs-*/*.jar"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.programs))
    monkeypatch.setenv("SPENDSTREAM_LOCAL_DIR", str(machine.local))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return machine


def test_the_second_start_needs_no_maven(machine):
    machine.has("java", JAVA_17)
    machine.has("mvn", MAVEN)
    folder = install(report=lambda _: None)
    (machine.programs / "mvn").unlink()
    assert install(report=lambda _: None) == folder
    assert machine.fetched == [folder / "kafka.jar"]
    assert machine.maven_runs == 1


def test_several_that_ask_at_once_fetch_it_once(machine):
    machine.has("java", JAVA_17)
    machine.has("mvn", MAVEN)
    said: list[str] = []
    threads = [threading.Thread(target=install, args=(said.append,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert machine.maven_runs == 1
    assert len(machine.fetched) == 1
    assert any("another process is fetching" in line for line in said)


@pytest.mark.parametrize(
    ("java", "said"),
    [
        (None, "there is none on PATH"),
        ("echo 'Unable to locate a Java Runtime.' >&2; exit 1", "there is none on PATH"),  # the stub of macOS
        ("echo 'openjdk version \"11.0.2\"' >&2", "is version 11"),
        ("echo 'java version \"1.8.0_292\"' >&2", "is version 8"),
    ],
)
def test_a_missing_or_old_java_is_named_with_what_to_do(machine, java, said):
    if java is not None:
        machine.has("java", java)
    with pytest.raises(MissingDependencyError, match=said) as raised:
        install()
    assert "apt install openjdk-17-jre-headless" in str(raised.value)
    assert "brew install openjdk" in str(raised.value)
    assert "SPENDSTREAM_KAFKA__BOOTSTRAP" in str(raised.value)


@pytest.mark.parametrize(
    ("maven", "said"),
    [(None, "no `mvn` on PATH"), ("echo 'Apache Maven 3.3.9'", "is version 3.3.9"), ("exit 1", "not usable")],
)
def test_a_missing_or_old_maven_is_named_with_what_to_do(machine, maven, said):
    machine.has("java", JAVA_17)
    if maven is not None:
        machine.has("mvn", maven)
    with pytest.raises(MissingDependencyError, match=said) as raised:
        install(report=lambda _: None)
    assert "apt install maven" in str(raised.value)


def test_a_maven_that_fails_leaves_nothing_and_shows_its_last_lines(machine):
    machine.has("java", JAVA_17)
    machine.has(
        "mvn", '[ "$1" = --version ] && { echo "Apache Maven 3.8.7"; exit 0; }\necho "no route to host"\nexit 1'
    )
    with pytest.raises(MissingDependencyError, match="no route to host"):
        install(report=lambda _: None)
    assert machine.fetched == []


def test_the_command_says_what_is_missing_without_a_traceback(machine, capsys):
    assert main(["install"]) == 1
    assert capsys.readouterr().err.startswith("kafka: Apache Kafka needs Java 17")
    assert machine.fetched == []


def test_java_home_is_tried_first(machine, monkeypatch, tmp_path):
    machine.has("java", JAVA_17)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependencyError, match="none in JAVA_HOME="):
        install()
