"""Which IP addresses are somebody's public server. Pure.

`ipaddress.is_global` follows the IANA registries, but calls some addresses global behind which stands another one:
IPv4 inside IPv6 is unwrapped and judged (IPv4-mapped, NAT64), or refused whole where the mechanism is history (6to4,
Teredo, ISATAP, IPv4-compatible, IPv4-translated).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out for the internet so far."""
_REFUSED_4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_REFUSED_6 = (IPv6Network("2001::/23"), IPv6Network("2002::/16"), IPv6Network("3fff::/20"))
"""Protocol assignments (Teredo among them), 6to4, documentation."""
_ISATAP = (0x00005EFE, 0x02005EFE)


def parse(text: str) -> Address | None:
    """The address that `text` is in its usual notation, or None. Never the decimal, octal or hexadecimal forms that
    a C library would take for one."""
    try:
        return ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None


def plain(address: Address) -> Address:
    """The IPv4 address that a socket for this one would really talk to; else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """A unicast address of the public internet, and no private one inside it."""
    address = plain(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    if address not in _UNICAST or any(address in network for network in _REFUSED_6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP
