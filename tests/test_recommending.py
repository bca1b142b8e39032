"""Recommendations in turn: ranked by a few threads, on disk before they are answered, each failure told to its own."""

import asyncio
from collections import Counter
from threading import Event

import pytest
from sqlalchemy import func, select

from api.desk.identity import Scope
from api.keyed import openly_later
from api.messages import NeedGiven, RecommendationRequest
from api.recommending import helpful_fixes, make, own_judged, recall, recommend_in_turn
from api.refusals import SignInError
from api.store.models import RecommendationRow
from matching.codes import Order
from matching.errors import NotFoundError

REQUEST = RecommendationRequest(enterprise_id="E0", need=NeedGiven(amount=2_000_000), as_of="2025-01-10")


def anybody(arrived):
    """Who may ask."""


def nobody(arrived):
    """Who may not."""
    raise SignInError("nobody")


def in_turn(service, request=REQUEST, asker=anybody):
    return asyncio.run(recommend_in_turn(service, request, asker))


def kept(service):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(RecommendationRow))


def test_whatever_says_what_to_fix_says_money_in_the_models_currency(service, monkeypatch):
    monkeypatch.setitem(service.serving.matcher().ranker.manifest, "currency", "USD")
    asked = [REQUEST.model_copy(update={"fix": True, "order": order}) for order in Order]
    made = [make(service, one) for one in asked]
    found = [one.answer.fixes for one in made] + [helpful_fixes(service, made[0].asked)]
    found.append(own_judged(service, made[0].asked, "I2").fixes)
    told = [fix.changes[0].text_zh for fixes in found for fix in fixes]
    assert told == ["将需求金额从2,000,000降至1 USD"] * 4


def test_an_answer_in_turn_is_on_record_and_like_any_other(service):
    made = in_turn(service)
    own = {"id": made.answer.id, "need_id": made.answer.need_id}
    assert make(service, REQUEST).answer.model_copy(update=own) == made.answer
    assert recall(service, made.answer.id, features=False).matches == made.answer.matches


def test_what_lacks_here_and_never_did_in_training_is_in_the_answer_and_on_record(service, monkeypatch):
    monkeypatch.setattr("matching.ranker.Ranker.surprises", lambda *_: ["rate_bp"])
    made = in_turn(service)
    assert made.answer.surprises == recall(service, made.answer.id, features=False).surprises == ("rate_bp",)


def test_who_may_not_ask_is_told_so_and_nothing_is_recorded(service):
    with pytest.raises(SignInError, match="nobody"):
        in_turn(service, asker=nobody)
    assert kept(service) == 0


def test_who_asks_of_the_unknown_is_told_and_the_next_is_ranked(service):
    with pytest.raises(NotFoundError):
        in_turn(service, REQUEST.model_copy(update={"enterprise_id": "nowhere"}))
    assert in_turn(service).answer.matches


def test_a_record_that_the_store_refuses_fails_its_request(service, monkeypatch):
    made = in_turn(service)
    monkeypatch.setattr("api.recommending.make", lambda *_: made)  # its id is taken
    with pytest.raises(service.store.engine.dialect.dbapi.IntegrityError):
        in_turn(service)


def test_who_left_before_the_turn_came_is_not_ranked(service):
    async def leave():
        may_rank = Event()
        service.rankers.submit(may_rank.wait, 20)
        leaves = asyncio.create_task(recommend_in_turn(service, REQUEST, anybody))
        stays = asyncio.create_task(recommend_in_turn(service, REQUEST, anybody))
        await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        may_rank.set()
        await stays

    asyncio.run(leave())
    assert kept(service) == 1


def test_who_waits_for_a_ranker_shares_a_look_at_what_is_served_and_whether_keys_are_needed(service, monkeypatch):
    looks, first = Counter(), service.store._first

    def counted(statement):
        looks[statement] += 1
        return first(statement)

    async def crowd():
        may_rank, ranked = Event(), Event()
        for may_go_on in [may_rank] + [ranked] * (service.settings.threads - 1):  # a single one ranks
            service.rankers.submit(may_go_on.wait, 20)
        asker = await openly_later(Scope.RECOMMEND)(service, None)
        waiting = [asyncio.create_task(recommend_in_turn(service, REQUEST, asker)) for _ in range(6)]
        await asyncio.sleep(0)
        may_rank.set()
        await asyncio.gather(*waiting)
        ranked.set()

    monkeypatch.setattr(service.store, "_first", counted)
    asyncio.run(crowd())
    assert (kept(service), list(looks.values())) == (6, [1, 1])
    in_turn(service, asker=asyncio.run(openly_later(Scope.RECOMMEND)(service, None)))
    assert list(looks.values()) == [2, 2]
