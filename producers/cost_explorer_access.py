"""Which payer account's Cost Explorer is read, how it is reached, and what its sources are called."""

from producers.aws_session import AwsSessions
from producers.budget import Budget
from producers.cost_explorer_query import Asker
from spendstream.settings import CostExplorer as Options
from spendstream.settings import Payer


class Access:
    """How one payer account's Cost Explorer is reached, what is read of it, and what that may cost.

    Parameters
    ----------
    options, payer
        What is read; without a payer, the account of the credentials.
    sessions, budget
        How AWS is asked, and what that may cost.
    """

    def __init__(self, options: Options, payer: Payer | None, sessions: AwsSessions, budget: Budget) -> None:
        self.options = options
        self._payer = payer
        self._known = payer
        self._sessions = sessions
        self._budget = budget

    def name(self, part: str = "") -> str:
        """Return the name of the source that reads a `part` (a view, `controls`) of it; empty: the bill itself."""
        return source_name(self._payer, part)

    @property
    def account(self) -> str:
        """The payer account; SourceError when AWS does not say whose credentials they are."""
        return self._who().account

    def asker(self) -> Asker:
        """Return what asks it."""
        return Asker(self._sessions.client("ce", "us-east-1", self._who()), self._budget, net=self.options.net)

    def _who(self) -> Payer:
        if self._known is None:
            self._known = self._sessions.own_account()
        return self._known


def source_name(payer: Payer | None, part: str = "") -> str:
    """Return the name of a source of Cost Explorer, for logs and on the command line."""
    return ".".join(word for word in ("cost_explorer", payer.account if payer else "", part) if word)
