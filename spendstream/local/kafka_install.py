"""Fetching Apache Kafka from Maven Central, once, and finding the Java that runs it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: The oldest Java that Kafka's server runs on, and the oldest Maven that the pinned plugin runs on.
JAVA_NEEDED = 17
MAVEN_NEEDED = (3, 6, 3)

_PROJECT = Path(__file__).resolve().parents[2]
#: What Kafka is made of (pinned versions), and how it logs.
POM = _PROJECT / "deploy" / "kafka" / "pom.xml"
LOGGING = _PROJECT / "deploy" / "kafka" / "log4j2.properties"

_WITHOUT = "Without it: give the address of another Kafka in SPENDSTREAM_KAFKA__BOOTSTRAP, or use the embedded broker."

#: Receives one line of progress.
Report = Callable[[str], None]


class MissingDependencyError(RuntimeError):
    """Something that has to be installed is missing or too old; the text says what, and how to get it."""


def local_folder() -> Path:
    """Return where the embedded stack keeps its files: SPENDSTREAM_LOCAL_DIR, else `.local` below the project."""
    named = os.environ.get("SPENDSTREAM_LOCAL_DIR")
    return Path(named).absolute() if named else _PROJECT / ".local"


def java() -> str:
    """Return the Java to run, of JAVA_HOME or else of PATH.

    Raises
    ------
    MissingDependencyError
        When there is none, or only one older than Kafka needs.
    """
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    advice = f"Install it with `apt install openjdk-17-jre-headless` or `brew install openjdk@21`. {_WITHOUT}"
    output = _output_of([found, "-version"]) if found else None
    version = re.search(r'version "(?:1\.)?(\d+)', output or "")
    if version is None:
        raise MissingDependencyError(
            f"Apache Kafka needs Java {JAVA_NEEDED} or newer, and there is none"
            f"{' in JAVA_HOME=' + home if home else ' on PATH'}. {advice}"
        )
    if int(version[1]) < JAVA_NEEDED:
        raise MissingDependencyError(
            f"Apache Kafka needs Java {JAVA_NEEDED} or newer, and {found} is version {version[1]}. {advice} "
            "JAVA_HOME chooses among several."
        )
    return str(found)


def install(report: Report = print) -> Path:
    """Fetch Kafka's jars unless they are there, and return their folder. Several processes may call it at once.

    Raises
    ------
    MissingDependencyError
        When Java or Maven is missing or too old, or Maven cannot fetch; the folder is then as it was before.
    """
    java()
    # A folder for each set of versions: it appears whole, and a broker that runs from an older one is left alone.
    version = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    libs = local_folder() / "kafka" / f"libs-{version}"
    if libs.is_dir():
        return libs
    libs.parent.mkdir(parents=True, exist_ok=True)
    with _locked(libs.parent / "install.lock", report):
        if not libs.is_dir():  # another process may have fetched it while this one waited
            _fetch(libs, report)
    return libs


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    """Hold the lock file; the operating system lets go of it when the process ends, however it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Apache Kafka: another process is fetching it, waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(libs: Path, report: Report) -> None:
    maven = _maven()
    report(f"Apache Kafka: fetching it from Maven Central into {libs} (43 MB, once)")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=libs.parent) as folder:
        fresh = Path(folder) / "libs"
        command = [maven, "--batch-mode", "--strict-checksums", "--file", str(POM)]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
        _run_maven(command, report)
        fresh.rename(libs)
    report(f"Apache Kafka: fetched, {len(list(libs.glob('*.jar')))} jars")


def _run_maven(command: list[str], report: Report) -> None:
    """Run Maven, telling every tenth jar that it downloads."""
    last: deque[str] = deque(maxlen=15)
    jars = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if "Downloaded from" in line and ".jar " in line:
                jars += 1
                if jars % 10 == 0:
                    report(f"Apache Kafka: {jars} jars downloaded")
    if process.returncode:
        raise MissingDependencyError(
            "Maven could not fetch Apache Kafka; it needs Maven Central, or a mirror of it in ~/.m2/settings.xml. "
            f"{_WITHOUT} Its last lines:\n" + "\n".join(last)
        )


def _maven() -> str:
    found = shutil.which("mvn")
    advice = (
        f"Install it with `apt install maven` or `brew install maven`; it fetches Kafka from Maven Central. {_WITHOUT}"
    )
    if found is None:
        raise MissingDependencyError(f"Apache Kafka is fetched by Maven, and there is no `mvn` on PATH. {advice}")
    version = re.search(r"Apache Maven (\d+)\.(\d+)\.(\d+)", _output_of([found, "--version"]) or "")
    if version is None or tuple(map(int, version.groups())) < MAVEN_NEEDED:
        raise MissingDependencyError(
            f"Maven {'.'.join(map(str, MAVEN_NEEDED))} or newer is needed, and {found} is "
            f"{'not usable' if version is None else 'version ' + '.'.join(version.groups())}. {advice}"
        )
    return found


def _output_of(command: list[str]) -> str | None:
    """Return what a command prints, None when it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr
