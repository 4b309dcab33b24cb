"""Amounts as a platform prints them for people: "￥6,000", "€2", "$9.99", "1.234,56 €", "SGD 5.00"."""

import re

from worker.lab.importers.recording import NO_CURRENCY

# YouTube's signs. A bare $ is the US dollar there; others carry a prefix. "kr" is left out: four countries
# use it.
_SIGNS = {
    "$": "USD", "US$": "USD", "A$": "AUD", "AU$": "AUD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD",
    "NT$": "TWD", "S$": "SGD", "MX$": "MXN", "R$": "BRL", "€": "EUR", "£": "GBP", "¥": "JPY", "￥": "JPY",
    "JP¥": "JPY", "CN¥": "CNY", "元": "CNY", "円": "JPY", "₩": "KRW", "￦": "KRW", "₹": "INR", "₱": "PHP",
    "₫": "VND", "₪": "ILS", "₽": "RUB", "₺": "TRY", "₴": "UAH", "฿": "THB", "zł": "PLN", "Kč": "CZK",
    "Ft": "HUF",
}  # fmt: skip
_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP", "PYG", "ISK", "UGX", "XAF", "XOF"})  # ISO 4217 exponent 0
_SPACES = re.compile(r"[\s\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_AMOUNT = re.compile(r"([^\d]{0,6})([\d.,'’]{1,24})([^\d]{0,6})")


def parse_amount(text: str) -> tuple[int, str]:
    """(value in minor units, ISO 4217 code); (0, NO_CURRENCY) when amount or currency is not understood.

    The last separator is a decimal one if one or two digits follow it and the currency has minor units.
    """
    match = _AMOUNT.fullmatch(_SPACES.sub("", text[:64]))
    if match is None:
        return 0, NO_CURRENCY
    before, number, after = match.groups()
    sign = before or after
    iso = sign.upper() if re.fullmatch(r"[A-Za-z]{3}", sign) else ""
    currency = _SIGNS.get(sign, iso)
    groups = re.split(r"[.,'’]", number)
    if not currency or (before and after) or "" in groups or not all(group.isascii() for group in groups):
        return 0, NO_CURRENCY
    digits = "".join(groups)
    if currency in _WHOLE:
        return int(digits), currency
    decimals = len(groups[-1]) if len(groups) > 1 and len(groups[-1]) <= 2 else 0
    return int(digits) * 10 ** (2 - decimals), currency
