"""Where a challenger stands to the champion in words, by plain rules.

`behind` where its paired lead is below 0 with its whole interval, or where in a kind with at least
`FEWEST_APPLICATIONS` its chance of a grant is off by more than `WRONG` with its whole interval and the champion's is
not. Else `ahead` where the lead is above 0 with its whole interval. Else `level`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from training.conclusion import WRONG, enough, summed_up, surely_off, unjudged_chances
from training.metrics import bracketed


class Standing(StrEnum):
    """What a challenger is to the champion, the best first."""

    AHEAD = "ahead"
    LEVEL = "level"
    BEHIND = "behind"


Finding = tuple[Standing, str]


def conclude(report: Mapping[str, Any]) -> dict[str, Any]:
    """`verdict`, the worst of all findings; `because`, those that are as bad; `unjudged`, what is too little."""
    chances, rival = report["challenger"]["chance"], report["champion"]["chance"]
    found = [_lead(report["slices"]["all"]["lead"]), *_chances(chances, rival)]
    return summed_up(found, unjudged_chances(chances))


def _lead(lead: Mapping[str, Any]) -> Finding:
    if lead["low"] is None:
        return Standing.LEVEL, f"the lead over the champion, {lead['value']:+.3f}, is of too few enterprises to judge"
    shown = f"the lead over the champion is {bracketed(lead, '+')}"
    if lead["high"] < 0:
        return Standing.BEHIND, f"{shown}, below 0 by more than chance"
    if lead["low"] > 0:
        return Standing.AHEAD, f"{shown}, above 0 by more than chance"
    return Standing.LEVEL, f"{shown}, which may be chance"


def _chances(kinds: Mapping[str, Mapping[str, Any]], rival: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for kind, part in kinds.items():
        theirs = rival.get(kind, {})
        if _wrong(part) and not _wrong(theirs):
            champion = f"the champion's {bracketed(theirs['off'], '+')}" if enough(theirs) else "the champion's unknown"
            yield (
                Standing.BEHIND,
                f"{kind}, granted less stated: {bracketed(part['off'], '+')} of {part['applications']} applications, "
                f"more than {WRONG} beyond chance, {champion}",
            )


def _wrong(part: Mapping[str, Any]) -> bool:
    return enough(part) and surely_off(part["off"]) > WRONG
