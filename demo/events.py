"""Random clauses of the demo's synthetic corpus: somebody does something, something is so."""

from typing import Any

from demo import lexicon, values
from demo.clauses import Clause
from demo.draws import Draws, tagged
from demo.lexicon import ACCUSATIVE, DATIVE, OTHERS, SENSES, Modal, Verb
from demo.phrases import Adjunct, Phrase, listed, noun_phrase, prepositional

# Verbs that take neither modal verbs nor times by chance; those with a preterite are the others.
_STATIVE = {"leben", "wohnen", "kommen", "gehören", "gefallen", "brauchen", "verbringen"}
_DEGREES = [("", ""), ("very ", "sehr "), ("too ", "zu ")]
_SPANS = [
    Phrase((english, english), (german, german, german))
    for english, german in [
        ("the evening", "den Abend"),
        ("the day", "den Tag"),
        ("the winter", "den Winter"),
        ("the week", "die Woche"),
    ]
]

# What people do with things that can be carried.
HANDLING = tuple(verb for verb in lexicon.VERBS if "goods" in verb.objects and not verb.preposition)


def is_stative(verb: Verb) -> bool:
    """States last: no modal verbs, no times."""
    return bool(verb.preterite) or verb.lemma in _STATIVE


class Events:
    """Draws clauses.

    Args:
        draws: Draws their parts.
    """

    def __init__(self, draws: Draws):
        self.draws = draws
        self.rng = draws.rng

    def event(self, subject: Phrase | None = None, tense: str = "", plain: bool = False, full: bool = False) -> Clause:
        """Somebody does something.

        Args:
            subject: Who; drawn if it is None.
            tense: "present", "past", or "" for any; a modal verb keeps to it.
            plain: No negation and no adverbials of time, as questions and infinitives want it.
            full: Dates may have a year.

        Returns:
            The clause.
        """
        subject = subject or self.draws.subject()
        negated = not plain and self.draws.chance(0.1)
        kinds = [(0.52, self._act), (0.09, self._give), (0.12, self._be_active), (0.27, self._choose_sense)]
        verb, parts = self.draws.weighted(kinds)(subject, negated)
        negated = parts.pop("negated", negated)
        tense, modal = self.tense(verb, subject, tense, negated)
        time = frequency = None
        if not (plain or is_stative(verb)):
            if self.draws.chance(0.22):
                time = self.draws.time(tense, full)
            elif not negated and self.draws.chance(0.12):
                frequency = self.draws.frequency()
        if negated and time and time.english.startswith("every"):
            time = None
        return Clause(subject, verb, tense, modal, **parts, negated=negated, time=time, frequency=frequency)

    def simple(self, subject: Phrase, verb: Verb, **parts: Any) -> Clause:
        """A clause of given parts in a tense that is drawn, perhaps with a modal verb."""
        tense, modal = self.tense(verb, subject, "", False)
        return Clause(subject, verb, tense, modal, **parts)

    def state(self, tense: str = "", subject: Phrase | None = None) -> Clause:
        """Something or somebody is old."""
        subject = subject or self.draws.phrase(self.rng.choice(lexicon.NOUNS), definite=True)
        is_person = subject.noun is not None and "person" in subject.noun.tags
        adjective = self.rng.choice(lexicon.PERSON_ADJECTIVES if is_person else lexicon.THING_ADJECTIVES)
        degree, german = self.rng.choice(_DEGREES)
        tail = Adjunct(degree + adjective.english, german + adjective.german, adjective.german)
        negated = not degree and self.draws.chance(0.2)
        return Clause(subject, lexicon.BE, tense or self.past_or_present(), tail=tail, negated=negated)

    def any(self, tense: str = "") -> Clause:
        """A state or an event."""
        return self.state(tense) if self.draws.chance(0.25) else self.event(tense=tense)

    def listing(self) -> Clause:
        """Somebody does something with several things."""
        nouns = self.rng.sample(tagged("goods"), self.rng.randint(2, 3))
        direct = listed([self.draws.phrase(noun) for noun in nouns])
        return self.simple(self.draws.subject(), self.rng.choice(HANDLING), direct=direct)

    def whereabouts(self) -> Clause:
        """A thing is somewhere: stehen or liegen, without the place."""
        noun = self.rng.choice(tagged("stands", "lies"))
        verb = lexicon.STAND if "stands" in noun.tags else lexicon.LIE
        return Clause(self.draws.phrase(noun, definite=True), verb, self.past_or_present())

    def past_or_present(self) -> str:
        """A tense without modal verb."""
        return "past" if self.draws.chance(0.5) else "present"

    def tense(self, verb: Verb, subject: Phrase, tense: str, negated: bool) -> tuple[str, Modal | None]:
        """A tense, drawn if it is "", and a modal verb where one is drawn or English would not show the tense."""
        hidden = verb.hides_tense and subject.agreement != "he" and not negated
        tense = tense or self.draws.weighted([(0.4, "present"), (0.6, "past")])
        if not hidden and (is_stative(verb) or not self.draws.chance(0.15)):
            return tense, None
        tense = "past" if tense == "past" else "future"
        return tense, self.rng.choice([modal for modal in lexicon.MODALS if modal.tense == tense])

    # Kinds of events: a verb and its objects

    def _act(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = self.rng.choice(lexicon.VERBS)
        return verb, {"direct": self.draws.object(verb, subject, negated)}

    def _give(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = self.rng.choice(lexicon.GIVING)
        indirect = self.draws.receiver(subject, negated)
        return verb, {"direct": self.draws.object(verb, subject, negated), "indirect": indirect}

    def _be_active(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = self.rng.choice(lexicon.ACTIVITIES)
        if verb.auxiliary == "sein" or self.draws.chance(0.3):
            return verb, {}
        if self.draws.chance(0.3):
            return verb, {"tail": self.draws.surface(subject, DATIVE)}
        return verb, {"tail": self.draws.place(tagged("inside"), "in", "in", DATIVE)}

    def _choose_sense(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        kinds = [(2, self._put), (5, self._go), (2, self._spend), (1, self._ask_for), (5, self._know)]
        return self.draws.weighted(kinds)(subject, negated)

    def _put(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = SENSES[self.rng.choice(("stellen", "legen"))]
        direct = self.draws.object(verb, subject, negated)
        return verb, {"direct": direct, "tail": self.draws.surface(direct, ACCUSATIVE)}

    def _go(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        kind = self.rng.choice(("leave", "room", "person", "town", "nach", "travel", "from", "live", "home"))
        if kind == "leave":
            direct = self.draws.phrase(self.rng.choice(tagged("building", "town")), definite=True)
            return SENSES["verlassen"], {"direct": direct}
        people = tuple(noun for noun in lexicon.PERSONS if noun.german not in subject.nouns)
        places = {
            "room": (SENSES["gehen"], tagged("room"), "into", "in", ACCUSATIVE),
            "person": (SENSES["gehen"], people, "to", "zu", DATIVE),
            "town": (SENSES["fahren"], tagged("town"), "to", "in", ACCUSATIVE),
            "home": (SENSES["wohnen"], tagged("town"), "in", "in", DATIVE),
        }
        countries = {
            "nach": (SENSES["fahren"], "to", "nach"),
            "travel": (OTHERS["reisen"], "to", "nach"),
            "from": (OTHERS["kommen"], "from", "aus"),
            "live": (SENSES["leben"], "in", "in"),
        }
        if kind in countries:
            verb, english, german = countries[kind]
            return verb, {"tail": self.draws.country(english, german)}
        verb, nouns, english, german, case = places[kind]
        return verb, {"tail": self.draws.place(nouns, english, german, case)}

    def _spend(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        if self.draws.chance(0.4):
            inside = self.draws.chance(0.5)
            place = self.draws.place(tagged("inside"), "in", "in", DATIVE) if inside else self.draws.country("in", "in")
            return SENSES["verbringen"], {"direct": self.rng.choice(_SPANS), "tail": place}
        goods = self.draws.phrase(self.rng.choice(tagged("goods", "vehicle", "furniture")), definite=True)
        verb, preposition = self.rng.choice(((SENSES["ausgeben"], "on"), (OTHERS["bezahlen"], "for")))
        english, german = values.amount(self.rng)
        tail = Adjunct(
            f"{english} {preposition} {goods.english[1]}",
            f"{german} {prepositional('für', goods, ACCUSATIVE)}",
            nouns=goods.nouns,
            labels=goods.labels_in(ACCUSATIVE) | {"currency"},
        )
        return verb, {"tail": tail, "negated": False}

    def _ask_for(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = SENSES["bitten"]
        wish = self.draws.phrase(self.rng.choice(tagged("goods")), definite=negated)
        tail = self.draws.at("for", "um", wish, ACCUSATIVE)
        return verb, {"direct": self.draws.object(verb, subject, negated), "tail": tail}

    def _know(self, subject: Phrase, negated: bool) -> tuple[Verb, dict[str, Any]]:
        verb = self.rng.choice((lexicon.KNOW, lexicon.LIKE, lexicon.HAVE))
        direct = self.draws.object(verb, subject, negated)
        if verb is lexicon.HAVE and direct.noun:
            direct = noun_phrase(direct.noun, "no" if negated else "a")
        elif direct.noun and not direct.names:
            direct = self.draws.phrase(direct.noun, definite=True)
        return verb, {"direct": direct}
