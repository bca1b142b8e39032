"""Where and in what trade the simulated enterprises are: districts with their weights, industries with their groups."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching import reference
from matching.reference import CITY

BEFORE: Final = date(2025, 11, 5)  # the last day of the old districts
REFORM: Final = pd.Timestamp("2025-11-06")  # Jiangbei and Yubei become Liangjiang New Area
# code: (share of enterprises, latitude, longitude): roughly by industrial output, centres to a tenth of a degree
DISTRICTS: Final[dict[str, tuple[float, float, float]]] = {
    "500101": (4.0, 30.8, 108.4), "500102": (5.0, 29.7, 107.4), "500103": (0.4, 29.6, 106.6),
    "500104": (1.8, 29.5, 106.5), "500105": (3.5, 29.6, 106.6), "500106": (4.5, 29.5, 106.5),
    "500107": (5.5, 29.5, 106.4), "500108": (3.0, 29.5, 106.6), "500109": (4.0, 29.8, 106.4),
    "500110": (2.2, 29.0, 106.7), "500111": (3.0, 29.7, 105.7), "500112": (8.0, 29.7, 106.6),
    "500113": (4.0, 29.4, 106.5), "500114": (1.0, 29.5, 108.8), "500115": (3.0, 29.8, 107.1),
    "500116": (5.0, 29.3, 106.3), "500117": (3.2, 30.0, 106.3), "500118": (4.5, 29.4, 105.9),
    "500119": (1.5, 29.2, 107.1), "500120": (5.5, 29.6, 106.2), "500151": (3.2, 29.8, 106.1),
    "500152": (1.6, 30.2, 105.8), "500153": (2.8, 29.4, 105.6), "500154": (1.6, 31.2, 108.4),
    "500155": (1.5, 30.7, 107.8), "500156": (0.6, 29.3, 107.8), "500229": (0.2, 31.9, 108.7),
    "500230": (0.8, 29.9, 107.7), "500231": (1.2, 30.3, 107.3), "500233": (0.9, 30.3, 108.0),
    "500235": (0.9, 30.9, 108.7), "500236": (0.5, 31.0, 109.5), "500237": (0.3, 31.1, 109.9),
    "500238": (0.3, 31.4, 109.6), "500240": (0.5, 30.0, 108.1), "500241": (0.5, 28.4, 109.0),
    "500242": (0.4, 28.8, 108.8), "500243": (0.5, 29.3, 108.2),
}  # fmt: skip
GROUPS: Final = ("vehicles", "electronics", "equipment", "materials", "chemicals", "food", "light", "health")
# path: (weight, appetite group, cluster, revenue an employee in 10,000 yuan)
INDUSTRIES: Final[dict[str, tuple[float, str, str, float]]] = {
    "C/36/361": (1.5, "vehicles", "smart_vehicles", 180), "C/36/363": (1.0, "vehicles", "smart_vehicles", 110),
    "C/36/367": (14.0, "vehicles", "smart_vehicles", 90), "C/37/375": (6.0, "vehicles", "motorcycles", 95),
    "C/37/371": (1.0, "vehicles", "smart_equipment", 90), "C/39/391": (3.0, "electronics", "servers", 170),
    "C/39/392": (2.0, "electronics", "electronics", 120), "C/39/397": (3.0, "electronics", "power_semiconductors", 95),
    "C/39/398": (3.5, "electronics", "new_displays", 85), "C/38/381": (2.0, "electronics", "power_equipment", 95),
    "C/38/384": (1.2, "electronics", "new_energy", 140), "C/40/401": (2.0, "electronics", "sensors", 75),
    "C/34/344": (3.5, "equipment", "smart_equipment", 80), "C/34/348": (3.0, "equipment", "smart_equipment", 70),
    "C/34/341": (1.5, "equipment", "power_equipment", 90), "C/35/351": (1.5, "equipment", "smart_equipment", 80),
    "C/35/357": (2.0, "equipment", "farm_machinery", 70), "C/35/356": (1.0, "equipment", "ai_robots", 85),
    "C/30/302": (4.0, "materials", "advanced_materials", 80), "C/30/305": (1.5, "materials", "advanced_materials", 85),
    "C/31/313": (0.8, "materials", "advanced_materials", 220), "C/32/325": (2.0, "materials", "light_alloys", 190),
    "C/33/331": (4.0, "materials", "light_alloys", 75), "C/33/339": (3.0, "materials", "advanced_materials", 70),
    "C/26/266": (1.8, "chemicals", "synthetic_materials", 130), 
    "C/26/265": (1.2, "chemicals", "synthetic_materials", 150),
    "C/29/292": (4.0, "chemicals", "synthetic_materials", 70), "C/28/282": (0.5, "chemicals", "fibres_composites", 120),
    "C/13/135": (3.0, "food", "food", 110), "C/13/139": (2.0, "food", "food", 90),
    "C/14/146": (2.5, "food", "food", 75),
    "C/15/152": (1.5, "food", "food", 95), "C/17/175": (1.0, "light", "light_textiles", 55),
    "C/18/181": (1.5, "light", "light_textiles", 40), "C/21/211": (1.5, "light", "smart_home", 50),
    "C/22/223": (1.5, "light", "light_textiles", 80), "C/23/231": (1.5, "light", "light_textiles", 60),
    "C/27/272": (1.5, "health", "biomedicine", 100), "C/27/274": (1.2, "health", "modern_chinese_medicine", 85),
    "C/35/358": (1.5, "health", "medical_devices", 70),
}  # fmt: skip
EARTH_KM_PER_DEGREE: Final = 111.0


@dataclass(frozen=True)
class Places:
    """Districts in one order: codes, zones, what became of them, weights, and kilometres between their centres."""

    codes: NDArray[np.str_]
    successors: NDArray[np.str_]
    zones: NDArray[np.str_]
    weights: NDArray[np.float64]
    centres: NDArray[np.float64]
    km: NDArray[np.float64]

    def paths(self, district: NDArray[np.int64], reformed: NDArray[np.bool_]) -> NDArray[np.str_]:
        """Region paths of districts by index, in the codes before or after the reform."""
        codes = np.where(reformed, self.successors[district], self.codes[district])
        return np.char.add(f"{CITY}/", codes)


def places() -> Places:
    """The districts of before the reform, each with its successor (itself where it has none)."""
    facts = np.array(list(DISTRICTS.values()))
    centres = facts[:, 1:]
    scale = EARTH_KM_PER_DEGREE * np.array([1.0, np.cos(np.radians(30))])
    old = reference.regions(BEFORE)
    return Places(
        codes=np.array(list(DISTRICTS)),
        successors=np.array([reference.successor(code, REFORM.date()) for code in DISTRICTS]),
        zones=np.array([old[code].zone.value for code in DISTRICTS]),
        weights=facts[:, 0] / facts[:, 0].sum(),
        centres=centres,
        km=np.linalg.norm((centres[:, None] - centres[None]) * scale, axis=2),
    )


def industries() -> pd.DataFrame:
    """The industries in one order: path, share of enterprises, group (index into `GROUPS`), cluster, productivity."""
    rows = [(path, *facts) for path, facts in INDUSTRIES.items()]
    table = pd.DataFrame(rows, columns=["path", "share", "group", "cluster", "productivity"])
    table["share"] /= table["share"].sum()
    table["group"] = table["group"].map(GROUPS.index)
    return table
