"""FOCUS exports of any cloud: whole statements from unsorted files larger than memory.

Rows are spread over bucket files by their scope; then one bucket at a time is folded into statements. So memory holds
one bucket, whatever the size of the export. A row that cannot be taken goes to `dead.letters` with file, line and
reason.
"""

import csv
import gzip
import io
import json
import pickle
import re
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from producers.focus_columns import RowError, missing_columns, parse_row
from producers.publisher import Coverage, Publisher, Reading
from producers.source import ReadingReport, SourceError
from producers.statement import Line, Scope
from schemas.dead_letters import dead_letter
from spendstream.settings import ConfigurationError
from spendstream.settings import FocusExport as Options

_BUCKETS = 128
_SIGN_OF_LIFE = 10_000
_PARQUET_ROWS = 1_000
_PARQUET_BUFFER_BYTES = 1024 * 1024
_SCOPE_VALUES = attrgetter(*(field.name for field in fields(Scope)))
_LINE_VALUES = attrgetter(*(field.name for field in fields(Line)))
_ENDINGS = (".csv", ".csv.gz", ".parquet")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_Book = tuple[str, str]


@dataclass(slots=True)
class _Found:
    """What a billing account's rows span."""

    first_day: date
    last_day: date
    periods: set[date]


class FocusExport:
    """Reads one export, and publishes a reading for each billing account in it.

    Parameters
    ----------
    options
        Name and place of the export.
    publisher
        Where statements go.
    """

    def __init__(self, options: Options, publisher: Publisher) -> None:
        self.name = self.source = f"focus.{options.name}"
        self.schedule = options.schedule
        self._options = options
        self._publisher = publisher

    def run_once(self) -> ReadingReport:
        """Read the whole export, publish what changed, close the readings.

        Raises
        ------
        ConfigurationError
            When there is no such file, or a mandatory column is missing.
        SourceError
            When a file is damaged. What a cut reading has published is announced by no one, and superseded by the next.
        """
        began = time.monotonic()
        lines = letters = statements = 0
        found: dict[_Book, _Found] = {}
        with ExitStack() as stack:
            buckets = _Buckets(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spendstream-focus-"))))
            paths, newest = stack.enter_context(_files(self._options.path))
            for path, name in paths:
                for number, row, problem in _rows(path, name):
                    try:
                        if problem is not None:
                            raise problem
                        scope, line, account_name = parse_row(row, self.source)
                    except RowError as error:
                        letters += 1
                        self._bury(name, number, row, error)
                        continue
                    lines += 1
                    if lines % _SIGN_OF_LIFE == 0:
                        self._publisher.moved()
                    _span(found, scope)
                    buckets.add(scope, line, account_name)
            readings = {book: self._open(book, span, newest) for book, span in sorted(found.items())}
            for scope, some, account_name in buckets.scopes():
                reading = readings[scope.provider, scope.billing_account]
                statements += reading.publish(
                    scope, some, account_name=account_name, estimated=_may_change(scope, newest)
                )
            for book, reading in readings.items():
                final = [period for period in found[book].periods if not _period_open(period, newest)]
                reading.close(found[book].last_day, found[book].last_day if final else None)
        self._publisher.flush()
        seconds = round(time.monotonic() - began, 3)
        return ReadingReport(self.source, len(readings), statements, lines, letters, seconds)

    def _open(self, book: _Book, span: _Found, source_time: datetime) -> Reading:
        provider, account = book
        periods = tuple(sorted(span.periods))
        return self._publisher.open(
            # A corrected bill may drop a day at either end: everything of its billing periods is covered.
            Coverage(self.source, provider, account, date(1970, 1, 1), date(2199, 12, 31), periods),
            source_time,
        )

    def _bury(self, name: str, number: int, row: dict[str, Any], error: RowError) -> None:
        value = json.dumps(row, default=str).encode()
        now = self._publisher.clock.now()
        self._publisher.bury(dead_letter(stage="focus", origin=f"{name}:{number}", value=value, error=error, at=now))


def _span(found: dict[_Book, _Found], scope: Scope) -> None:
    book = (scope.provider, scope.billing_account)
    span = found.get(book)
    if span is None:
        found[book] = _Found(scope.day, scope.day, {scope.billing_period})
        return
    span.first_day = min(span.first_day, scope.day)
    span.last_day = max(span.last_day, scope.day)
    span.periods.add(scope.billing_period)


def _period_open(period: date, at: datetime) -> bool:
    """A bill is final about the fifth of the next month."""
    following = (period.replace(day=1) + timedelta(days=32)).replace(day=6)
    return at.date() < following


def _may_change(scope: Scope, at: datetime) -> bool:
    return _period_open(scope.billing_period, at)


class _Buckets:
    """Rows spread over files by scope."""

    def __init__(self, folder: Path) -> None:
        self._files: list[IO[bytes]] = [(folder / f"{number:03d}").open("w+b") for number in range(_BUCKETS)]

    def add(self, scope: Scope, line: Line, account_name: str | None) -> None:
        file = self._files[zlib.crc32(f"{scope.account}\0{scope.service}\0{scope.day}".encode()) % _BUCKETS]
        # Plain tuples: pickling a dataclass takes twice as long.
        pickle.dump((_SCOPE_VALUES(scope), _LINE_VALUES(line), account_name), file, pickle.HIGHEST_PROTOCOL)

    def scopes(self) -> Iterator[tuple[Scope, Sequence[Line], str | None]]:
        for file in self._files:
            file.seek(0)
            by_scope: dict[Scope, list[Line]] = {}
            names: dict[Scope, str | None] = {}
            while True:
                try:
                    of_scope, of_line, account_name = pickle.load(file)  # noqa: S301 - our own temporary file
                except EOFError:
                    break
                scope = Scope(*of_scope)
                by_scope.setdefault(scope, []).append(Line(*of_line))
                names[scope] = names.get(scope) or account_name
            file.close()
            for scope, lines in by_scope.items():
                yield scope, lines, names[scope]


@contextmanager
def _files(place: str) -> Iterator[tuple[list[tuple[Path, str]], datetime]]:
    """Yield the files of a place, each with its name for messages, and the time of the newest."""
    if place.startswith("s3://"):
        with tempfile.TemporaryDirectory(prefix="spendstream-s3-") as folder:
            yield _from_s3(place, Path(folder))
        return
    path = Path(place)
    found = sorted(p for p in path.rglob("*") if p.name.endswith(_ENDINGS)) if path.is_dir() else [path]
    if not found or not all(p.is_file() for p in found):
        raise ConfigurationError(
            f"no FOCUS export at {place}: name a file, a folder or s3://bucket/prefix with {_ENDINGS}"
        )
    newest = max(p.stat().st_mtime for p in found)
    yield [(p, p.name) for p in found], datetime.fromtimestamp(newest, UTC)


def _from_s3(place: str, folder: Path) -> tuple[list[tuple[Path, str]], datetime]:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    files: list[tuple[Path, str]] = []
    newest = datetime(1970, 1, 1, tzinfo=UTC)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            if entry["Key"].endswith(_ENDINGS):
                target = folder / f"{len(files):06d}-{Path(entry['Key']).name}"
                client.download_file(bucket, entry["Key"], str(target))
                files.append((target, entry["Key"]))
                newest = max(newest, entry["LastModified"])
    if not files:
        raise ConfigurationError(f"no FOCUS export at {place}: no object ends with {_ENDINGS}")
    return files, newest


_Numbered = tuple[int, dict[str, Any], RowError | None]


def _rows(path: Path, name: str) -> Iterator[_Numbered]:
    """Yield the rows of a file with their line, the header being line 1, and what is wrong with a row as such."""
    try:
        if name.endswith(".parquet"):
            yield from _parquet_rows(path, name)
        else:
            with path.open("rb") as plain, _unpacked(plain, name) as text:
                yield from _csv_rows(text, name)
    except (pa.ArrowException, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(
            f"{name} cannot be read: {error}; see that it is whole, and export or copy it again"
        ) from error


def _parquet_rows(path: Path, name: str) -> Iterator[_Numbered]:
    # Read by pages rather than by row groups ahead: a row group may hold a million rows.
    file = pq.ParquetFile(path, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False)
    _check_columns(file.schema_arrow.names, name)
    number = 1
    for batch in file.iter_batches(_PARQUET_ROWS, use_threads=False):
        for row in batch.to_pylist():
            number += 1
            yield number, row, None


def _csv_rows(text: io.TextIOWrapper, name: str) -> Iterator[_Numbered]:
    lines = _Lines(text)
    reader = csv.DictReader(lines)
    _check_columns(list(reader.fieldnames or ()), name)
    last = (reader.fieldnames or [""])[-1]
    while True:
        lines.broken = False
        problem, row = None, {}
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = RowError(f"the row is no CSV: {error}")
        if lines.broken:
            problem = RowError("the row is not in UTF-8")
        elif problem is None and (None in row or row[last] is None):
            problem = RowError(f"the row has {'more' if None in row else 'fewer'} fields than the header")
        yield lines.number, row, problem


class _Lines:
    """The lines of a file: how many were read, and whether one of them was not in UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.broken = False

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.number += 1
            if not line.isascii() and _NOT_UTF8.search(line):
                self.broken = True
            yield line


def _unpacked(raw: IO[bytes], name: str) -> io.TextIOWrapper:
    source: Any = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw
    # A byte that is not UTF-8 comes through as a lone surrogate, so that only its row is lost.
    return io.TextIOWrapper(source, "utf-8-sig", "surrogateescape", newline="")


def _check_columns(names: list[str], file: str) -> None:
    missing = missing_columns(names)
    if missing:
        raise ConfigurationError(f"{file} is no FOCUS export: it has no column {', '.join(missing)}")
