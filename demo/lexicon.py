"""The words of the demo's synthetic corpus, English and German: nouns, adjectives, verbs, modals.

Each table is read once, at import. Its header names the columns; a noun's tags say what it may do in a sentence.
"""

from dataclasses import dataclass, replace
from typing import Any

from demo import tables


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun; `pronoun` is the English pronoun that may refer back to it ("he", "she", "it", or "" for none)."""

    english: str
    english_plural: str
    gender: str
    german: str
    german_plural: str
    pronoun: str
    tags: frozenset[str]

    @property
    def weak(self) -> bool:
        """Takes its plural's form in every singular case but the nominative (der Junge, den Jungen)."""
        return "weak" in self.tags


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective; `stem` is the German form that takes endings (teuer, ein teures Buch)."""

    english: str
    german: str
    stem: str


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb in both languages, with the case or preposition that its German object takes.

    `particle` stands behind the English verb; `splits` says that a pronoun comes before it (turn it on). `prefix` is
    German's separable one. `preterite` is the simple past of the few verbs that the corpus does not put into the
    perfect. `swaps` marks verbs whose German subject is the English object (she likes it, es gefällt ihr).
    """

    english: str
    third: str
    past: str
    particle: str
    splits: bool
    prefix: str
    infinitive: str
    german_third: str
    participle: str
    auxiliary: str
    case: int
    preposition: str
    objects: str
    first: str = ""
    plural: str = ""
    preterite: str = ""
    swaps: bool = False
    is_ambiguous: bool = False

    @property
    def lemma(self) -> str:
        """The German infinitive with its prefix; "be" and "put" have several."""
        return self.prefix + self.infinitive

    @property
    def hides_tense(self) -> bool:
        """The English past looks like the base form, so that only a third person shows the tense (she puts)."""
        return self.past == self.english


@dataclass(frozen=True, eq=False)
class Modal:
    """A modal verb before an infinitive: English `auxiliary` (can) or a verb of its own (want to, wanted to)."""

    auxiliary: str
    english: str
    third: str
    past: str
    first: str
    german_third: str
    plural: str
    tense: str
    negated: tuple[str, str] | None = None


NOMINATIVE, ACCUSATIVE, DATIVE = range(3)


def _nouns(table: str, *kinds: str) -> tuple[Noun, ...]:
    nouns = []
    for english, plural, gender, german, german_plural, pronoun, *tags in map(str.split, table.strip().splitlines()):
        names = frozenset(kinds).union(*(tag.split(",") for tag in tags))
        nouns.append(Noun(english, plural, gender, german, german_plural, pronoun.strip("-"), names))
    return tuple(nouns)


def _adjectives(table: str) -> tuple[Adjective, ...]:
    return tuple(Adjective(row[0], row[1], row[-1]) for row in map(str.split, table.strip().splitlines()))


def _verbs(table: str) -> tuple[Verb, ...]:
    verbs = []
    for line in table.strip().splitlines():
        english, particle, german, government, objects, *irregular = (
            part.replace("-", "").strip() for part in line.split("|")
        )
        forms: dict[str, Any] = dict(form.split("=") for form in " ".join(irregular).split())
        base, third, past = english.split()
        *prefix, infinitive, german_third, participle = german.split()
        *preposition, case = government.split()
        verbs.append(
            Verb(
                base,
                third,
                past,
                particle.strip("+"),
                particle.startswith("+"),
                "".join(prefix),
                infinitive,
                german_third,
                participle.strip("*"),
                "sein" if participle.endswith("*") else "haben",
                ACCUSATIVE if case == "acc" else DATIVE,
                "".join(preposition),
                objects,
                **forms,
            )
        )
    return tuple(verbs)


def _modals(table: str) -> tuple[Modal, ...]:
    modals = []
    for line in table.strip().splitlines():
        auxiliary, english, german, tense, *negated = (part.strip() for part in line.split("|"))
        base, third, past = ([part.strip() for part in english.split(",")] + ["", "", ""])[:3]
        first, german_third, plural = german.split()
        other = tuple(negated[0].split()) if negated else ()
        negation = (other[0], other[1]) if other else None
        modals.append(Modal(auxiliary, base, third, past, first, german_third, plural, tense, negation))
    return tuple(modals)


MODALS = _modals(tables.MODALS)
PERSONS = _nouns(tables.PERSONS, "person")
NOUNS = PERSONS + _nouns(tables.THINGS)
THING_ADJECTIVES = _adjectives(tables.THING_ADJECTIVES)
PERSON_ADJECTIVES = _adjectives(tables.PERSON_ADJECTIVES)
VERBS = _verbs(tables.VERBS)
GIVING = _verbs(tables.GIVING)
ACTIVITIES = _verbs(tables.ACTIVITIES)
SPEAKING = _verbs(tables.SPEAKING)
TRYING = _verbs(tables.TRYING)
SENSES = {verb.lemma: replace(verb, is_ambiguous=True) for verb in _verbs(tables.SENSES)}
OTHERS = {verb.lemma: verb for verb in _verbs(tables.OTHERS)}
BE, HAVE = OTHERS["sein"], OTHERS["haben"]
LIKE = OTHERS["gefallen"] = replace(OTHERS["gefallen"], swaps=True)
KNOW, KNOW_THAT = SENSES["kennen"], SENSES["wissen"]
STAND, LIE = SENSES["stehen"], SENSES["liegen"]
