"""Addresses: nobody chooses their own, whatever headers they send."""

from __future__ import annotations

from typing import Any

import pytest

from almoner.platform.addresses import Proxies, ProxyHeader, neighbourhood_of, network_of
from almoner.platform.http import client_address_reader


def address(
    trusted: str, peer: str, *headers: tuple[str, str], by: ProxyHeader = "x-forwarded-for"
) -> str:
    """Where a request is believed to come from."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope: Any = {"client": (peer, 1) if peer else None, "headers": raw}
    return client_address_reader(Proxies(trusted, by))(scope)


@pytest.mark.parametrize(
    ("given", "one", "around"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.250", "203.0.113.250", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::9", "2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("nonsense", "unknown", "unknown"),
        ("", "unknown", "unknown"),
    ],
)
def test_one_subscriber_counts_once(given: str, one: str, around: str) -> None:
    """An IPv6 subscriber holds a whole /64, and often a /48; an IPv4 one is written in two ways."""
    assert (network_of(given), neighbourhood_of(given)) == (one, around)


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ("", "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.0/8", "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "10.0.0.9", "10.0.0.9"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1:52011", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.1", "2001:DB8:0::1", "2001:db8::1"),
        ("10.0.0.0/8", "10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::/8", "fd00::1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1, ", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1, <script>, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.0/8", "10.0.0.1", ", ".join(["198.51.100.1"] + ["10.0.0.2"] * 99), "10.0.0.2"),
    ],
)
def test_an_address_cannot_be_forged(
    trusted: str, peer: str, forwarded: str, expected: str
) -> None:
    """X-Forwarded-For is believed only as far as named proxies wrote it, port or not."""
    headers = [("x-forwarded-for", forwarded)] if forwarded else []

    assert address(trusted, peer, *headers) == expected


def test_several_lines_of_the_header_are_one_list() -> None:
    """A proxy may add a line of its own below the client's."""
    lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1")]

    assert address("10.0.0.0/8", "10.0.0.1", *lines) == "198.51.100.1"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ("for=1.1.1.1, for=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
        ("for=1.1.1.1, FOR=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
        ('for="198.51.100.1:443"', "198.51.100.1"),
        ('for="[2001:db8::1]:443"; proto=https', "2001:db8::1"),
        ("proto=https; for=198.51.100.1", "198.51.100.1"),
        ("for=1.1.1.1, for=unknown", "10.0.0.1"),
        ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
        ("for=1.1.1.1, proto=https", "10.0.0.1"),
        ('for=1.1.1.1, x="a, for=6.6.6.6"; for=198.51.100.1', "198.51.100.1"),
        ('for=1.1.1.1, for="198.51.100.1', "10.0.0.1"),
        ("for=1.1.1.1, for 198.51.100.1", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_standard_header_is_read_where_the_operator_says_so(
    forwarded: str, expected: str
) -> None:
    """RFC 7239, from the right, with quotes, ports and names that are no addresses."""
    found = address("10.0.0.0/8", "10.0.0.1", ("forwarded", forwarded), by="forwarded")

    assert found == expected


@pytest.mark.parametrize("by", ["x-forwarded-for", "forwarded"])
def test_only_the_one_header_of_the_proxies_is_believed(by: ProxyHeader) -> None:
    """The other one was sent by the client, and passed on by a proxy that does not know it."""
    headers = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.2")]

    found = address("10.0.0.0/8", "10.0.0.1", *headers, by=by)

    assert found == {"x-forwarded-for": "198.51.100.1", "forwarded": "198.51.100.2"}[by]


def test_a_connection_without_an_address_is_nobodys() -> None:
    """Such as one through a UNIX socket: it is not taken for a proxy."""
    assert address("10.0.0.0/8", "", ("x-forwarded-for", "198.51.100.1")) == ""
