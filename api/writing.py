"""What changes something: a method and a path, the model of a body, and the function that does it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from api.parameters import P
from api.problems import bad_parameters
from api.publishing import Publisher
from api.route import Question

B = TypeVar("B", bound=BaseModel)


class Nothing(BaseModel):
    """The body of a request that has none."""


@dataclass(frozen=True, slots=True)
class Wish(Generic[P, B]):
    """What somebody wants changed.

    Attributes
    ----------
    question
        Path, parameters, time and deployment, as of a question.
    body
        What was sent.
    writer
        The name of the token.
    publisher
        Hands events to Kafka.
    """

    question: Question[P]
    body: B
    writer: str
    publisher: Publisher


@dataclass(frozen=True, slots=True)
class Writing(Generic[P, B]):
    """One thing that can be changed; to add one is to write its function and to name it in `api.routes`.

    Attributes
    ----------
    method, path, summary, parameters, answer, values
        As of `api.route.Route`.
    body
        The model of what is sent; `Nothing`: nothing is.
    handle
        Does it, and returns the answer; raises `Problem`.
    status
        HTTP status of the answer: 202 where others follow later.
    """

    method: Literal["POST", "PUT", "DELETE"]
    path: str
    summary: str
    parameters: type[P]
    body: type[B]
    answer: type[BaseModel]
    handle: Callable[[Wish[P, B]], Awaitable[dict[str, Any]]]
    status: int = 200
    values: Mapping[str, str] = field(default_factory=dict)


def body_of(model: type[B], raw: bytes) -> B:
    """Return the body of a request.

    Raises
    ------
    Problem
        400, saying which entry to change and how.
    """
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise bad_parameters("; ".join(faults)) from None
