"""Ids and tokens: the same everywhere, sorted by time, and nobody else's."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from almoner.donations.keys import RequestKey
from almoner.platform.ids import IdDeriver, Tokens, new_id, time_of

IDS = IdDeriver("a" * 32)


def test_new_ids_sort_by_time() -> None:
    """UUIDv7 of RFC 9562: version, variant and milliseconds are where they belong."""
    made = [new_id() for _ in range(1000)]

    assert len(set(made)) == 1000
    assert {i.version for i in made} == {7}
    assert {i.variant for i in made} == {"specified in RFC 4122"}
    times = [time_of(i) or 0 for i in made]
    assert times == sorted(times)


@given(st.text(), st.text(), st.integers(1_600_000_000_000, 3_999_999_999_999))
def test_an_id_follows_from_what_it_stands_for(a: str, b: str, at_ms: int) -> None:
    """Same input, same id; the time is only what it sorts by."""
    derived = IDS.derive(a, b, at_ms=at_ms)

    assert derived == IdDeriver("a" * 32).derive(a, b, at_ms=at_ms)
    assert time_of(derived) == at_ms
    assert derived != IdDeriver("b" * 32).derive(a, b, at_ms=at_ms)
    assert IDS.derive(a, b).version == 8


def test_parts_are_kept_apart() -> None:
    """ab + c is not a + bc."""
    assert IDS.derive("ab", "c") != IDS.derive("a", "bc")


def test_a_key_lends_its_time_to_the_donation() -> None:
    """A UUIDv7 key makes ids that sort; any other key is as good, unsorted."""
    key = new_id()

    ours = RequestKey("key", str(key)).donation_id(IDS)
    other = RequestKey("key", str(uuid4())).donation_id(IDS)

    assert time_of(ours) == time_of(key)
    assert other.version == 8
    assert RequestKey("form", str(key)).donation_id(IDS) != ours


def test_two_keys_of_one_millisecond_make_two_donations() -> None:
    """Only the time is borrowed, never the uniqueness."""
    head = new_id().int >> 64 << 64
    keys = [UUID(int=head | (0b10 << 62) | n) for n in range(500)]

    assert len({RequestKey("key", str(k)).donation_id(IDS) for k in keys}) == 500


@given(st.text(), st.text())
def test_a_token_is_good_for_its_own_text_only(text: str, other: str) -> None:
    """Nor is a token of another purpose good for it."""
    tokens = Tokens("a" * 32, "read")

    assert tokens.verify(text, tokens.sign(text))
    assert tokens.verify(other, tokens.sign(text)) == (other == text)
    assert not tokens.verify(text, Tokens("a" * 32, "form").sign(text))
    assert not tokens.verify(text, other)
