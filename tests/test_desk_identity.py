"""Who it is: passwords, the lock after failures, sessions and keys; what is secret is nowhere in the store."""

import re
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Lock

import pytest
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select, text

from api.desk import identity, keys
from api.desk.cases import sweep
from api.desk.identity import Actor, Role, Scope, add_account, sign_in, sign_out, signed_in
from api.failures import Failures
from api.refusals import ForbiddenError, SignInError, TooManyError
from api.service import CHECKED_AT_ONCE
from api.store.desk_models import AccountRow, SessionRow
from matching.errors import InputError, NotFoundError
from tests.desks import ADMINISTRATOR, officer

PASSWORD = "correct horse battery"
DEAR = identity._hasher  # the service's own, before it is made cheap for tests
TRIES = 5


@pytest.fixture
def account(service, hands):
    add_account(service.store, hands.at, "Wang.Fang", Role.OFFICER, PASSWORD, "I1")
    return service


def everything(service):
    """All that the store holds of accounts, sessions and keys, as one text."""
    with service.store.reading() as session:
        rows = [session.execute(text(f"SELECT * FROM {name}")).all() for name in ("accounts", "sessions", "api_keys")]
    return repr(rows)


def fail(service, times, name="wang.fang"):
    for _ in range(times):
        with pytest.raises(SignInError, match="The name or the password is wrong, or the account is locked"):
            sign_in(service, name, "wrong password")


def test_who_signs_in_is_known_by_the_cookies_token_alone(account):
    made = sign_in(account, " WANG.fang ", PASSWORD)
    assert signed_in(account, made.token) == made
    assert made.actor == Actor("wang.fang", Role.OFFICER, "I1")
    assert signed_in(account, made.token[:-1]) is None
    assert signed_in(account, "") is None


def test_neither_password_nor_token_nor_key_is_in_the_store(account, hands):
    made = sign_in(account, "wang.fang", PASSWORD)
    key = keys.add_key(account.store, hands.at, "platform", [Scope.READ])
    kept = everything(account)
    assert "$argon2id$" in kept
    assert not any(secret in kept for secret in (PASSWORD, made.token, key.split("_", 2)[2]))


def test_a_password_is_as_dear_to_guess_as_argon2_advises():
    kept = DEAR.hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")  # RFC 9106, its second recommended option
    assert DEAR.verify(kept, PASSWORD)


def test_a_session_ends_by_itself_and_by_signing_out(account, hands):
    one, other = (sign_in(account, "wang.fang", PASSWORD) for _ in range(2))
    sign_out(account, one.token)
    assert (signed_in(account, one.token), signed_in(account, other.token)) == (None, other)
    hands.move(hours=10)
    assert signed_in(account, other.token) is None
    sign_out(account, "nobody's")


def test_failures_in_a_row_lock_an_account_for_a_while(account, hands):
    fail(account, TRIES)
    with pytest.raises(SignInError):
        sign_in(account, "wang.fang", PASSWORD)
    hands.move(minutes=15)
    assert sign_in(account, "wang.fang", PASSWORD)


def test_failures_that_are_not_in_a_row_lock_nothing(account):
    for _ in range(3):
        fail(account, TRIES - 1)
        assert sign_in(account, "wang.fang", PASSWORD)


def test_failures_while_it_is_locked_do_not_keep_an_owner_out_for_longer(account, hands):
    fail(account, TRIES)
    hands.move(minutes=14)
    fail(account, TRIES)
    hands.move(minutes=1)
    assert sign_in(account, "wang.fang", PASSWORD)


def test_a_storm_of_guesses_is_checked_a_few_at_a_time_and_counted_one_by_one(account, monkeypatch):
    held, most, seen = Lock(), 0, 0
    together = Barrier(CHECKED_AT_ONCE, timeout=60)  # none goes on before as many as may be are at it

    class Hasher:
        def verify(self, *_):
            nonlocal most, seen
            with held:
                seen += 1
                most = max(most, seen)
            together.wait()
            with held:
                seen -= 1
            raise VerifyMismatchError

    monkeypatch.setattr(identity, "_hasher", Hasher())
    list(account.doorkeepers.map(lambda _: fail(account, 1), range(3 * CHECKED_AT_ONCE)))
    assert most == CHECKED_AT_ONCE
    with account.store.reading() as session:
        assert session.scalars(select(AccountRow.locked_until)).one() is not None


def test_an_unknown_name_is_refused_in_the_same_words(account):
    fail(account, 1, name="nobody")


def test_another_password_ends_the_sessions_and_the_lock(account):
    made = sign_in(account, "wang.fang", PASSWORD)
    fail(account, TRIES)
    identity.change_password(account.store, "Wang.Fang", "another password")
    assert signed_in(account, made.token) is None
    assert sign_in(account, "wang.fang", "another password")
    fail(account, 1)


def test_a_password_that_is_changed_while_it_is_checked_opens_nothing_and_is_no_failure(account, monkeypatch):
    checked = identity._verified

    def overtaken(*given):
        good = checked(*given)
        identity.change_password(account.store, "wang.fang", "another password")
        return good

    monkeypatch.setattr(identity, "_verified", overtaken)
    with pytest.raises(SignInError, match="The name or the password is wrong, or the account is locked"):
        sign_in(account, "wang.fang", PASSWORD)
    with account.store.reading() as session:
        assert session.scalars(select(SessionRow)).all() == []
        assert session.scalars(select(AccountRow.failures)).one() == 0


def test_a_disabled_account_is_shut_at_once(account, hands):
    made = sign_in(account, "wang.fang", PASSWORD)
    identity.disable_account(account.store, hands.at, "wang.fang")
    assert signed_in(account, made.token) is None
    with pytest.raises(SignInError):
        sign_in(account, "wang.fang", PASSWORD)
    with account.store.reading() as session:
        assert session.scalars(select(SessionRow)).all() == []
        assert session.scalars(select(AccountRow)).one().disabled_at is not None


def test_a_sweep_forgets_the_sessions_that_have_ended_and_no_others(account, hands):
    early = sign_in(account, "wang.fang", PASSWORD)
    hands.move(minutes=1)
    late = sign_in(account, "wang.fang", PASSWORD)
    hands.at = early.expires_at
    sweep(account, hands.at)
    assert signed_in(account, early.token) is None
    assert signed_in(account, late.token) == late
    with account.store.reading() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1


def test_a_disabled_account_gets_no_other_password(account, hands):
    identity.disable_account(account.store, hands.at, "wang.fang")
    with pytest.raises(InputError, match=r"name: is not that of a disabled account, as .wang\.fang. is"):
        identity.change_password(account.store, "Wang.Fang", "another password")


@pytest.mark.parametrize("length", [10, 200])
def test_the_shortest_and_the_longest_password_sign_in_and_one_that_only_begins_so_does_not(service, hands, length):
    password = "密" * length
    add_account(service.store, hands.at, "li", Role.COMMISSION, password, None)
    assert sign_in(service, "li", password).token
    with pytest.raises(SignInError, match="The name or the password is wrong"):
        sign_in(service, "li", password + "密")


@pytest.mark.parametrize("change", [identity.disable_account, identity.change_password])
def test_an_account_that_is_not_there_cannot_be_changed(service, hands, change):
    arguments = (hands.at, "nobody") if change is identity.disable_account else ("nobody", PASSWORD)
    with pytest.raises(NotFoundError, match="account 'nobody' does not exist"):
        change(service.store, *arguments)


@pytest.mark.parametrize(
    ("name", "role", "password", "institution_id", "message"),
    [
        ("a b", Role.COMMISSION, PASSWORD, None, "name: has 1 to 64 characters, no blank"),
        ("", Role.COMMISSION, PASSWORD, None, "name: has 1 to 64 characters"),
        ("System", Role.COMMISSION, PASSWORD, None, "name: is not 'system' and has no colon"),
        ("key:platform", Role.COMMISSION, PASSWORD, None, "name: is not 'system' and has no colon"),
        ("a", Role.COMMISSION, "x" * 9, None, "password: has 10 to 200 characters"),
        ("a", Role.COMMISSION, "x" * 201, None, "password: has 10 to 200 characters"),
        ("a", Role.PLATFORM, PASSWORD, None, "role: is one of officer, commission, administrator"),
        ("a", Role.OFFICER, PASSWORD, None, "institution_id: is given for an officer, and for no one else"),
        ("a", Role.COMMISSION, PASSWORD, "I1", "institution_id: is given for an officer, and for no one else"),
        ("WANG.FANG", Role.COMMISSION, PASSWORD, None, "name: is new, not 'wang.fang'"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(account, hands, name, role, password, institution_id, message):
    with pytest.raises(InputError, match=message):
        add_account(account.store, hands.at, name, role, password, institution_id)


def test_an_officer_of_an_unknown_institution_is_refused(service, hands):
    with pytest.raises(NotFoundError, match="institution 'I-none' does not exist"):
        add_account(service.store, hands.at, "a", Role.OFFICER, PASSWORD, "I-none")


def test_a_key_of_an_unknown_institution_is_refused(service, hands):
    with pytest.raises(NotFoundError, match="institution 'I-none' does not exist"):
        keys.add_key(service.store, hands.at, "a", [Scope.READ], "I-none")


def test_administrators_see_accounts_and_keys_and_nobody_else_does(account, hands):
    keys.add_key(account.store, hands.at, "platform", [Scope.READ], "I1")
    with account.store.reading() as session:
        assert [(one.name, one.role) for one in identity.accounts(session, ADMINISTRATOR)] == [("wang.fang", "officer")]
        (key,) = keys.keys(session, ADMINISTRATOR)
        assert (key.label, key.scopes, key.institution_id, key.revoked_at) == ("platform", (Scope.READ,), "I1", None)
        for list_all in (identity.accounts, keys.keys):
            with pytest.raises(ForbiddenError, match="this is for administrator, not for officer"):
                list_all(session, officer("I1"))


def test_a_key_is_known_with_its_scopes_until_it_is_revoked(service, hands):
    key = keys.add_key(service.store, hands.at, "platform", [Scope.OUTCOMES, Scope.READ])
    with service.store.reading() as session:
        actor = keys.actor_of(session, key)
        assert actor == Actor("key:platform", Role.PLATFORM, None, frozenset({Scope.OUTCOMES, Scope.READ}))
    keys.revoke_key(service.store, hands.at, key.split("_")[1])
    with service.store.reading() as session, pytest.raises(SignInError, match="the API key is unknown or was revoked"):
        keys.actor_of(session, key)


@pytest.mark.parametrize(
    "spoil", [lambda k: k[:-1], lambda k: k + "x", lambda k: "x" + k, lambda k: "", lambda k: "_" * 9]
)
def test_a_key_that_is_not_quite_it_is_refused(service, hands, spoil):
    key = keys.add_key(service.store, hands.at, "platform", [Scope.READ])
    with service.store.reading() as session, pytest.raises(SignInError, match="unknown or was revoked"):
        keys.actor_of(session, spoil(key))


@pytest.mark.parametrize(
    ("label", "scopes", "institution_id", "message"),
    [
        ("", [Scope.READ], None, "label: has 1 to 64 printable characters"),
        ("a", [], None, "scopes: has at least 1 items: recommend, outcomes, read"),
        ("a", [Scope.RECOMMEND], "I1", "scopes: has no recommend for an institution's key"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(service, hands, label, scopes, institution_id, message):
    with pytest.raises(InputError, match=message):
        keys.add_key(service.store, hands.at, label, scopes, institution_id)


def test_institutions_do_not_share_a_label_and_an_own_one_may_be_used_again(service, hands):
    keys.add_key(service.store, hands.at, "bank", [Scope.READ], "I1")
    assert keys.add_key(service.store, hands.at, "bank", [Scope.OUTCOMES], "I1")
    for other in ("I2", None):
        with pytest.raises(InputError, match="label: is not that of another institution's key, as 'bank' is"):
            keys.add_key(service.store, hands.at, "bank", [Scope.READ], other)


def test_an_institution_does_not_take_the_label_of_a_key_that_is_bound_to_none(service, hands):
    keys.add_key(service.store, hands.at, "platform", [Scope.OUTCOMES])
    with pytest.raises(InputError, match="label: is not that of another institution's key, as 'platform' is"):
        keys.add_key(service.store, hands.at, "platform", [Scope.OUTCOMES], "I1")


def test_keys_are_never_alike(service, hands):
    made = {keys.add_key(service.store, hands.at, "a", [Scope.READ]) for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"match_[0-9a-f]{12}_[\w-]{43}", key) for key in made)


def test_revoking_a_key_that_is_not_there_says_so(service, hands):
    with pytest.raises(NotFoundError, match="key '123' does not exist"):
        keys.revoke_key(service.store, hands.at, "123")


def test_a_lock_is_a_setting(account):
    stricter = replace(account, settings=account.settings.model_copy(update={"lock_failures": 1}))
    fail(stricter, 1)
    with pytest.raises(SignInError):
        sign_in(stricter, "wang.fang", PASSWORD)


def spray(service, address, times=1):
    """Wrong passwords from an address, each for another account."""
    for i in range(times):
        with pytest.raises(SignInError, match="The name or the password is wrong"):
            sign_in(service, f"nobody-{i}", "wrong password", address)


@pytest.fixture
def watchful(account):
    """Three failures from one address are as many as it may have."""
    return replace(account, settings=account.settings.model_copy(update={"address_failures": 3}))


def test_one_password_tried_on_many_accounts_makes_its_address_wait_and_no_other(watchful, hands):
    spray(watchful, "192.0.2.1", 3)
    hands.move(minutes=5)
    with pytest.raises(TooManyError, match="too many tries from this address have failed") as refused:
        sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.1")
    assert refused.value.wait == timedelta(minutes=10)
    assert sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.2")
    hands.move(minutes=10)
    assert sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.1")


def test_who_gets_in_and_who_waits_count_for_nothing_at_an_address_that_many_share(watchful, hands):
    spray(watchful, "192.0.2.1", 2)
    for _ in range(4):
        assert sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.1")
    spray(watchful, "192.0.2.1")
    for _ in range(4):
        with pytest.raises(TooManyError, match="too many tries from this address"):
            sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.1")
    hands.move(minutes=15)
    spray(watchful, "192.0.2.1", 3)


def test_failures_that_lie_further_apart_never_make_an_address_wait(watchful, hands):
    for _ in range(5):
        spray(watchful, "192.0.2.1")
        hands.move(minutes=7.5)


def test_an_address_that_still_fails_is_not_forgotten_while_others_do(watchful, hands):
    spray(watchful, "192.0.2.1")
    hands.move(minutes=10)
    spray(watchful, "192.0.2.1", 2)
    hands.move(minutes=6)
    spray(watchful, "192.0.2.2")
    spray(watchful, "192.0.2.1")
    with pytest.raises(TooManyError, match="too many tries from this address") as refused:
        sign_in(watchful, "wang.fang", PASSWORD, "192.0.2.1")
    assert refused.value.wait == timedelta(minutes=15 - 6)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::1", "::2", True),
        ("a socket", "a socket", True),
    ],
)
def test_who_chooses_the_rest_of_an_address_is_one_address(watchful, one, other, same):
    spray(watchful, one, 3)
    if same:
        with pytest.raises(TooManyError, match="too many tries from this address"):
            sign_in(watchful, "wang.fang", PASSWORD, other)
    else:
        assert sign_in(watchful, "wang.fang", PASSWORD, other)


def test_without_a_limit_no_address_waits(watchful):
    limitless = replace(watchful, settings=watchful.settings.model_copy(update={"address_failures": 0}))
    spray(limitless, "192.0.2.1", 4)


def test_addresses_that_failed_long_ago_are_remembered_no_longer(hands):
    failures = Failures(2, timedelta(minutes=15))
    for i in range(3):
        failures.add(f"192.0.2.{i}", hands.at)
        failures.add("192.0.2.9", hands.at)
        hands.move(minutes=10)
    assert list(failures._failed) == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
