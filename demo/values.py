"""Numbers, dates, amounts and countries in English and German: data of the CLDR by `babel`, number words by rule."""

import datetime
import random
from functools import cache

from babel import Locale, dates, numbers, units

LANGUAGES = ("en", "de")

# Currencies whose German name is the same after every number.
CURRENCIES = ("EUR", "USD", "CHF", "NZD", "HKD")
SYMBOLS = ("EUR", "USD", "GBP")
# Countries whose German name takes no article, so that "nach", "in" and "aus" come before the bare name.
COUNTRIES = "AT BR CA CN DK EG ES FI FR GR IN IT JP KE MX NO PE PL PT SE"

_ENGLISH_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_ENGLISH_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety"
_GERMAN_SMALL = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn"
    " sechzehn siebzehn achtzehn neunzehn"
)
_GERMAN_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_SMALL, _TENS = (_ENGLISH_SMALL, _GERMAN_SMALL), (_ENGLISH_TENS, _GERMAN_TENS)

Both = tuple[str, str]


@cache
def number_words(number: int) -> Both:
    """A number from 2 to 99 in words: forty-two, zweiundvierzig."""
    small, tens = (list(zip(*(words.split() for words in both), strict=True)) for both in (_SMALL, _TENS))
    ten, one = divmod(number, 10)
    if number < 20:
        return small[number]
    if one == 0:
        return tens[ten]
    (english_ten, german_ten), (english_one, german_one) = tens[ten], small[one]
    return f"{english_ten}-{english_one}", f"{german_one}und{german_ten}"


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


def country(rng: random.Random) -> Both:
    """A country that stands without an article in German."""
    code = rng.choice(COUNTRIES.split())
    return _locale("en").territories[code], _locale("de").territories[code]


def amount(rng: random.Random) -> Both:
    """A sum of money: 45 US dollars, 45 US-Dollar, or $1,250.50, 1.250,50 $."""
    number = _number(rng)
    if rng.random() < 0.5:
        code, price = rng.choice(SYMBOLS), number + rng.choice((0, 0.5))
        english, german = (numbers.format_currency(price, code, locale=language) for language in LANGUAGES)
        return english, german
    code = rng.choice(CURRENCIES)
    english, german = (
        f"{numbers.format_decimal(number, locale=language)} {numbers.get_currency_name(code, number, locale=language)}"
        for language in LANGUAGES
    )
    return english, german


def _number(rng: random.Random) -> int:
    """From 2 to 99, or from 1,050 to 9,950 in steps of fifty."""
    return rng.choice((rng.randint(2, 99), 50 * rng.randint(21, 199)))


def meters(rng: random.Random) -> Both:
    """A length with one decimal: 21.5 meters, 21,5 Meter."""
    return _measure(rng.randint(21, 999) / 10, "length-meter")


def kilograms(rng: random.Random) -> Both:
    """A weight with one decimal: 1,250.5 kilograms, 1.250,5 Kilogramm."""
    return _measure(_number(rng) + 0.5, "mass-kilogram")


def _measure(number: float, unit: str) -> Both:
    english, german = (units.format_unit(number, unit, length="long", locale=language) for language in LANGUAGES)
    return english, german


@cache
def day_of_year(month: int, day: int) -> Both:
    """March 4, 4. März."""
    date = datetime.date(2024, month, day)
    english, german = (dates.format_skeleton("MMMMd", date, locale=language) for language in LANGUAGES)
    return english, german


def day_and_year(rng: random.Random) -> Both:
    """March 4, 2021 and 4. März 2021."""
    date = datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randrange(28_000))
    english, german = (dates.format_date(date, "long", locale=language) for language in LANGUAGES)
    return english, german


def weekday(rng: random.Random) -> Both:
    """Monday, Montag."""
    day = rng.randrange(7)
    english, german = (dates.get_day_names("wide", locale=language)[day] for language in LANGUAGES)
    return english, german


def month(rng: random.Random) -> Both:
    """June, Juni."""
    number = rng.randint(1, 12)
    english, german = (dates.get_month_names("wide", locale=language)[number] for language in LANGUAGES)
    return english, german
