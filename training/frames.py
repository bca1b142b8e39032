"""Reports of `monitor` and `challenge` as frames, for their charts."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from training.incoming import FACTS


def over_time(report: Mapping[str, Any], figure: str) -> pd.DataFrame:
    """period, value, low, high, needs, posted: the `model`, its NDCG@10, or its `lead` by month or quarter."""
    counted = ("period", "needs", "posted")
    frame = pd.DataFrame([{**row[figure], **{name: row[name] for name in counted}} for row in report["ageing"]])
    return frame.astype({"low": float, "high": float})  # none of them may have an end


def chances(report: Mapping[str, Any]) -> pd.DataFrame:
    """period, kind, applications, chance, granted, low, high: the interval is that of the share granted.

    Empty where no chance is stated or no application was decided.
    """
    columns = ["period", "kind", "applications", "chance", "granted"]
    frame = pd.DataFrame(report["chance_by_period"], columns=[*columns, "off"])
    for end in ("low", "high"):  # of granted less stated, what is stated being as it is
        frame[end] = [row["off"][end] for row in report["chance_by_period"]]
        frame[end] = frame["chance"] + frame[end].astype(float)
    return frame.drop(columns="off")


def facts(found: list[dict[str, Any]]) -> pd.DataFrame:
    """fact, label, psi, chance, verdict of `drift`'s facts, the one that moved furthest first."""
    frame = pd.DataFrame(found, columns=["fact", "psi", "chance", "verdict"]).dropna(subset="psi")
    frame = frame.assign(label=frame["fact"].map(FACTS), verdict=frame["verdict"].astype(str))
    return frame.sort_values("psi", ascending=False, kind="stable", ignore_index=True)


def leads(report: Mapping[str, Any]) -> pd.DataFrame:
    """label, needs, enterprises, value, low, high: a challenger's lead over the champion, a row a slice."""
    found = [
        {"label": name, "needs": part["needs"], "enterprises": part["enterprises"], **part["lead"]}
        for name, part in report["slices"].items()
    ]
    return pd.DataFrame(found).astype({"low": float, "high": float})  # none of them may have an end


def seen(report: Mapping[str, Any]) -> pd.DataFrame:
    """label, share: what officers would notice of a challenger, as in a challenge's `seen`."""
    found = report["seen"]
    rows = [
        ("needs with another first product", found["another_first"]),
        ("places held by another product", 1 - found["shared"] / found["places"] if found["places"] else 0.0),
    ]
    return pd.DataFrame(rows, columns=["label", "share"])
