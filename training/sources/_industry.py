"""Industry codes of the releases as paths whose first part is the section letter of ISIC (C is manufacturing)."""

import re
from typing import Final

from training.sources._values import undotted

_NAICS: Final = {
    "11": "A", "21": "B", "22": "D", "23": "F", "31": "C", "32": "C", "33": "C", "42": "G", "44": "G", "45": "G",
    "48": "H", "49": "H", "51": "J", "52": "K", "53": "L", "54": "M", "55": "M", "56": "N", "61": "P", "62": "Q",
    "71": "R", "72": "I", "81": "S", "92": "O",
}  # fmt: skip
_NAICS_FINER: Final = {"532": "N", "562": "E", "814": "T", "2213": "E"}
_SIC: Final = (
    (1, "A"), (10, "B"), (15, "F"), (20, "C"), (40, "H"), (48, "J"), (49, "D"), (50, "G"), (58, "I"), (59, "G"),
    (60, "K"), (65, "L"), (66, "K"), (70, "I"), (72, "S"), (73, "N"), (75, "S"), (78, "R"), (80, "Q"), (81, "M"),
    (82, "P"), (83, "Q"), (84, "R"), (86, "S"), (87, "M"), (88, "T"), (89, "M"), (91, "O"), (99, None),
)  # fmt: skip


def naics(code: str) -> str | None:
    """`333512` is `C/333/333512`; None for no known code."""
    code = undotted(code)
    if not re.fullmatch(r"\d{3,6}", code):
        return None
    finer = next((code[:n] for n in (4, 3) if code[:n] in _NAICS_FINER), None)
    section = _NAICS_FINER[finer] if finer else _NAICS.get(code[:2])
    return f"{section}/{code[:3]}/{code}" if section else None


def sic(code: str) -> str | None:
    """`3531` is `C/S35/3531`; a leading zero that got lost is put back; None for no known code."""
    code = undotted(code)
    if not re.fullmatch(r"\d{3,4}", code):
        return None
    code = code.zfill(4)
    group = int(code[:2])
    section = next((letter for first, letter in reversed(_SIC) if first <= group), None)
    return f"{section}/S{code[:2]}/{code}" if section else None


def naics_or_sic(code: str) -> str | None:
    """Six digits are NAICS, three or four are SIC; a letter after the four (`3721A`) is a release's own detail."""
    match = re.fullmatch(r"(\d{3,4})[A-Z]?", undotted(code))
    return sic(match[1]) if match else naics(code)


def cnae(code: str) -> str | None:
    """`C1011200` is `C/10/101/1011200`; None for no code."""
    match = re.fullmatch(r"([A-U])(\d{7})", code.replace("-", "").replace(".", ""))
    return f"{match[1]}/{match[2][:2]}/{match[2][:3]}/{match[2]}" if match else None
