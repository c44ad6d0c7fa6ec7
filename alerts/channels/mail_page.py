"""The HTML of mails: MJML templates, filled by Jinja with everything escaped, made into HTML that mail clients show.

A template begins with `{% extends "mail_frame.mjml" %}` and fills the blocks `accent` (a colour), `content` (sections
of MJML, with `css-class="card"` so that dark mode knows them) and `footer`; `mail_parts.jinja` has a bar for charts,
made of table cells. Classes that dark mode changes: `muted`, `line`, `rest`, `footer`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import mrml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alerts.wording import printable

_HERE = Path(__file__).parent


def page(template: Path, *, title: str, preview: str, **values: Any) -> str:  # noqa: ANN401 - what the template names
    """Return a mail's HTML.

    Parameters
    ----------
    template
        File of the template.
    title, preview
        What stands in the tab, and what a mail client shows beside the subject.
    values
        What else the template names. Text is escaped, whatever it holds.

    Raises
    ------
    jinja2.TemplateError, OSError
        When the template is none, or names what is not given: a mistake in the program.
    """
    mjml = _environment(template.parent).get_template(template.name).render(title=title, preview=preview, **values)
    return str(mrml.to_html(mjml).content)


@lru_cache(maxsize=8)
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, _HERE]),
        autoescape=True,
        # MJML takes no control signs, and a reader no direction marks.
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
