"""Noun phrases of the demo's synthetic corpus, declined in German."""

from dataclasses import dataclass, replace
from functools import cache

from demo.lexicon import ACCUSATIVE, DATIVE, Adjective, Noun


@dataclass(frozen=True)
class Phrase:
    """What a subject or an object says in both languages.

    `english` holds the forms as subject and as object, `german` the nominative, accusative and dative. `agreement` is
    the pronoun that takes the same verb forms ("I", "he", "they"); `gender` is m, f, n, or p for any plural.
    """

    english: tuple[str, str]
    german: tuple[str, str, str]
    agreement: str = "he"
    gender: str = "m"
    noun: Noun | None = None
    nouns: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    is_pronoun: bool = False
    is_negative: bool = False

    def labels_in(self, case: int) -> frozenset[str]:
        """The phenomena that it shows in a case: "case" wherever a determiner has to leave the nominative."""
        return self.labels | {"case"} if self.noun and case != 0 else self.labels


@dataclass(frozen=True)
class Adjunct:
    """A part of a clause that does not depend on its verb's forms: a time, a place, a predicate, an amount."""

    english: str
    german: str
    lemma: str = ""
    nouns: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


def _pronoun(english: str, german: str, agreement: str, gender: str = "m", *labels: str) -> Phrase:
    subject, obj = english.split()
    nominative, accusative, dative = german.split()
    forms = (nominative, accusative, dative)
    return Phrase((subject, obj), forms, agreement, gender, labels=frozenset(labels), is_pronoun=True)


PRONOUNS = {
    "I": _pronoun("I me", "ich mich mir", "I"),
    "he": _pronoun("he him", "er ihn ihm", "he"),
    "she": _pronoun("she her", "sie sie ihr", "he"),
    "we": _pronoun("we us", "wir uns uns", "they"),
    "you": _pronoun("you you", "Sie Sie Ihnen", "they"),
    "they": _pronoun("they them", "sie sie ihnen", "they"),
}
IT = {
    "m": _pronoun("it it", "er ihn ihm", "he", "m", "pronoun"),
    "f": _pronoun("it it", "sie sie ihr", "he", "f", "pronoun"),
    "n": _pronoun("it it", "es es ihm", "he", "n", "pronoun"),
}
RELATIVE = {
    "m": ("der", "den", "dem"),
    "f": ("die", "die", "der"),
    "n": ("das", "das", "dem"),
    "p": ("die", "die", "denen"),
}
WHO = Phrase(("who", "whom"), ("wer", "wen", "wem"), is_pronoun=True)
WHAT = Phrase(("what", "what"), ("was", "was", ""), is_pronoun=True)

# English singular and plural, German stem; "the" is declined like RELATIVE but for the dative plural.
DETERMINERS = {
    "the": ("the", "the", "d"),
    "this": ("this", "these", "dies"),
    "a": ("a", "", "ein"),
    "no": ("a", "any", "kein"),
    "my": ("my", "my", "mein"),
    "his": ("his", "his", "sein"),
    "her": ("her", "her", "ihr"),
    "our": ("our", "our", "unser"),
    "their": ("their", "their", "ihr"),
}
_STRONG = {"m": ("er", "en", "em"), "f": ("e", "e", "er"), "n": ("es", "es", "em"), "p": ("e", "e", "en")}
_WEAK = {"m": ("e", "en", "en"), "f": ("e", "e", "en"), "n": ("e", "e", "en"), "p": ("en", "en", "en")}
_MIXED = {"m": ("er", "en", "en"), "f": ("e", "e", "en"), "n": ("es", "es", "en"), "p": ("en", "en", "en")}
# The ein-words are bare where the adjective after them is strong.
_EIN = {"m": ("", "en", "em"), "f": ("e", "e", "er"), "n": ("", "", "em"), "p": ("e", "e", "en")}
_DER_WORDS = ("d", "dies")
_THE = RELATIVE | {"p": ("die", "die", "den")}


def _determiner(stem: str, gender: str, case: int) -> str:
    if stem == "d":
        return _THE[gender][case]
    if stem in _DER_WORDS:
        return stem + _STRONG[gender][case]
    return stem + _EIN[gender][case]


def _noun_form(noun: Noun, plural: bool, case: int) -> str:
    if not plural:
        return noun.german_plural if noun.weak and case != 0 else noun.german
    ends = noun.german_plural.endswith(("n", "s"))
    return noun.german_plural + ("n" if case == DATIVE and not ends else "")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


@cache
def noun_phrase(
    noun: Noun,
    determiner: str = "",
    adjective: Adjective | None = None,
    plural: bool = False,
    number: tuple[str, str] | None = None,
) -> Phrase:
    """A noun with its determiner, a number or nothing before it, and perhaps an adjective.

    Args:
        noun: The noun.
        determiner: A key of `DETERMINERS`, or "" for a bare plural.
        adjective: An adjective before the noun.
        plural: Takes the plural.
        number: English and German words of a number above one, before a plural without determiner.

    Returns:
        The phrase in both languages.
    """
    gender = "p" if plural else noun.gender
    english_determiner, stem = "", ""
    if determiner:
        singular, plural_form, stem = DETERMINERS[determiner]
        english_determiner = plural_form if plural else singular
    endings = _STRONG if stem == "" else _WEAK if stem in _DER_WORDS else _MIXED
    head = noun.english_plural if plural else noun.english
    words = [adjective.english, head] if adjective else [head]
    if english_determiner == "a":
        english_determiner = _article(words[0])
    first = number[0] if number else english_determiner
    english = " ".join(word for word in (first, *words) if word)

    def decline(case: int) -> str:
        start = number[1] if number else _determiner(stem, gender, case) if stem else ""
        middle = adjective.stem + endings[gender][case] if adjective else ""
        return " ".join(word for word in (start, middle, _noun_form(noun, plural, case)) if word)

    labels = {label for label, shown in (("adjective", adjective), ("number", number)) if shown}
    return Phrase(
        (english, english),
        (decline(0), decline(ACCUSATIVE), decline(DATIVE)),
        "they" if plural else "he",
        gender,
        noun,
        frozenset({noun.german}),
        labels=frozenset(labels),
        is_negative=determiner == "no",
    )


def name_phrase(name: str) -> Phrase:
    """A made-up name, the same in both languages and in every case."""
    return Phrase((name, name), (name, name, name), names=frozenset({name}), labels=frozenset({"name"}))


def named_relative(name: str, noun: Noun) -> Phrase:
    """Somebody's relative, the name in the genitive: Lomira's brother, Lomiras Bruder."""
    phrase = noun_phrase(noun)
    english = f"{name}'s {noun.english}"
    forms = tuple(f"{name}s {form}" for form in phrase.german)
    return replace(
        phrase,
        english=(english, english),
        german=(forms[0], forms[1], forms[2]),
        names=frozenset({name}),
        labels=frozenset({"name"}),
    )


def listed(phrases: list[Phrase]) -> Phrase:
    """Several phrases joined by commas and "and"; as a subject it is plural."""

    def join(parts: list[str], word: str) -> str:
        return f"{', '.join(parts[:-1])} {word} {parts[-1]}"

    english = [join([phrase.english[form] for phrase in phrases], "and") for form in (0, 1)]
    german = [join([phrase.german[case] for phrase in phrases], "und") for case in range(3)]
    return Phrase(
        (english[0], english[1]),
        (german[0], german[1], german[2]),
        "they",
        "p",
        phrases[0].noun,
        frozenset().union(*(phrase.nouns for phrase in phrases)),
        frozenset().union(*(phrase.names for phrase in phrases)),
        frozenset({"coordination"}).union(*(phrase.labels for phrase in phrases)),
    )


_CONTRACTIONS = {
    "in dem": "im", "in das": "ins", "an dem": "am", "von dem": "vom", "zu dem": "zum", "zu der": "zur",
}  # fmt: skip


def prepositional(preposition: str, phrase: Phrase, case: int) -> str:
    """A German preposition and its phrase, contracted with a definite article: in dem Garten, im Garten."""
    words = phrase.german[case].split(" ", 1)
    head = f"{preposition} {words[0]}"
    if len(words) > 1:
        head = _CONTRACTIONS.get(head, head)
    return " ".join((head, *words[1:]))
