"""One clause in English and in every German word order: verb second, verb first, verb last, infinitive."""

from dataclasses import dataclass, field, replace

from demo.lexicon import DATIVE, Modal, Verb
from demo.phrases import Adjunct, Phrase, prepositional


@dataclass(frozen=True)
class Text:
    """A piece of a sentence pair: both sides, the phenomena it shows, the combinations and names it contains.

    A combination is a German verb, or a predicate with its copula, and one noun that stands in its clause.
    """

    english: str
    german: str
    phenomena: frozenset[str] = frozenset()
    combinations: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()

    def __add__(self, other: "Text") -> "Text":
        return Text(
            self.english + other.english,
            self.german + other.german,
            self.phenomena | other.phenomena,
            self.combinations | other.combinations,
            self.names | other.names,
        )

    def labelled(self, *labels: str) -> "Text":
        """The same text with further phenomena."""
        return replace(self, phenomena=self.phenomena | set(labels))


@dataclass(frozen=True)
class Clause:
    """A subject, a verb with its objects and adjuncts, and a tense: all that both languages need to build a clause.

    `tense` is "present", "past" or "future"; with a modal it only chooses the adverbials that fit. `complement` is a
    clause that follows ("that ...", ", dass ..."), behind the whole German bracket.
    """

    subject: Phrase
    verb: Verb
    tense: str = "present"
    modal: Modal | None = None
    direct: Phrase | None = None
    indirect: Phrase | None = None
    tail: Adjunct | None = None
    time: Adjunct | None = None
    frequency: Adjunct | None = None
    negated: bool = False
    complement: Text = field(default_factory=lambda: Text("", ""))

    # English

    def _english_verb(self, emphatic: bool) -> tuple[str, str]:
        """The auxiliary and the rest; `emphatic` asks for "do" where there is no other auxiliary."""
        base, third, past = self.verb.english, self.verb.third, self.verb.past
        agreement = self.subject.agreement
        if self.modal:
            if self.modal.auxiliary:
                return self.modal.auxiliary, f"{self.modal.english} {base}".strip()
            base, third, past = (
                f"{form} {base}" if form else "" for form in (self.modal.english, self.modal.third, self.modal.past)
            )
        elif base == "be":
            if self.tense == "past":
                return "were" if agreement == "they" else "was", ""
            return {"I": "am", "he": "is", "they": "are"}[agreement], ""
        in_past = self.tense == "past"
        if not emphatic:
            return "", past if in_past else third if agreement == "he" else base
        return "did" if in_past else "does" if agreement == "he" else "do", base

    def _english_rest(self, verb: str) -> list[str]:
        """Everything behind the subject and the auxiliary."""
        direct = self.direct.english[1] if self.direct else ""
        particle = self.verb.particle
        if self.verb.splits and self.direct and self.direct.is_pronoun:
            direct, particle = f"{direct} {particle}", ""
        parts = [verb, particle, direct]
        parts += [f"to {self.indirect.english[1]}"] if self.indirect else []
        parts += [self.tail.english] if self.tail else []
        return parts

    def _time(self, front: bool) -> list[str]:
        return [self.time.english] if self.time and not front else []

    def english_statement(self, front: bool = False) -> str:
        """Subject, verb, objects, time; the time at the front where `front` says so."""
        auxiliary, verb = self._english_verb(emphatic=self.negated)
        head = [self.time.english + ("," if self.time.english[-1].isdigit() else "")] if front and self.time else []
        negation = ["not"] if self.negated else []
        if auxiliary == "can" and self.negated:
            auxiliary, negation = "cannot", []
        frequency = [self.frequency.english] if self.frequency else []
        subject = [self.subject.english[0], auxiliary]
        words = [*head, *subject, *negation, *frequency, *self._english_rest(verb), *self._time(front)]
        return " ".join(word for word in words if word) + self.complement.english

    def english_question(self, word: str = "") -> str:
        """Auxiliary before the subject, perhaps with a question word before both."""
        auxiliary, verb = self._english_verb(emphatic=True)
        frequency = [self.frequency.english] if self.frequency else []
        words = [word, auxiliary, self.subject.english[0], *frequency, *self._english_rest(verb), *self._time(False)]
        return " ".join(word for word in words if word) + self.complement.english

    def english_infinitive(self) -> str:
        """To and the base form."""
        words = ["to", *self._english_rest(self.verb.english), *self._time(False)]
        return " ".join(word for word in words if word)

    # German

    @property
    def _german_roles(self) -> tuple[Phrase, Phrase | None]:
        """The German subject and direct object: exchanged for verbs like gefallen."""
        if self.verb.swaps and self.direct:
            return self.direct, self.subject
        return self.subject, self.direct

    @property
    def _in_perfect(self) -> bool:
        return self.tense == "past" and not self.modal and not self.verb.preterite

    def _german_verb(self) -> tuple[str, list[str]]:
        """The finite verb and what closes the clause: prefix, participle or infinitive."""
        agreement = self._german_roles[0].agreement
        verb = self.verb
        bare = [verb.prefix] if verb.prefix else []
        if self.modal:
            forms = (self.modal.first, self.modal.german_third, self.modal.plural)
            if self.negated and self.modal.negated:
                third, plural = self.modal.negated
                forms = (third, third, plural)
            return forms[("I", "he", "they").index(agreement)], [verb.prefix + verb.infinitive]
        if self._in_perfect:
            forms = ("bin", "ist", "sind") if verb.auxiliary == "sein" else ("habe", "hat", "haben")
            return forms[("I", "he", "they").index(agreement)], [verb.prefix + verb.participle]
        if self.tense == "past":
            ending = "" if agreement != "they" else "n" if verb.preterite.endswith("e") else "en"
            return verb.preterite + ending, bare
        if agreement == "I":
            stem = verb.infinitive[:-1]
            return verb.first or (stem if stem.endswith("e") else stem + "e"), bare
        return verb.german_third if agreement == "he" else verb.plural or verb.infinitive, bare

    def _german_middle(self, front: bool) -> list[str]:
        """The field between the finite verb and the closing bracket, without the subject."""
        direct = self._german_roles[1]
        case = self.verb.case
        pronouns: list[str] = []
        phrases: list[str] = []
        prepositions: list[str] = []
        if direct and not direct.german[case]:
            pass  # a gap: its word stands before the clause
        elif direct and self.verb.preposition:
            prepositions.append(prepositional(self.verb.preposition, direct, case))
        elif direct:
            (pronouns if direct.is_pronoun else phrases).append(direct.german[case])
        if self.indirect:
            target = pronouns if self.indirect.is_pronoun else phrases
            target.insert(len(target) if self.indirect.is_pronoun else 0, self.indirect.german[DATIVE])
        time = [self.time.german] if self.time and not front else []
        frequency = [self.frequency.german] if self.frequency else []
        negation = ["nicht"] if self.negated and not (direct and direct.is_negative) else []
        tail = [self.tail.german] if self.tail else []
        return [*pronouns, *time, *frequency, *phrases, *negation, *prepositions, *tail]

    def _join(self, *parts: str | list[str]) -> str:
        words = [word for part in parts for word in ([part] if isinstance(part, str) else part) if word]
        return " ".join(words) + self.complement.german

    def german_second(self, front: bool = False) -> str:
        """A main clause: the finite verb second, after the subject or after the time at the front."""
        finite, end = self._german_verb()
        subject = self._german_roles[0].german[0]
        head = [self.time.german, finite, subject] if front and self.time else [subject, finite]
        return self._join(head, self._german_middle(front), end)

    def german_first(self, word: str = "") -> str:
        """A question, or a main clause behind a subordinate one: the finite verb before the subject."""
        finite, end = self._german_verb()
        return self._join(word, finite, self._german_roles[0].german[0], self._german_middle(False), end)

    def german_last(self, word: str = "") -> str:
        """A subordinate clause: the finite verb at the end, where it meets its prefix again (weil er anruft)."""
        finite, end = self._german_verb()
        end = [end[0] + finite] if end and end[0] == self.verb.prefix else [*end, finite]
        return self._join(word, self._german_roles[0].german[0], self._german_middle(False), end)

    def german_infinitive(self) -> str:
        """An infinitive with zu, inside the verb if it has a prefix (anzurufen)."""
        verb = self.verb
        end = f"{verb.prefix}zu{verb.infinitive}" if verb.prefix else f"zu {verb.infinitive}"
        return self._join(self._german_middle(False), end)

    # Both

    def text(self, english: str, german: str, *labels: str) -> Text:
        """Both sides of this clause as a `Text`, with what the clause shows and `labels`."""
        parts = [part for part in (self.tail, self.time, self.frequency) if part]
        subject, direct = self._german_roles
        phrases = [(subject, 0), (direct, self.verb.case), (self.indirect, DATIVE)]
        present = [(phrase, case) for phrase, case in phrases if phrase]
        shown = {"perfect": self._in_perfect, "modal": self.modal, "separable": self.verb.prefix}
        shown |= {"negation": self.negated, "word-sense": self.verb.is_ambiguous}
        found = {label for label, value in shown.items() if value} | set(labels)
        found = found.union(*(part.labels for part in parts), *(phrase.labels_in(case) for phrase, case in present))
        nouns = frozenset().union(*(part.nouns for part in parts), *(phrase.nouns for phrase, _ in present))
        predicate = self.tail.lemma if self.tail and self.tail.lemma else self.verb.lemma
        return Text(
            english,
            german,
            frozenset(found) | self.complement.phenomena,
            frozenset((predicate, noun) for noun in nouns) | self.complement.combinations,
            frozenset().union(*(phrase.names for phrase, _ in present)) | self.complement.names,
        )

    def statement(self, front: bool = False) -> Text:
        """A main clause."""
        labels = ("verb-second",) if front and self.time else ()
        return self.text(self.english_statement(front), self.german_second(front), *labels)

    def after_clause(self) -> Text:
        """A main clause behind a subordinate one, which takes the place before the finite verb."""
        return self.text(self.english_statement(), self.german_first(), "verb-second")

    def subordinate(self, english: str, german: str) -> Text:
        """A clause behind a conjunction."""
        return self.text(f"{english} {self.english_statement()}", self.german_last(german), "verb-final")

    def question(self, english: str = "", german: str = "") -> Text:
        """A question, with a question word that is not the subject or without one."""
        return self.text(self.english_question(english), self.german_first(german), "question")

    def infinitive(self) -> Text:
        """A clause without subject, to or zu before its verb."""
        return self.text(self.english_infinitive(), self.german_infinitive(), "infinitive")


def with_complement(clause: Clause, complement: Text) -> Clause:
    """The clause with another one behind it, after a space in English and a comma in German."""
    return replace(clause, complement=Text(" ", ", ") + complement)
