"""Where tables are shown: no wider than the terminal, or every row of theirs would break in the middle."""

from typing import Final

from rich.console import Console

WIDTH: Final = 120  # in a file, in another program, and on a terminal that has as much
NARROWEST: Final = 80  # below, figures would be cut


def fitting() -> Console:
    """As wide as the terminal between these two."""
    shown = Console()
    return Console(width=min(WIDTH, max(shown.width, NARROWEST)) if shown.is_terminal else WIDTH)
