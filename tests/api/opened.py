"""A page as a browser would see it: elements with their attributes, and text."""

from html.parser import HTMLParser


class Opened(HTMLParser):
    """The elements of a page, in order, and all of its text with single spaces."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        """All text."""
        return " ".join(" ".join(self._texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def hidden(self) -> dict[str, str]:
        """The hidden fields of all forms."""
        return {one["name"]: one["value"] for one in self.all("input") if one.get("type") == "hidden"}

    @property
    def answers(self) -> list[str]:
        """The answers that the page's form has."""
        return [one["value"] for one in self.all("button") if one.get("name") == "action"]
