"""What the desk refuses, beside what `matching.errors` names: the caller has no right to it, or came too late.

MatchingError
├── SignInError      no valid session, password or key (HTTP 401)
├── TooManyError     too many failures came from one address; `wait` says how long (HTTP 429)
├── ForbiddenError   known, but this is not for that role or scope (HTTP 403)
└── ConflictError    the state does not admit it; `legal` names the steps that it does (HTTP 409)
"""

from collections.abc import Sequence
from datetime import timedelta

from matching.codes import Coded
from matching.errors import MatchingError


class SignInError(MatchingError):
    """Nobody known: sign in, or send a key."""


class TooManyError(MatchingError):
    """Nobody known, and too many from there were nobody known before: try again after `wait`."""

    def __init__(self, text: str, wait: timedelta) -> None:
        self.wait = wait
        super().__init__(text)


class ForbiddenError(MatchingError):
    """Somebody known without the right to this."""


class ConflictError(MatchingError):
    """Another change came first, or the step is not legal here: read again, then choose among `legal`.

    `legal` is None where the conflict is not about a step, and empty where no step is left.
    """

    def __init__(self, text: str, legal: Sequence[Coded] | None = None) -> None:
        self.legal = None if legal is None else tuple(legal)
        super().__init__(text)
