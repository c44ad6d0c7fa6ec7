"""Dead letters: one way to make them, wherever the poison was found."""

from datetime import datetime
from hashlib import blake2b

from schemas.events import DeadLetter


def dead_letter(
    *,
    stage: str,
    origin: str,
    value: bytes,
    error: BaseException,
    at: datetime,
    topic: str | None = None,
    partition: int | None = None,
    offset: int | None = None,
    key: bytes | None = None,
    retries: int = 0,
) -> DeadLetter:
    """Return the letter; its id is the same for the same poison in the same place, so that it is counted once."""
    digest = blake2b(digest_size=12)
    for part in (stage.encode(), origin.encode(), value):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return DeadLetter(
        id=digest.hexdigest(),
        at=at,
        stage=stage,
        origin=origin,
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers={},
        error=type(error).__name__,
        reason=str(error) or type(error).__name__,
        retries=retries,
    )
