"""All that stands before the first need is shown: enterprises, institutions, products, needs, appetites."""

from dataclasses import dataclass

import pandas as pd
from numpy.random import Generator

from training.market.appetite import Appetite, appetite
from training.market.eligibility import known_facts
from training.market.enterprises import Enterprises, enterprises
from training.market.institutions import Institutions, institutions
from training.market.needs import Needs, needs
from training.market.places import places
from training.market.products import Catalogue, catalogue


@dataclass(frozen=True)
class World:
    """The actors and what they want; `true` and `recorded` are the facts behind each need."""

    firms: Enterprises
    lenders: Institutions
    products: Catalogue
    needs: Needs
    appetite: Appetite
    true: pd.DataFrame
    recorded: pd.DataFrame


def world(rng: Generator, count: int) -> World:
    """A market of `count` enterprises."""
    where = places()
    firms = enterprises(rng, count, where)
    lenders = institutions(rng, where)
    products = catalogue(rng, lenders, where, count)
    asked = needs(rng, firms)
    return World(
        firms=firms,
        lenders=lenders,
        products=products,
        needs=asked,
        appetite=appetite(rng, lenders, products, where),
        true=known_facts(firms.facts, asked.terms, asked),
        recorded=known_facts(firms.recorded, asked.table[list(asked.terms)], asked),
    )
