"""What a monitoring report comes to in words, by plain rules.

`train again` where, over the whole window, the model is behind the tuned back-off by more than chance; where the chance
of a grant is off by more than `WRONG` in a kind with at least `FEWEST_APPLICATIONS`, its whole interval beyond that; or
where a fact drifted. `watch` where the lead may be chance, or there is none to judge; where in the latest period the
model is behind by more than chance; where a chance is off by more than `WRONG` and by more than chance; or where a fact
is to be watched. Else the model `holds`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from training.drift import FEWEST, Verdict
from training.incoming import FACTS
from training.metrics import bracketed

WRONG: Final = 0.05
FEWEST_APPLICATIONS: Final = 100


class Conclusion(StrEnum):
    """What there is to do, the least first."""

    HOLDS = "holds"
    WATCH = "watch"
    TRAIN = "train again"


Finding = tuple[Conclusion, str]


def conclude(report: Mapping[str, Any]) -> dict[str, Any]:
    """`verdict`, the gravest of all findings; `because`, those that are as grave; `unjudged`, what is too little."""
    found = [*_lead(report), *_chances(report["chance"]), *_facts(report["drift"]["facts"])]
    return summed_up(found, _unjudged(report))


def summed_up(found: Sequence[tuple[StrEnum, str]], unjudged: Iterable[str]) -> dict[str, Any]:
    """The conclusion that findings come to: its words are listed from the least to the gravest."""
    order = list(type(found[0][0]))
    gravest = max((one for one, _ in found), key=order.index)
    return {
        "verdict": gravest,
        "because": [why for one, why in found if one is gravest],
        "unjudged": list(unjudged),
    }


def _lead(report: Mapping[str, Any]) -> Iterator[Finding]:
    lead, latest = report["lead"], report["ageing"][-1]
    if not report["reachable"]:  # all rank what nobody took, and are level
        none = f"of none of {report['queries']} needs was a candidate taken: no lead over the tuned back-off to judge"
        yield Conclusion.WATCH, none
        return
    if lead["low"] is None:
        few = f"the lead over the tuned back-off, {lead['value']:+.3f}, is of too few enterprises to judge"
        yield Conclusion.WATCH, few
        return
    shown = f"the lead over the tuned back-off is {bracketed(lead, '+')}"
    if lead["high"] < 0:
        yield Conclusion.TRAIN, f"{shown}, below 0 by more than chance"
    elif lead["low"] <= 0:
        yield Conclusion.WATCH, f"{shown}, which may be chance"
    else:
        yield Conclusion.HOLDS, shown
    if latest["lead"]["high"] is not None and latest["lead"]["high"] < 0:
        behind = f"in {latest['period']} it is {bracketed(latest['lead'], '+')}, below 0 by more than chance"
        yield Conclusion.WATCH, behind


def _chances(kinds: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for kind, part in kinds.items():
        if not enough(part):
            continue
        off = part["off"]
        shown = f"{kind}, granted less stated: {bracketed(off, '+')} of {part['applications']} applications"
        surely = surely_off(off)
        if surely > WRONG:
            yield Conclusion.TRAIN, f"{shown}, more than {WRONG} beyond chance"
        elif surely > 0 and abs(off["value"]) > WRONG:
            yield Conclusion.WATCH, f"{shown}, more than {WRONG} and more than chance"
        else:
            yield Conclusion.HOLDS, shown


def surely_off(off: Mapping[str, float]) -> float:
    """How far from 0 the whole interval lies; below 0 where 0 is in it."""
    return max(off["low"], -off["high"])


def enough(part: Mapping[str, Any]) -> bool:
    """Whether the chance of a kind can be judged."""
    return bool(part.get("applications", 0) >= FEWEST_APPLICATIONS and part["off"]["low"] is not None)


def _facts(facts: list[dict[str, Any]]) -> Iterator[Finding]:
    grave = {Verdict.DRIFTED: (Conclusion.TRAIN, "drifted"), Verdict.WATCH: (Conclusion.WATCH, "moved")}
    for fact in facts:
        if fact["verdict"] in grave:
            conclusion, how = grave[fact["verdict"]]
            name, moved = FACTS[fact["fact"]], fact["moved"]
            shares = f"{moved['bin']}: {moved['reference']:.1%} to {moved['window']:.1%}"
            yield conclusion, f"{name} {how}, PSI {fact['psi']:.3f} (chance {fact['chance']:.3f}), most of it {shares}"
    if steady := sum(fact["verdict"] == Verdict.STEADY for fact in facts):
        yield Conclusion.HOLDS, f"{steady} of {len(facts)} facts are steady"


def _unjudged(report: Mapping[str, Any]) -> Iterator[str]:
    if report["caution"]:
        yield f"what the model had not seen: it was trained until {report['trained_until']}, after {report['from']}"
    yield from unjudged_chances(report["chance"])
    if any(fact["verdict"] == Verdict.TOO_FEW for fact in report["drift"]["facts"]):
        yield f"drift: fewer than {FEWEST} enterprises before the window or in it"


def unjudged_chances(kinds: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Which chances cannot be judged."""
    few = [kind for kind, part in kinds.items() if not enough(part)]
    if few:
        yield f"the chance in {', '.join(few)}: not stated, or fewer than {FEWEST_APPLICATIONS} applications decided"
    if not kinds:
        yield "the chance: none is stated, or no application was decided"
