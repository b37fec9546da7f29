"""The grammar of the demo's synthetic corpus: random English sentences with the German that they determine.

Every sentence is labelled with the phenomena that separate translation models; see `PHENOMENA`. One English sentence
has one German translation: tense, word order and choice of words follow fixed rules. The English past is the German
perfect, but for sein, haben, wissen, kennen, stehen, liegen and the modal verbs.
"""

import random
from dataclasses import dataclass, replace

from demo import lexicon
from demo.clauses import Clause, Text, with_complement
from demo.draws import Draws, tagged
from demo.events import HANDLING, Events
from demo.lexicon import SENSES
from demo.phrases import IT, PRONOUNS, RELATIVE, Adjunct, Phrase, noun_phrase
from demo.sentences import GAP, STOP, Sentences

PHENOMENA = (
    "adjective", "case", "coordination", "country", "currency", "date", "infinitive", "modal", "name", "negation",
    "number", "perfect", "pronoun", "question", "relative", "separable", "verb-final", "verb-second", "word-sense",
)  # fmt: skip
SHORTEST, LONG, LONGEST = 4, 25, 40

# English and German, and the tense of both clauses where it matters.
_CONJUNCTIONS = (
    ("because", "weil", ""),
    ("although", "obwohl", ""),
    ("if", "wenn", "present"),
    ("when", "wenn", "present"),
    ("when", "als", "past"),
    ("before", "bevor", "past"),
)
_REASONS = _CONJUNCTIONS[:2]
_JOINTS = (("and", "und"), ("but", "aber"))


@dataclass(frozen=True)
class Pair:
    """A sentence pair with its sorted phenomena, its combinations of verb and noun, and the names in it."""

    english: str
    german: str
    phenomena: tuple[str, ...]
    combinations: frozenset[tuple[str, str]]
    names: frozenset[str]

    @property
    def words(self) -> tuple[int, int]:
        """English and German words, split at spaces."""
        return len(self.english.split()), len(self.german.split())


class Grammar:
    """Draws sentence pairs.

    Args:
        rng: The source of all choices; the same state gives the same sentences.
    """

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.draws = Draws(rng)
        self.events = Events(self.draws)
        single = Sentences(self.events)
        self._kinds = [
            (24, single.statement),
            (13, single.fronted),
            (14, single.question),
            (10, single.amount),
            (7, single.location),
            (5, single.thing),
            (4, single.listing),
            (7, self._main_first),
            (7, self._subordinate_first),
            (7, lambda: self._reported().statement() + STOP),
            (5, lambda: self._infinitive().statement() + STOP),
            (7, self._relative),
            (9, self._pronoun),
        ]

    def short(self) -> Pair:
        """A sentence of one to three clauses, 4 to 24 words on each side."""
        while True:
            pair = _finish(self.draws.weighted(self._kinds)())
            if pair.combinations and all(SHORTEST <= words < LONG for words in pair.words):
                return pair

    def long(self) -> Pair:
        """A sentence of many clauses, 25 to 40 English words and at most 40 German ones."""
        while True:
            pair = _finish(self._sequence() if self.draws.chance(0.3) else self._chain())
            if LONG <= pair.words[0] <= LONGEST and pair.words[1] <= LONGEST:
                return pair

    # Subordinate clauses

    def _fitting(self, conjunction: str, tense: str, state: bool = True) -> Clause:
        """A clause on either side of a conjunction: als is for what happened once, bevor for what happened."""
        while True:
            clause = self.events.any(tense) if state else self.events.event(tense=tense)
            if conjunction == "als" and clause.frequency:
                continue
            if conjunction == "bevor" and (clause.negated or clause.frequency or clause.verb is lexicon.BE):
                continue
            return clause

    def _main_first(self) -> Text:
        return self._with_subordinate() + STOP

    def _with_subordinate(self) -> Text:
        english, german, tense = self.rng.choice(_CONJUNCTIONS)
        main = replace(self._fitting(german, tense, state=False), time=None).statement()
        text = main + _COMMA + self._fitting(german, tense).subordinate(english, german)
        return text.labelled("word-sense") if english == "when" else text

    def _subordinate_first(self) -> Text:
        english, german, tense = self.rng.choice(_CONJUNCTIONS)
        first = self._fitting(german, tense).subordinate(english, german)
        text = first + _COMMAS + self._fitting(german, tense).after_clause() + STOP
        return text.labelled("word-sense") if english == "when" else text

    def _reported(self) -> Clause:
        """Somebody says that, knows that, knows where, asks whether."""
        subject, tense = self.draws.subject(), self.events.past_or_present()
        kind = self.draws.weighted([(5, "say"), (3, "know"), (2, "where"), (3, "whether")])
        if kind == "say":
            verb = self.rng.choice((*lexicon.SPEAKING, SENSES["glauben"]))
            return with_complement(Clause(subject, verb, tense), self.events.any().subordinate("that", "dass"))
        if kind == "whether":
            verb = SENSES["fragen"]
            clause = Clause(subject, verb, tense, direct=self.draws.object(verb, subject))
            return with_complement(clause, self.events.any().subordinate("whether", "ob"))
        if kind == "know":
            known = self.events.any().subordinate("that", "dass")
        else:
            known = self.events.whereabouts().subordinate("where", "wo")
        return with_complement(Clause(subject, lexicon.KNOW_THAT, tense, negated=self.draws.chance(0.3)), known)

    def _infinitive(self) -> Clause:
        """Somebody tries to do something."""
        subject = self.draws.subject()
        inner = self.events.event(subject, plain=True)
        while inner.verb.swaps or inner.verb.preterite or inner.modal or inner.verb.lemma == "kommen":
            inner = self.events.event(subject, plain=True)
        clause = Clause(subject, self.rng.choice(lexicon.TRYING), self.events.past_or_present())
        return with_complement(clause, inner.infinitive())

    # Relative clauses

    def _relative(self) -> Text:
        if self.draws.chance(0.5):
            return self._relative_behind().statement() + STOP
        subject = noun_phrase(self.rng.choice(lexicon.NOUNS), "the", plural=self.draws.chance(0.2))
        relative = self._relative_clause(subject)
        subject = replace(
            subject,
            english=(f"{subject.english[0]} {relative.english}", ""),
            german=(f"{subject.german[0]}, {relative.german},", "", ""),
        )
        main = self.events.state(subject=subject)
        if _is_person(subject) and self.draws.chance(0.5):
            main = self.events.event(subject)
            while main.verb.swaps:
                main = self.events.event(subject)
        return main.statement() + replace(relative, english="", german="") + STOP

    def _relative_behind(self) -> Clause:
        """A main clause with a relative clause about its object behind the closing bracket."""
        verbs = [verb for verb in (*lexicon.VERBS, lexicon.KNOW) if not verb.particle]
        verb, subject = self.rng.choice(verbs), self.draws.subject()
        nouns = [noun for noun in tagged(*verb.objects.split(",")) if noun.german not in subject.nouns]
        direct = noun_phrase(self.rng.choice(nouns), "the", plural=self.draws.chance(0.2))
        return with_complement(self.events.simple(subject, verb, direct=direct), self._relative_clause(direct))

    def _relative_clause(self, antecedent: Phrase) -> Text:
        """A clause about the antecedent, as its subject or its object."""
        forms = RELATIVE[antecedent.gender]
        if _is_person(antecedent) and self.draws.chance(0.5):
            subject = Phrase(("who", ""), forms, antecedent.agreement, nouns=antecedent.nouns)
            clause = self.events.event(subject)
            while clause.verb.swaps:
                clause = self.events.event(subject)
            text = clause.text(clause.english_statement(), clause.german_last())
        else:
            tags = antecedent.noun.tags if antecedent.noun else frozenset()
            verbs = [verb for verb in (*lexicon.VERBS, lexicon.KNOW) if tags.intersection(verb.objects.split(","))]
            verb, subject = self.rng.choice(verbs), self.draws.subject()
            while subject.nouns & antecedent.nouns:
                subject = self.draws.subject()
            clause = self.events.simple(subject, verb, direct=replace(GAP, nouns=antecedent.nouns))
            word = "whom" if _is_person(antecedent) else "that"
            german = f"{verb.preposition} {forms[verb.case]}".strip()
            text = clause.text(f"{word} {clause.english_statement()}", clause.german_last(german))
        return text.labelled("relative", "verb-final")

    # It, whose German gender stands a clause back

    def _pronoun(self) -> Text:
        subject, verb = self.draws.subject(), self.rng.choice(HANDLING)
        noun = self.rng.choice(tagged(*verb.objects.split(",")))
        while "person" in noun.tags:
            noun = self.rng.choice(tagged(*verb.objects.split(",")))
        it = IT[noun.gender]
        if self.draws.chance(0.3):
            state = self.events.state("present", noun_phrase(noun, self.rng.choice(("the", "this"))))
            english, german = self.rng.choice((*_REASONS, _CONJUNCTIONS[2]))[:2]
            tense, modal = self.events.tense(verb, subject, "present", False)
            main = Clause(subject, verb, tense, modal, direct=it)
            return state.subordinate(english, german) + _COMMAS + main.after_clause() + STOP
        thing = noun_phrase(noun, self.rng.choice(("the", "the", "a", "his", "my")))
        first = self.events.simple(subject, verb, direct=thing)
        tense = "past" if first.tense == "past" else "present"
        if self.draws.chance(0.6):
            english, german, _ = self.rng.choice(_REASONS)
            second = self.events.state(tense, it).subordinate(english, german)
            return first.statement() + _COMMA + second + STOP
        return first.statement() + self._again(subject, it, tense) + STOP

    def _again(self, subject: Phrase, it: Phrase, tense: str) -> Text:
        """The same somebody does, or does not, something else with the same thing."""
        subject = _pronoun_for(subject)
        joint = self.rng.choice(_JOINTS)
        negated = joint[0] == "but"
        verb = self.rng.choice(HANDLING)
        tense, modal = self.events.tense(verb, subject, tense, negated)
        clause = Clause(subject, verb, tense, modal, direct=it, negated=negated)
        return (_joint(joint) + clause.statement()).labelled("coordination")

    # Sentences of many clauses

    def _unit(self) -> Text:
        """A main clause with what hangs on it."""
        kinds = [
            (5, lambda: self.events.any().statement()),
            (4, self._with_subordinate),
            (2, lambda: self._reported().statement()),
            (3, lambda: self._relative_behind().statement()),
            (2, lambda: self.events.listing().statement()),
            (2, lambda: self._infinitive().statement()),
        ]
        return self.draws.weighted(kinds)()

    def _chain(self) -> Text:
        text = self._unit()
        while len(text.english.split()) < LONG:
            text = text + _joint(self.rng.choice(_JOINTS)) + self._unit()
        return text.labelled("coordination") + STOP

    def _sequence(self) -> Text:
        """First, then, and finally: German puts the verb second behind each."""
        count = self.rng.choice((3, 4))
        words = [("first", "zuerst"), *[("then", "dann")] * (count - 2), ("finally", "schließlich")]
        joints = [Text("", ""), *[_COMMAS] * (count - 2), _joint(_JOINTS[0])]
        text = Text("", "")
        for joint, (english, german) in zip(joints, words, strict=True):
            kinds = [(3, self.events.event), (1, self.events.listing), (1, self._relative_behind)]
            clause = replace(self.draws.weighted(kinds)(), time=Adjunct(english, german), frequency=None)
            text = text + joint + clause.statement(front=True)
        return text.labelled("coordination") + STOP


# German closes a clause with a comma where English need not.
_COMMA, _COMMAS = Text(" ", ", "), Text(", ", ", ")


def _joint(words: tuple[str, str]) -> Text:
    return Text(f", {words[0]} ", f", {words[1]} ")


def _is_person(phrase: Phrase) -> bool:
    return phrase.noun is not None and "person" in phrase.noun.tags


def _pronoun_for(subject: Phrase) -> Phrase:
    """The pronoun for a subject, or the subject again if it has none (a name, the child)."""
    if subject.is_pronoun:
        return subject
    if subject.agreement == "they":
        return PRONOUNS["they"]
    return PRONOUNS[subject.noun.pronoun] if subject.noun and subject.noun.pronoun else subject


def _finish(text: Text) -> Pair:
    english, german = (side[0].upper() + side[1:] for side in (text.english, text.german))
    return Pair(english, german, tuple(sorted(text.phenomena)), text.combinations, text.names)
