"""Regions and usage types: an announcement tells of those that it changes, and no window says how far they are closed.

So a day that closes unchanged, or on which one of them cost nothing, has to be noticed here: when their book closes it.
"""

from alerts.figures import Figures


class Detailed:
    """Where the series without windows of one partition stand; an index over its figures."""

    def __init__(self) -> None:
        # Series → book, the day that it is judged at, whether a later one was told or that one cost something.
        self._known: dict[str, tuple[str, int, bool]] = {}

    def note(self, series: str, figures: Figures) -> None:
        """Take a series as it is known now."""
        if figures.windows or figures.book is None or not figures.days:
            self._known.pop(series, None)
            return
        newest = max(figures.days)
        end = newest - 1 if figures.end is None else figures.end
        self._known[series] = figures.book, end, newest > end or figures.costs_at(end)

    def closed(self, book: str, through: int) -> list[str]:
        """Return the series of a book that are to be judged anew once its days are closed through a day.

        Of what is told of no such day, it cost nothing: that is news of those that cost something before.
        """
        return [
            series
            for series, (its_book, end, has_news) in self._known.items()
            if its_book == book and end < through and has_news
        ]
