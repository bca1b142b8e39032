"""The model card: what a bundle is, what it was trained on and what it is not for, as Markdown for people.

It is made from the bundle's parts alone and adds nothing to them: neither the model's id nor loading depends on it.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from matching.appetite import Appetite
from matching.calibration import FEWEST
from matching.choice import Choice
from matching.features import SPECIFICATION
from matching.history import CODES, DISTANCES
from matching.levels import LEVELS
from matching.memory import NEAR_KM, PARAMETERS, Kernel
from matching.sides import Feature

MOST: Final = 20
WIDEST: Final = 6  # families of slopes, for each stage
_FAR_DOWN: Final = 5  # a position to read γ by
_SHARES: Final = ("debt_ratio",)  # all other distances are between logarithms
_BY: Final = {feature.name: feature for feature in SPECIFICATION}


def card(
    manifest: Mapping[str, Any], kernels: Sequence[Kernel], choice: Choice, appetites: Sequence[Appetite] = ()
) -> str:
    """The card of the bundle with this manifest; the same parts give the same text."""
    parts = (
        _head(manifest, appetites),
        _trained_on(manifest),
        _not_for(manifest),
        _features(),
        _memory(kernels),
        _choice(choice),
        _shown(appetites),
        _chance(manifest.get("applications", {})),
        _missing(manifest["missing_rates"]),
        _measure(manifest),
    )
    return "\n\n".join(parts) + "\n"


def _head(manifest: Mapping[str, Any], appetites: Sequence[Appetite]) -> str:
    leaning = " The appetites, learned from what was shown, come on top." if appetites else ""
    return (
        f"# Model card: {manifest['id']}\n\n"
        "Ranks the financing products that no hard rule rules out for one enterprise's need, so that an officer or an "
        "enterprise looks at the likeliest first. Three parts: a memory that weighs past outcomes by what they share "
        "with the need, a choice model (conditional logit) over features of that memory, and a forest of small trees "
        f"(LambdaRank). The score is the sum of the last two.{leaning}"
    )


def _trained_on(manifest: Mapping[str, Any]) -> str:
    about: dict[str, Any] = {
        "source": manifest.get("source"),
        "credit line": manifest.get("attribution") or None,
        "market": _either(manifest.get("simulated"), "simulated", "real"),
        "currency": manifest.get("currency"),
        "needs": _window(manifest),
        "needs learned from": _count(manifest.get("queries")),
        "outcomes remembered": _count(manifest.get("events")),
        "enterprises": _either(manifest.get("all_industries"), "of all industries", "manufacturing"),
        "products": "; ".join(f"{name}: {', '.join(kept)}" for name, kept in manifest.get("where", {}).items())
        or "all",
        "seed": manifest.get("seed"),
        "rounds of the forest": manifest.get("rounds"),
        "versions": ", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
        "fingerprint of the data": manifest.get("data"),
    }
    return "## Trained on\n\n" + _table(("", ""), [row for row in about.items() if row[1] is not None])


def _window(manifest: Mapping[str, Any]) -> str:
    since = f"from {manifest['since']} " if "since" in manifest else ""
    return f"posted {since}to before {manifest['until']}"


def _not_for(manifest: Mapping[str, Any]) -> str:
    limits = [
        "Deciding on credit, or telling an enterprise that it will be granted anything: an institution decides.",
        "Comparing needs: a score orders the products of one need. It is no probability.",
        "Another market or another currency than the one it was trained on.",
        "Judging an institution or a product. It learned from what was financed, so it repeats who was financed "
        "before; `evaluate` shows each institution's places beside its share of eligible products.",
        f"A market that has moved since {manifest['until']}: what it remembers can be renewed, its weights stay.",
    ]
    if not manifest.get("all_industries"):
        limits.append("Enterprises outside manufacturing: it learned from none.")
    if manifest.get("simulated"):
        limits.append("Anything about real institutions: the market that it was trained on is invented.")
    return "## Not for\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _features() -> str:
    """By family and side; names that each level has are given once."""
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for feature in SPECIFICATION:
        rows.setdefault((feature.family, feature.side.value), {})[_shortened(feature)] = None
    cells = [(family, side, ", ".join(names)) for (family, side), names in rows.items()]
    text = (
        f"{len(SPECIFICATION)} features. Side: what a feature depends on, the enterprise's need alone, the product and "
        f"the history alone, or the pair. A name with … stands for {len(LEVELS)}: {', '.join(LEVELS)}."
    )
    return f"## What it reads\n\n{text}\n\n{_table(('family', 'side', 'features'), cells)}"


def _shortened(feature: Feature) -> str:
    for level in LEVELS:
        rest = feature.name.removeprefix(f"{level}_")
        if all(f"{other}_{rest}" in _BY for other in LEVELS):
            return f"…_{rest}"
    return feature.name


def _memory(kernels: Sequence[Kernel]) -> str:
    heads = ("a past outcome", *(f"for the {kernel.level}" for kernel in kernels))
    rows = [(text, *(_factor(kernel, phi) for kernel in kernels)) for text, phi in _probes().items()]
    text = (
        "By how much the weight of a past outcome is multiplied, in the memory that tells which product, institution "
        "or type comes next. Regions and industries go from coarse (1) to fine; factors multiply. What all outcomes "
        "share, or none, orders nothing: its factor is where the fit began."
    )
    return f"## What the memory weighs\n\n{text}\n\n{_table(heads, rows)}"


def _probes() -> dict[str, dict[str, float]]:
    """What a past outcome has or lacks, and how far each of the memory's terms moves for it."""
    found = {f"same {name.replace('_', ' ')}": {name: 1.0} for name in CODES}
    for name in DISTANCES:
        apart, step = ("0.1 apart", 0.1) if name in _SHARES else ("twice or half", np.log(2))
        found[f"{name.replace('_', ' ')} {apart}"] = {f"{name}_distance": -step}
    for years in (1, 5):
        age = (-float(years), -np.log1p(12 * years))
        text = f"{years} year{'s' * (years > 1)} old"
        found[text] = dict(zip(("age", "log_age"), age, strict=True))
        found[f"{text} and the enterprise's own, on top"] = dict(zip(("own_age", "own_log_age"), age, strict=True))
    for km in (10, 100):
        found[f"{km} km away"] = {"log_km": -np.log1p(km / NEAR_KM), "km": -km / 50}
    found["place unknown"] = {"no_km": 1.0}
    named = {name for phi in found.values() for name in phi}
    return found | {name: {name: 1.0} for name in PARAMETERS if name not in named}


def _factor(kernel: Kernel, phi: Mapping[str, float]) -> str:
    weights = dict(zip(PARAMETERS, kernel.weights.tolist(), strict=True))
    factor = np.exp(sum(weights[name] * step for name, step in phi.items()))
    return f"× {factor:,.0f}" if factor >= 100 else f"× {factor:.2g}"


def _choice(choice: Choice) -> str:
    weights = {name: float(row[0]) for name, row in choice.to_dict().items()}
    first = sorted(weights, key=lambda name: (-abs(weights[name]), name))[:MOST]
    rows = [(name, _BY[name].family, _BY[name].side.value, f"{weights[name]:+.3f}") for name in first]
    text = (
        f"The {len(rows)} largest of {len(weights)} weights: how much a product's log chance of being the one taken "
        "rises with one standard deviation of the feature, all others equal. Features that say nearly the same share "
        "their weight, or pull against each other."
    )
    return f"## What the choice model weighs most\n\n{text}\n\n{_table(('feature', 'family', 'side', 'weight'), rows)}"


def _shown(appetites: Sequence[Appetite]) -> str:
    """How much less is looked at further down, and on what the slopes of each stage differ most."""
    if not appetites:
        return "## What was shown\n\nNo appetites: it is not on record what was shown, or too little of it was granted."
    gamma = appetites[0].gamma
    text = (
        f"What is shown at position {_FAR_DOWN} is looked at {_FAR_DOWN**-gamma:.2g} times as often as what is shown "
        f"first (position k: k^-{gamma:.2f}), so that what was shown far down and left is no refusal. Each product, "
        "institution and type has slopes of its own on the need's facts, for the odds that an enterprise which looks "
        f"applies and that an application is granted. For each stage the {WIDEST} families that differ most: by what "
        "factor, up or down, one standard deviation of the family's slopes moves the odds (numbers: for one standard "
        "deviation of the number)."
    )
    rows = [row for appetite in appetites for row in _widest(appetite)]
    return f"## What was shown\n\n{text}\n\n{_table(('stage', 'of each', 'on', 'factor'), rows)}"


def _widest(appetite: Appetite) -> list[tuple[str, str, str, str]]:
    first = sorted(appetite.spreads.items(), key=lambda item: (-item[1], item[0]))[:WIDEST]
    named = [(*family.split(":"), f"{np.exp(np.sqrt(spread)):.2f}") for family, spread in first]
    return [
        (appetite.stage, level, "all needs" if source == "level" else source.replace("_", " "), factor)
        for level, source, factor in named
    ]


def _chance(applications: Mapping[str, Mapping[str, Any]]) -> str:
    """What the chance of a grant was learned from, by kind."""
    text = (
        "Beside the score may stand the chance that an application is granted. The appetites give its log-odds, a line "
        "by kind, fitted on applications that were held back, its level, and isotonic regression along the ranking "
        "keeps it from falling while the score rises within a kind. It takes appetites, and among what was shown "
        f"{FEWEST} grants and as many refusals of a kind."
    )
    cells = [
        (kind, f"{found['granted']:,}", f"{found['refused']:,}", "yes" if found["enough"] else "no")
        for kind, found in applications.items()
    ]
    return f"## The chance of a grant\n\n{text}\n\n{_table(('kind', 'granted', 'refused', 'enough'), cells)}"


def _missing(rates: Mapping[str, float]) -> str:
    never = [name for name, rate in rates.items() if rate == 1]
    some = sorted((name for name, rate in rates.items() if 0 < rate < 1), key=lambda name: (-rates[name], name))
    always = len(rates) - len(never) - len(some)
    texts = [f"{always} features were always known; one that is missing later is named among an answer's `surprises`."]
    if never:
        texts.append(f"Never known in training, so that they say nothing: {', '.join(never)}.")
    if some:
        texts.append(_table(("feature", "missing in training"), [(name, f"{rates[name]:.1%}") for name in some[:MOST]]))
    if some[MOST:]:
        texts.append(f"And {len(some) - MOST} more, each at most {rates[some[MOST]]:.1%}; `manifest.json` has all.")
    return "## Missing values\n\n" + "\n\n".join(texts)


def _measure(manifest: Mapping[str, Any]) -> str:
    filters = [f"{name}={','.join(values)}" for name, values in manifest.get("where", {}).items()]
    kept = [f"--where {shlex.quote(one)}" for one in filters]
    everyone = ["--all-industries"] if manifest.get("all_industries") else []
    call = f"python -m training evaluate DATA --models MODELS --model {manifest['id']} --from {manifest['until']}"
    return (
        "## How to measure it\n\nOn needs posted after those that it learned from, beside the baselines:\n\n"
        f"```sh\n{' '.join([call, *kept, *everyone])} --json report.json\n```\n\n"
        "`report.html` beside it shows for whom it works, month by month and slice by slice, and the needs that it "
        "ranked worst."
    )


def _either(flag: bool | None, yes: str, no: str) -> str | None:
    """None where the manifest does not say."""
    return None if flag is None else yes if flag else no


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    """One line, with no bar that would end the cell."""
    return " ".join(str(value).replace("|", "\\|").split())
