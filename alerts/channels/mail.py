"""A mail: text and HTML of the same content, in the thread of its incident, and no larger than the server takes.

Threads: each mail about an incident refers to one id that is made from the incident's (RFC 5322, References), so that
mail clients show them together, whatever ids the servers on the way give them; a later one is an answer to the one
before.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import partial

from alerts.channels.mail_incidents import html_of
from alerts.message import Message, headline, in_text
from alerts.note import Attachment, Note
from alerts.wording import plain, squeezed

#: SES takes 10 MB unless asked for more; most servers take more than that.
LONGEST = 9_500_000
#: Headers that say, when a mail comes back, which message it was and to whom.
ID_HEADER, RECEIVER_HEADER = "X-Spendstream-Id", "X-Spendstream-Receiver"
_SUBJECT = 120
_MESSAGE_ID = r"<[\w.+-]{1,200}@[\w.-]{1,200}>"
_REFERENCES = 10
#: How much is told: incidents in full, and children of each, as HTML too; less and less until the mail is small enough.
#: Much more than the first, and Gmail would hide the end: it shows 102 KB of HTML.
_MEASURES = ((8, 10, True), (8, 0, True), (3, 0, True), (3, 0, False))


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom.

    Attributes
    ----------
    sender
        As `Costs <costs@example.com>`.
    to
        Addresses.
    """

    sender: str
    to: Sequence[str]

    @property
    def address(self) -> str:
        """The sender's address alone."""
        return parseaddr(self.sender)[1]

    def id_of(self, name: str) -> str:
        """Return an id for mails, made from any name: the same for the same name."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return f"<{digest}@{self.address.partition('@')[2]}>"


def compose(
    envelope: Envelope,
    *,
    name: str,
    receiver: str,
    subject: str,
    text: str,
    at: datetime,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
    threads: Sequence[str] = (),
    answers: str | None = None,
) -> EmailMessage:
    """Return a mail.

    Parameters
    ----------
    name
        Names this mail: its Message-ID is made from it.
    receiver
        Name of the receiver.
    subject
        One line; it is cut to 120 characters, encoded where it has to be, and folded.
    text, html
        The same content twice; html from `alerts.channels.mail_page.page`, None: text alone.
    at
        When it was written.
    attachments
        Files.
    threads
        Names of what it belongs to, as incidents: mails with one in common are one thread.
    answers
        Message-ID of the mail before it.
    """
    mail = EmailMessage(policy=SMTP)
    display, address = parseaddr(envelope.sender)
    mail["From"] = Address(display, addr_spec=address)
    mail["To"] = [Address(addr_spec=one) for one in envelope.to]
    mail["Subject"] = squeezed(plain(subject, 1_000), _SUBJECT)
    mail["Date"] = at
    mail["Message-ID"] = envelope.id_of(name)
    mail[ID_HEADER], mail[RECEIVER_HEADER] = name, receiver
    references = [envelope.id_of(thread) for thread in threads[:_REFERENCES]]
    if answers is not None:
        mail["In-Reply-To"] = answers
        references.append(answers)
    if references:
        mail["References"] = " ".join(references)
    # So no machine answers, and no holiday notice comes back (RFC 3834; the other one is Outlook's).
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text, cte="quoted-printable")
    if html is not None:
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
    for one in attachments:
        maintype, _, subtype = one.kind.partition("/")
        mail.add_attachment(one.content, maintype=maintype, subtype=subtype, filename=plain(one.name, 100))
    _with_boundaries(mail, envelope.id_of(name)[1:33])
    return mail


def mail_of(message: Message, envelope: Envelope, longest: int = LONGEST) -> EmailMessage:
    """Return the mail of a message, in at most `longest` bytes; what is left out for that, it says."""
    # Another channel may have told the one before: its name for it is no id of a mail.
    answers = next((told.handle for told in message.told if re.fullmatch(_MESSAGE_ID, told.handle or "")), None)

    def made(full: int, children: int, with_html: bool) -> EmailMessage:
        short = replace(message, told=message.told[:full])
        cut = "" if (full, children, with_html) == _MEASURES[0] else _CUT
        more = len(message.told) - len(short.told)
        text = in_text(short, children) + (f"\n\nand {more} more: spendstream incidents list" if more > 0 else "")
        return compose(
            envelope,
            name=message.id,
            receiver=message.receiver,
            subject=headline(message),
            text=f"{text}\n\n{cut}".rstrip() + "\n",
            html=html_of(message, full, children, cut) if with_html else None,
            at=message.at,
            threads=[f"{told.incident.run}/{told.incident.id}" for told in message.told],
            answers=answers,
        )

    return _smallest(longest, [partial(made, *measure) for measure in _MEASURES])


def mail_of_note(note: Note, envelope: Envelope, longest: int = LONGEST) -> EmailMessage:
    """Return the mail of a note, in at most `longest` bytes: without its files, or with its text alone, if need be."""

    def made(text: str, html: str | None, attachments: Sequence[Attachment]) -> EmailMessage:
        return compose(
            envelope,
            name=note.id,
            receiver=note.receiver,
            subject=note.title,
            text=text,
            html=html,
            at=note.at,
            attachments=attachments,
            threads=[] if note.thread is None else [note.thread],
        )

    text = note.shortened(longest)
    left = f"Not attached, because the mail server takes only {longest:,} bytes: " + ", ".join(
        plain(one.name, 100) for one in note.attachments
    )
    without = text if not note.attachments else f"{text}\n\n{left}\n"
    html = (
        note.html
        if note.html is None or not note.attachments
        else note.html.replace("</body>", f"<p>{left}</p></body>")
    )
    return _smallest(
        longest,
        [
            lambda: made(text, note.html, note.attachments),
            lambda: made(without, html, ()),
            lambda: made(without, None, ()),
            lambda: made(f"{note.shortened(longest // 8)}\n\n{_CUT}\n", None, ()),
        ],
    )


_CUT = "This mail was cut, because the mail server takes no larger one: spendstream incidents list has the rest."


def _smallest(longest: int, ways: Sequence[Callable[[], EmailMessage]]) -> EmailMessage:
    """Return the first that is small enough; the last, when none is: the server then says what it thinks of it."""
    for way in ways[:-1]:
        mail = way()
        if len(mail.as_bytes()) <= longest:
            return mail
    return ways[-1]()


def _with_boundaries(mail: EmailMessage, name: str) -> None:
    """Give each part that holds others a boundary of its own: the same mail has the same bytes."""
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"={number}={name}=")
