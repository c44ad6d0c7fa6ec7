"""A note: what a receiver is told that is about no incident, as a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alerts.wording import plain, printable

_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a note; channels without files leave it out.

    Attributes
    ----------
    name, kind
        Name of the file, and its media type, as text/csv.
    """

    name: str
    kind: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """What goes to one receiver.

    Attributes
    ----------
    id
        The same for the same note, so that a receiver can know a repetition.
    kind
        What it is; receivers may sort by it.
    title
        One line of plain text; it becomes one, whatever it was.
    text
        The whole in plain text; lines of any channel.
    html
        The whole as a mail shows it, from `alerts.channels.mail.page`; None: the text alone.
    thread
        The same for notes that belong together; None: it stands alone.
    """

    id: str
    receiver: str
    kind: Literal["report"]
    title: str
    text: str
    at: datetime
    html: str | None = None
    attachments: Sequence[Attachment] = ()
    thread: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", plain(self.title, _LONGEST_TITLE))

    def shortened(self, longest: int) -> str:
        """Return the text without control and direction marks, its lines kept, cut to `longest` characters."""
        text = "\n".join(printable(line) for line in self.text.splitlines())
        return text if len(text) <= longest else text[: longest - 1] + "…"
