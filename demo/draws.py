"""Random phrases and adverbials of the demo's synthetic corpus."""

import random
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from demo import lexicon, values
from demo.lexicon import Noun, Verb
from demo.phrases import PRONOUNS, Adjunct, Phrase, listed, name_phrase, named_relative, noun_phrase, prepositional

T = TypeVar("T")

SYLLABLES = "ba bi da do du fa fi ga go ka ki la lo lu ma mi mo na no pa ra ri ro ta"

_TIMES = {
    "present": [("today", "heute"), ("now", "jetzt"), ("every day", "jeden Tag"), ("every evening", "jeden Abend")],
    "past": [
        ("yesterday", "gestern"),
        ("last week", "letzte Woche"),
        ("last year", "letztes Jahr"),
        ("this morning", "heute Morgen"),
    ],
    "future": [
        ("tomorrow", "morgen"),
        ("today", "heute"),
        ("next week", "nächste Woche"),
        ("next year", "nächstes Jahr"),
    ],
}
_FREQUENCIES = [("often", "oft"), ("always", "immer"), ("never", "nie"), ("sometimes", "manchmal")]


@cache
def tagged(*tags: str) -> tuple[Noun, ...]:
    """All nouns that carry one of the tags."""
    return tuple(noun for noun in lexicon.NOUNS if noun.tags.intersection(tags))


class Draws:
    """Draws parts of sentences; every choice comes from one generator.

    Args:
        rng: The source of all choices.
    """

    def __init__(self, rng: random.Random):
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self.rng.random() < probability

    def weighted(self, options: Sequence[tuple[float, T]]) -> T:
        """One of the options, by their weights."""
        return self.rng.choices([option for _, option in options], [weight for weight, _ in options])[0]

    # Phrases

    def name(self) -> str:
        """Two or three syllables."""
        count = self.rng.choice((2, 3))
        return "".join(self.rng.choices(SYLLABLES.split(), k=count)).capitalize()

    def phrase(self, noun: Noun, definite: bool = False, negated: bool = False, plural: bool | None = None) -> Phrase:
        """A noun with some determiner, number and adjective; `negated` makes an indefinite one "no" (kein)."""
        is_person = "person" in noun.tags
        adjectives = lexicon.PERSON_ADJECTIVES if is_person else lexicon.THING_ADJECTIVES
        adjective = self.rng.choice(adjectives) if self.chance(0.18) else None
        if plural is None:
            plural = self.chance(0.2)
        possessive = self.rng.choice(("my", "his", "her", "our", "their"))
        options = [(0.55, "the"), (0.08, "this"), (0.35 if "family" in noun.tags else 0.14, possessive)]
        if not definite:
            options += [(0.3, "no" if negated else "a")]
        determiner = self.weighted(options)
        if determiner == "a" and plural:
            number = values.number_words(self.rng.randint(2, 99)) if self.chance(0.5) else None
            return noun_phrase(noun, "", adjective, True, number)
        return noun_phrase(noun, determiner, adjective, plural)

    def person(self, **settings: bool) -> Phrase:
        """A person with a determiner."""
        return self.phrase(self.rng.choice(lexicon.PERSONS), **settings)

    def subject(self) -> Phrase:
        """Somebody who acts: a person, a pronoun, a name, two persons."""
        kind = self.weighted([(0.52, "person"), (0.24, "pronoun"), (0.13, "name"), (0.05, "relative"), (0.06, "two")])
        if kind == "pronoun":
            return PRONOUNS[self.rng.choice(list(PRONOUNS))]
        if kind == "name":
            return name_phrase(self.name())
        if kind == "relative":
            return named_relative(self.name(), self.rng.choice(tagged("family")))
        if kind == "two":
            nouns = self.rng.sample(lexicon.PERSONS, 2)
            return listed([noun_phrase(noun, "the") for noun in nouns])
        return self.person(definite=self.chance(0.8))

    def object(self, verb: Verb, subject: Phrase, negated: bool = False) -> Phrase:
        """Something that the verb may have as its object."""
        nouns = [noun for noun in tagged(*verb.objects.split(",")) if noun.german not in subject.nouns]
        noun = self.rng.choice(nouns)
        if "person" not in noun.tags:
            return self.phrase(noun, definite=bool(verb.preposition) and negated, negated=negated)
        kind = self.weighted([(0.7, "noun"), (0.15, "pronoun"), (0.1, "name"), (0.05, "relative")])
        if kind == "name":
            return name_phrase(self.name())
        if kind == "relative":
            return named_relative(self.name(), self.rng.choice(tagged("family")))
        if kind == "pronoun":
            others = ("he", "she", "they") if subject.is_pronoun else ("I", "he", "she", "we", "you", "they")
            return PRONOUNS[self.rng.choice(others)]
        return self.phrase(noun, definite=negated)

    def receiver(self, subject: Phrase, definite: bool) -> Phrase:
        """Somebody else, to whom something is given."""
        if self.chance(0.25):
            return PRONOUNS[self.rng.choice(("he", "she", "they"))]
        nouns = [noun for noun in lexicon.PERSONS if noun.german not in subject.nouns]
        return self.phrase(self.rng.choice(nouns), definite=definite or self.chance(0.7))

    # Adverbials

    def time(self, tense: str, full: bool = False) -> Adjunct:
        """A time that fits the tense; `full` allows dates with a year, which English follows with a comma."""
        kind = self.weighted([(0.6, "word"), (0.1, "weekday"), (0.1, "month"), (0.15, "date"), (0.05, "ago")])
        if tense == "present" or kind == "word" or (kind == "ago" and tense != "past"):
            return Adjunct(*self.rng.choice(_TIMES[tense]))
        if kind == "ago":
            unit = self.rng.choice((("days", "Tagen"), ("weeks", "Wochen"), ("years", "Jahren")))
            english, german = values.number_words(self.rng.randint(2, 99))
            return Adjunct(f"{english} {unit[0]} ago", f"vor {german} {unit[1]}", labels=frozenset({"number"}))
        if kind == "weekday":
            english, german = values.weekday(self.rng)
            return Adjunct(f"on {english}", f"am {german}", labels=frozenset({"date"}))
        if kind == "month":
            english, german = values.month(self.rng)
            return Adjunct(f"in {english}", f"im {german}", labels=frozenset({"date"}))
        if full and tense == "past":
            english, german = values.day_and_year(self.rng)
        else:
            english, german = values.day_of_year(self.rng.randint(1, 12), self.rng.randint(1, 28))
        return Adjunct(f"on {english}", f"am {german}", labels=frozenset({"date"}))

    def place(self, nouns: Sequence[Noun], english: str, german: str, case: int) -> Adjunct:
        """A preposition and one of the nouns."""
        phrase = self.phrase(self.rng.choice(nouns), definite=True, plural=False)
        return self.at(english, german, phrase, case)

    def at(self, english: str, german: str, phrase: Phrase, case: int) -> Adjunct:
        """A preposition and a phrase."""
        return Adjunct(
            f"{english} {phrase.english[1]}",
            prepositional(german, phrase, case),
            nouns=phrase.nouns,
            labels=phrase.labels_in(case),
        )

    def country(self, english: str, german: str) -> Adjunct:
        """A preposition and a country."""
        names = values.country(self.rng)
        places = frozenset({names[1]})
        return Adjunct(f"{english} {names[0]}", f"{german} {names[1]}", nouns=places, labels=frozenset({"country"}))

    def surface(self, direct: Phrase, case: int) -> Adjunct:
        """On some furniture that is not the thing itself."""
        nouns = [noun for noun in tagged("surface") if noun.german not in direct.nouns]
        return self.place(nouns, "on", "auf", case)

    def frequency(self) -> Adjunct:
        """How often."""
        return Adjunct(*self.rng.choice(_FREQUENCIES))
