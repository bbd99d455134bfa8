"""Where a request came from: the address behind trusted proxies, and the networks it counts as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
ProxyHeader = Literal["x-forwarded-for", "forwarded"]

HOPS_MAX: Final = 32
"""More proxies in a row than anybody has; what is further to the left is nobody's word."""

_FORWARDED_LENGTH_MAX: Final = 2048
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_PAIR: Final = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)\s*')
_PARAMETER: Final = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*")+')


class Proxies:
    """The proxies that the operator named, and the one header that they write.

    Only one header is believed. A proxy that writes `X-Forwarded-For` passes a client's own
    `Forwarded` on as it is, so reading both would let a client choose its address.
    """

    def __init__(self, trusted: str, header: ProxyHeader = "x-forwarded-for") -> None:
        """`trusted` is a list of addresses or networks. Raises ValueError for anything else."""
        self._networks = networks(trusted)
        self.header = header.encode()
        self._read = _x_forwarded_for if header == "x-forwarded-for" else _forwarded

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address that a request came from, with `peer` at the other end of the connection.

        Hops are read from the right, where the nearest proxy writes, and only as far as each is
        a proxy that the operator named. Where a hop is no address (`unknown`, `_hidden`), the
        proxy that wrote it is all that is known.
        """
        address = parse(peer)
        if address is None or not self._trusts(address):
            return peer if address is None else str(address)
        values = [value for name, value in headers if name == self.header]
        for number, hop in enumerate(self._read(b",".join(values).decode("latin-1"))):
            found = parse(hop)
            if found is None or number >= HOPS_MAX:
                break
            address = found
            if not self._trusts(address):
                break
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(
            address in network for network in self._networks if network.version == address.version
        )


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks in a list separated by commas. Raises ValueError."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def parse(hop: str) -> Address | None:
    """The address in a hop, without its port, brackets and zone; an IPv4 one as such."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ip_address(hop.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Whom an address counts as: itself, or the /64 that one IPv6 subscriber holds."""
    return _within(address, ipv4=32, ipv6=64)


@lru_cache(maxsize=10_000)
def neighbourhood_of(address: str) -> str:
    """The wider network of an address: /24, or the /48 that one IPv6 site holds."""
    return _within(address, ipv4=24, ipv6=48)


def _within(address: str, *, ipv4: int, ipv6: int) -> str:
    parsed = parse(address)
    if parsed is None:
        return "unknown"
    if isinstance(parsed, IPv4Address):
        return str(parsed) if ipv4 == 32 else f"{_cut(parsed, 32 - ipv4)}/{ipv4}"
    return f"{_cut(parsed, 128 - ipv6)}/{ipv6}"


def _cut(address: Address, bits: int) -> Address:
    return type(address)(int(address) >> bits << bits)


def _x_forwarded_for(text: str) -> Iterator[str]:
    """The hops of `X-Forwarded-For`, the nearest first."""
    if text:
        yield from reversed(text.split(","))


def _forwarded(text: str) -> Iterator[str]:
    """The `for` of each element of `Forwarded` (RFC 7239), the nearest first.

    An element without one, or that cannot be read, is a hop that is no address.
    """
    for element in reversed(_ELEMENT.findall(text[-_FORWARDED_LENGTH_MAX:])):
        yield _for(element)


def _for(element: str) -> str:
    for parameter in _PARAMETER.findall(element):
        pair = _PAIR.fullmatch(parameter)
        if pair is None:
            return ""
        if pair[1].lower() == "for":
            return re.sub(r"\\(.)", r"\1", pair[2][1:-1]) if pair[2][:1] == '"' else pair[2]
    return ""
