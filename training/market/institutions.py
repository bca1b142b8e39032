"""Simulated institutions: invented banks, lessors, underwriters, guarantors and insurers, with home and reach."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching.reference import CITY
from training.market.places import Places

# class: (institution kind, how many, form in zh, form in en); the class says how far and how large it lends
CLASSES: Final = {
    "big": ("bank", 5, "银行", "Bank"),
    "joint": ("bank", 7, "商业银行", "Commercial Bank"),
    "city": ("bank", 6, "城市银行", "City Bank"),
    "rural": ("bank", 9, "村镇银行", "Rural Bank"),
    "lessor": ("lessor", 8, "融资租赁公司", "Leasing"),
    "underwriter": ("underwriter", 6, "证券公司", "Securities"),
    "guarantor": ("guarantor", 3, "融资担保公司", "Guarantee"),
    "insurer": ("insurer", 2, "财产保险公司", "Insurance"),
}
LOCAL: Final = ("city", "rural", "lessor")  # these lend best near home
RURAL_REACH: Final = (3, 7)  # districts that a rural bank serves beside its own
# invented pairs of characters, meant to be no real institution's name
STEMS: Final = (
    ("澜岫", "Lanxiu"), ("衡汐", "Hengxi"), ("朔岚", "Shuolan"), ("云砚", "Yunyan"), ("青舸", "Qingge"),
    ("墨峤", "Moqiao"), ("砺川", "Lichuan"), ("昭屿", "Zhaoyu"), ("桐漪", "Tongyi"), ("霁岭", "Jiling"),
    ("弈江", "Yijiang"), ("松溯", "Songsu"), ("瀚屏", "Hanping"), ("芷原", "Zhiyuan"), ("梧城", "Wucheng"),
    ("澄埠", "Chengbu"), ("岳笙", "Yuesheng"), ("禾汀", "Heting"), ("竹溆", "Zhuxu"), ("稻笠", "Daoli"),
    ("柑坪", "Ganping"), ("榕塘", "Rongtang"), ("橘渡", "Judu"), ("槐垭", "Huaiya"), ("苇湾", "Weiwan"),
    ("茶垣", "Chayuan"), ("枫驿", "Fengyi"), ("铸舟", "Zhuzhou"), ("擎岩", "Qingyan"), ("轴远", "Zhouyuan"),
    ("械澜", "Xielan"), ("锻野", "Duanye"), ("淬峰", "Cuifeng"), ("炬工", "Jugong"), ("钧械", "Junxie"),
    ("鹤闻", "Hewen"), ("鲸序", "Jingxu"), ("麟策", "Lince"), ("雁衡", "Yanheng"), ("骊章", "Lizhang"),
    ("鹭统", "Lutong"), ("磐诺", "Pannuo"), ("屹契", "Yiqi"), ("衍守", "Yanshou"), ("宁犀", "Ningxi"), ("泊安", "Boan"),
)  # fmt: skip


@dataclass(frozen=True)
class Institutions:
    """`table` is the domain's; beside it in the same order: class, home district (index), and districts served."""

    table: pd.DataFrame
    classes: NDArray[np.str_]
    home: NDArray[np.int64]
    serves: NDArray[np.bool_]


def institutions(rng: Generator, where: Places) -> Institutions:
    """The institutions; a home district is drawn by industrial weight, never in one that the reform abolishes."""
    classes = np.array([name for name, (_, count, *_) in CLASSES.items() for _ in range(count)])
    weights = np.where(where.codes == where.successors, where.weights, 0)
    home = rng.choice(len(where.codes), len(classes), p=weights / weights.sum())
    rural = classes == "rural"
    home[rural] = rng.choice(len(where.codes), rural.sum(), replace=False, p=weights / weights.sum())
    serves = np.ones((len(classes), len(where.codes)), bool)
    for i in np.flatnonzero(rural):
        reach = rng.integers(*RURAL_REACH, endpoint=True)
        serves[i] = where.km[home[i]].argsort(kind="stable").argsort() <= reach
    return Institutions(_table(rng, classes, home, where), classes, home, serves)


def _table(rng: Generator, classes: NDArray[np.str_], home: NDArray[np.int64], where: Places) -> pd.DataFrame:
    stems = [STEMS[i] for i in rng.permutation(len(STEMS))[: len(classes)]]
    rows = []
    for i, (name, stem) in enumerate(zip(classes, stems, strict=True)):
        kind, _, form_zh, form_en = CLASSES[name]
        rows.append(
            {
                "institution_id": f"I{i:02d}",
                "name_zh": stem[0] + form_zh,
                "name_en": f"{stem[1]} {form_en}",
                "kind": kind,
                "region": f"{CITY}/{where.codes[home[i]]}" if name in LOCAL else CITY,
                "latitude": where.centres[home[i], 0] if name in LOCAL else None,
                "longitude": where.centres[home[i], 1] if name in LOCAL else None,
            }
        )
    return pd.DataFrame(rows)
