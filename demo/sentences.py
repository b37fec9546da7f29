"""Random sentences of one clause of the demo's synthetic corpus: statements, questions, amounts, places."""

from dataclasses import replace

from demo import lexicon, values
from demo.clauses import Clause, Text
from demo.draws import tagged
from demo.events import Events, is_stative
from demo.lexicon import DATIVE, OTHERS, SENSES, Noun, Verb
from demo.phrases import WHAT, WHO, Adjunct, Phrase, noun_phrase

# An object that stands elsewhere, as a question word or a relative pronoun.
GAP = Phrase(("", ""), ("", "", ""))
STOP, MARK = Text(".", "."), Text("?", "?")

_ARRIVE = next(verb for verb in lexicon.ACTIVITIES if verb.lemma == "ankommen")


class Sentences:
    """Draws sentences of one clause, each with its mark at the end.

    Args:
        events: Draws the clauses.
    """

    def __init__(self, events: Events):
        self.events = events
        self.draws = events.draws
        self.rng = events.rng

    def statement(self) -> Text:
        """Somebody does something."""
        return self.events.event(full=True).statement() + STOP

    def fronted(self) -> Text:
        """Yesterday somebody did something."""
        clause = self.events.event(full=True)
        while is_stative(clause.verb):
            clause = self.events.event(full=True)
        return self._timed(clause, full=True).statement(front=True) + STOP

    def listing(self) -> Text:
        """Somebody does something with several things."""
        return self.events.listing().statement() + STOP

    def question(self) -> Text:
        """Whether, who, what, whom, when, why, where."""
        kind = self.draws.weighted([(5, "whether"), (2, "who"), (3, "object"), (4, "word"), (2, "where")])
        clause = self.events.event(WHO if kind == "who" else None, plain=True)
        if kind == "who":
            while clause.verb.swaps:
                clause = self.events.event(WHO, plain=True)
            return clause.text(clause.english_statement(), clause.german_second(), "question") + MARK
        if kind == "where":
            return self._place_question().question("where", "wo") + MARK
        if kind == "object" and clause.direct and clause.direct.noun:
            return self._object_question(clause, clause.direct.noun) + MARK
        if kind == "word":
            if self.draws.chance(0.5):
                return clause.question("why", "warum") + MARK
            return clause.question("when", "wann").labelled("word-sense") + MARK
        return clause.question() + MARK

    def _place_question(self) -> Clause:
        if self.draws.chance(0.6):
            return self.events.whereabouts()
        verb = self.rng.choice([verb for verb in lexicon.ACTIVITIES if not verb.prefix])
        return self.events.simple(self.draws.person(definite=True), verb)

    def _object_question(self, clause: Clause, noun: Noun) -> Text:
        verb = clause.verb
        is_person = "person" in noun.tags
        needs_object = verb.swaps or (verb.is_ambiguous and verb is not lexicon.KNOW)
        if needs_object or (verb.preposition and not is_person):
            return clause.question()
        word = WHO if is_person else WHAT
        german = f"{verb.preposition} {word.german[verb.case]}".strip()
        return replace(clause, direct=GAP).question(word.english[1], german)

    def amount(self) -> Text:
        """A price, a weight, a length, an age."""
        kind = self.rng.choice(("price", "price", "weight", "length", "age"))
        verb, nouns = lexicon.BE, tagged("building", "vehicle", "departs", "furniture")
        if kind == "age":
            nouns = lexicon.PERSONS
            english, german = values.number_words(self.rng.randint(2, 99))
            tail = Adjunct(f"{english} years old", f"{german} Jahre alt", labels=frozenset({"number"}))
        elif kind == "length":
            english, german = values.meters(self.rng)
            tail = Adjunct(f"{english} long", f"{german} lang", labels=frozenset({"number"}))
        else:
            nouns = tagged("goods", "furniture", "vehicle", "animal")
            amount = values.kilograms(self.rng) if kind == "weight" else values.amount(self.rng)
            tail = Adjunct(*amount, labels=frozenset({"number" if kind == "weight" else "currency"}))
            verb = OTHERS["wiegen" if kind == "weight" else "kosten"]
        subject = self.draws.phrase(self.rng.choice(nouns), definite=True, plural=False)
        clause = Clause(subject, verb, self.events.past_or_present(), tail=tail)
        if kind == "price" and clause.tense == "past" and self.draws.chance(0.5):
            return self._timed(clause).statement(front=True) + STOP
        return clause.statement() + STOP

    def location(self) -> Text:
        """Be and there is, which German says with stehen and liegen."""
        clause = self.events.whereabouts()
        if self.draws.chance(0.5):
            return replace(clause, tail=self.draws.surface(clause.subject, DATIVE)).statement() + STOP
        noun = self.rng.choice(tagged("stands", "lies"))
        adjective = self.rng.choice(lexicon.THING_ADJECTIVES) if self.draws.chance(0.5) else None
        subject = noun_phrase(noun, "a", adjective)
        place = self.draws.surface(subject, DATIVE)
        verb = lexicon.STAND if "stands" in noun.tags else lexicon.LIE
        # The place stands before the verb, where a time may stand.
        clause = Clause(subject, verb, clause.tense, time=place)
        be = "was" if clause.tense == "past" else "is"
        english = f"there {be} {subject.english[0]} {place.english}"
        return clause.text(english, clause.german_second(front=True), "verb-second") + STOP

    def thing(self) -> Text:
        """A thing belongs to somebody; a train leaves."""
        verb = self.rng.choice((OTHERS["gehören"], SENSES["abfahren"], SENSES["abfahren"], _ARRIVE))
        if verb is OTHERS["gehören"]:
            return self._belonging(verb).statement() + STOP
        subject = self.draws.phrase(self.rng.choice(tagged("departs")), definite=True)
        clause = self._timed(self.events.simple(subject, verb, negated=self.draws.chance(0.1)))
        return clause.statement(front=self.draws.chance(0.4)) + STOP

    def _belonging(self, verb: Verb) -> Clause:
        subject = self.draws.phrase(self.rng.choice(tagged("goods", "vehicle", "building")), definite=True)
        direct = self.draws.object(verb, subject)
        return Clause(subject, verb, self.events.past_or_present(), direct=direct)

    def _timed(self, clause: Clause, full: bool = False) -> Clause:
        return clause if clause.time else replace(clause, time=self.draws.time(clause.tense, full), frequency=None)
