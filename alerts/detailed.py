"""Regions and usage types: an announcement tells of those that it changes, and no window says how far they are closed.

So a day that closes unchanged, or on which one of them cost nothing, has to be noticed here: when their book closes it.
"""

from collections.abc import Collection

from alerts.figures import Figures


class Detailed:
    """Where the series without windows of one partition stand; an index over its figures."""

    def __init__(self) -> None:
        # Series → book, the day that it is judged at, the newest day that was told.
        self._known: dict[str, tuple[str, int, int]] = {}

    def note(self, series: str, figures: Figures) -> None:
        """Take a series as it is known now."""
        if figures.windows or figures.book is None or not figures.days:
            self._known.pop(series, None)
            return
        newest = max(figures.days)
        self._known[series] = figures.book, figures.end if figures.end is not None else newest - 1, newest

    def closed(self, book: str, through: int, firing: Collection[str]) -> list[str]:
        """Return the series of a book that have something to be judged once its days are closed through a day.

        Those are series that were told of a later day than they were judged at. Of `firing` ones that nothing was said
        is told as well: they cost nothing.
        """
        return [
            series
            for series, (its_book, end, newest) in self._known.items()
            if its_book == book and end < through and (newest > end or series in firing)
        ]
