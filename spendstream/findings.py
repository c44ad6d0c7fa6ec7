"""What a check found, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `fix` says what to do, and is empty where all is well."""

    what: str
    ok: bool
    detail: str
    fix: str = ""


def good(what: str, detail: str) -> Finding:
    """Return that something is well."""
    return Finding(what, ok=True, detail=detail)


def failed(what: str, detail: str, fix: str) -> Finding:
    """Return that something is not, and what to do."""
    return Finding(what, ok=False, detail=detail, fix=fix)
