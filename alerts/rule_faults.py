"""What is wrong with a rule, in words that say what to write instead: from pydantic's errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from alerts.rules import Rule

#: What can stand where several shapes are possible, by the entry.
_SHAPES = {"period": "write month, quarter or year, or a start and a length, as {start: 2026-04-01, months: 12}"}
_KINDS = ", ".join(get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Rule)[0]))

#: Type of an error → what to do; the others say it themselves.
_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "extra_forbidden": lambda _: "there is no such entry; mind the spelling",
    "missing": lambda _: "this entry is needed, and missing",
    "union_tag_invalid": lambda error: f"there is no kind {error['ctx']['tag']}: write one of {_KINDS}",
    "union_tag_not_found": lambda _: f"it has no kind: write one of {_KINDS}",
    "model_attributes_type": lambda _: "a rule is a list of entries, as {id: fees, kind: fee}",
    "model_type": lambda _: "entries are wanted below, as {name: value}",
    "dict_type": lambda _: "entries are wanted below, as {name: value}",
    "tuple_type": lambda _: "a text is wanted, or a list of texts",
    "string_pattern_mismatch": lambda error: (
        "write an address, as https://example.com/costs"
        if "http" in error["ctx"]["pattern"]
        else "write small letters, digits, and - _ . (63 at most, the first a letter or digit)"
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where in the rule, and what to do."""

    place: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        """Return it in one line."""
        where = ".".join(map(str, self.place))
        return f"{where}: {self.message}" if where else self.message


def faults_of(error: ValidationError) -> Sequence[Fault]:
    """Return what is wrong, each place once."""
    found: dict[tuple[str | int, ...], Fault] = {}
    for one in error.errors(include_url=False, include_input=False):
        # The first part of a place is the kind, which the discriminator puts there.
        place = tuple(part for part in one["loc"][1:] if part != "[key]")
        shaped = next((number for number, part in enumerate(place) if "[" in str(part)), None)
        if one["type"] == "value_error":
            # Ours, which knows best: it stands also where other shapes were possible.
            place = place[:shaped]
            found[place] = Fault(place, one["msg"].removeprefix("Value error, "))
        elif shaped is not None:
            place = place[:shaped]
            found.setdefault(place, Fault(place, _SHAPES.get(str(place[-1]) if place else "", one["msg"])))
        else:
            words = _WORDS.get(one["type"])
            found.setdefault(place, Fault(place, one["msg"] if words is None else words(one)))
    return list(found.values())
