"""How late a bill is: what Cost Explorer shows of a day, some hours after it began, and when it is final."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

#: The day of the following month on which a month is final, and the hour of the first refresh of a day.
FINAL_DAY = 5
FIRST_REFRESH = 3


@dataclass(frozen=True, slots=True)
class Curve:
    """Lateness of a service.

    Parameters
    ----------
    lag
        Hours after which an hour begins to show.
    steps
        Hours since the day began, and the parts in a thousand of each shown hour that are told from then on. Some are
        above a thousand: they are restated downwards. A last step of 0 is a line that vanishes.
    """

    lag: int
    steps: tuple[tuple[int, int], ...]

    @property
    def final(self) -> int:
        """Parts in a thousand that stay."""
        return self.steps[-1][1]

    def visible(self, day: date, as_of: datetime, jitter: int = 0) -> tuple[int, int]:
        """Return the parts in a thousand, and the number of hours of `day`, that are shown at `as_of`.

        `jitter` is a number of hours by which this day is later than usual.
        """
        if month_is_final(day, as_of):
            return self.final, 24
        age = (as_of - day_start(day)) // timedelta(hours=1)
        share = 0
        for hours, permille in self.steps:
            if age >= hours + jitter:
                share = permille
        return share, min(24, max(0, age - self.lag))


CURVES = {
    "fast": Curve(4, ((8, 850), (24, 970), (36, 995), (48, 1000))),
    "usual": Curve(8, ((11, 300), (24, 700), (32, 900), (48, 970), (72, 1008), (96, 1000))),
    "slow": Curve(14, ((24, 400), (40, 700), (56, 880), (96, 985), (168, 997), (240, 1000))),
    "provisional": Curve(8, ((11, 500), (24, 1000), (72, 0))),
    "fee": Curve(0, ((8, 1000),)),
    "credit": Curve(0, ((24, 600), (48, 1000))),
}
#: From this age on nothing of a day changes but what is charged by the month.
SETTLED = timedelta(hours=max(curve.steps[-1][0] for curve in CURVES.values()) + 8)


def day_start(day: date) -> datetime:
    """Return midnight UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def final_at(day: date) -> datetime:
    """Return when the month of `day` is final."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=FINAL_DAY)
    return day_start(following) + timedelta(hours=FIRST_REFRESH)


def month_is_final(day: date, now: datetime) -> bool:
    """Say whether the month of `day` is closed at `now`: from the first refresh of the 5th of the month after."""
    return now >= final_at(day)


def refreshed(now: datetime, every: int) -> datetime:
    """Return the last time, at or before `now`, at which Cost Explorer took in new data: each `every` hours."""
    origin = day_start(date(2000, 1, 1)) + timedelta(hours=FIRST_REFRESH)
    return now - (now - origin) % timedelta(hours=every)
