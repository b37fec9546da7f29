r"""Where sentences end: patterns in the syntax of RE2, which has no look-behind.

So what looks like an end and is none is matched first, with what stands around it. In doubt there is no end, as half a
sentence is translated worse than two at once.
"""

# Those that a sentence seldom ends with.
_ABBREVIATIONS = {
    "English": "Mr Mrs Ms Mx Dr Prof Rev Hon Gov Sen Rep Gen Col Maj Capt Lt Sgt Adm Supt Messrs St Mt Ft vs viz al",
    "German": "Hr Hrn Fr Frl Dipl Ing Mag Str Abb Abt Anm Aufl Bd Bde Hg Hrsg Jh Kap Mio Mrd Mill Std Tel Univ bes betr"
    " bzw ca dgl einschl entspr etw evtl exkl geb gegr gest ggf inkl sog str vgl zzgl",
    "French": "MM Mme Mmes Mlle Mlles Mgr Mgrs Pr Ste apr av chap env éd ibid",
    "Spanish": "Sr Sra Sres Srta Dra Profa Ud Uds Vd Vds Lic Gral Cnel EE UU aprox cap pág págs",
    "Italian": "Sig Sigg Dott Avv Arch Geom Rag pag pagg",
    "Portuguese": "Exmo Exma Eng",
    "Dutch": "dhr mevr mw mr drs prof jhr bijv blz resp",
    "Nordic": "bl dvs ex eks jf jfr kl esim",
    "Slavic": "np tzn tzw ul św płk inż hab godz tys mln mld např tzv čl г гг ул им см стр тыс млн млрд проф акад",
    "Hungarian and Turkish": "pl ún bkz",
    "all": "cf op cit pp vol fig Nr nr dr",
}
_BEFORE_NUMBERS = (
    "No Nos no nos Nº nº núm Núm Art art arts Abs Ziff Fig figs Figs Tab tab Eq eq Sec sec Ch ch Vol Bl č čís"
    " Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Okt Nov Dec Dez janv févr avr juil sept oct nov déc"
)
_BEFORE_LOWER_CASE = "etc usw usf ecc itd itp enz osv vb др пр Inc Ltd Co Corp Bros Jr Sr Ph approx dept est min max"

_ODD_SPACES = r"\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200A}\x{205F}\x{3000}"
# A no-break space is none: it is set where no line, and no sentence, ends.
SPACE = rf"[\s\x{{0B}}{_ODD_SPACES}]"
_SPACE_IN_LINE = rf"[ \t\f\r\x{{0B}}{_ODD_SPACES}]"

_LINE_BREAK = rf"{_SPACE_IN_LINE}*\n{SPACE}*"
_END = "[.!?…‽⁇⁈⁉؟۔।॥։።፧។៕။．]"
_CLOSING = r"""(?:["'”’“‘»«›‹)\]}」』】）〉》〕]|[ \x{A0}\x{202F}][»›])"""
_SPACED = rf"{_END}+{_CLOSING}*(?:{_SPACE_IN_LINE}+{_END}+{_CLOSING}*)*{SPACE}+"
# These end a sentence without white space, unless they stand within quotes, after which it may go on.
_FULL_WIDTH_END = "[。｡！？]"
_FULL_WIDTH_QUOTED = rf"{_FULL_WIDTH_END}+[”’」』】）〉》〕)\]]+"

_BEGINNING = r"(?:\A|[^\p{L}\p{M}\p{N}.,:'’])"
_LETTER = r"[\p{Latin}\p{Greek}\p{Cyrillic}]"


def _one_of(words: str) -> str:
    """Any of them, also as the first word of a sentence."""
    return "|".join(sorted({form for word in words.split() for form in (word, word[:1].upper() + word[1:])}))


_NO_ENDS = (
    # Abbreviations; z.B., Ph.D., J.-C.; initials; ordinals.
    rf"{_BEGINNING}(?:{_one_of(' '.join(_ABBREVIATIONS.values()))}|{_LETTER}{{1,2}}(?:\.-?{_LETTER}{{1,3}})+"
    rf"|{_LETTER}\p{{M}}*|\p{{Nd}}{{1,3}}|[IVX]{{2,}})\.[)\]]?{_SPACE_IN_LINE}+",
    rf"{_BEGINNING}(?:{_one_of(_BEFORE_NUMBERS)})\.{_SPACE_IN_LINE}+\p{{Nd}}",
    rf"{_BEGINNING}(?:{_one_of(_BEFORE_LOWER_CASE)})\.{_CLOSING}*{_SPACE_IN_LINE}+\p{{Ll}}",
    # Three dots, and what somebody says, within a sentence.
    rf"(?:(?:\.\.+|…){_CLOSING}*|{_END}+{_CLOSING}+){_SPACE_IN_LINE}+\p{{Ll}}",
)

# A piece of text that ends a sentence, with the white space after it.
ENDING = rf"{_LINE_BREAK}|{_SPACED}|{_FULL_WIDTH_QUOTED}{SPACE}+|{_FULL_WIDTH_END}+{SPACE}*"
# What a text is divided at: pieces that end a sentence, and pieces that only look so.
DIVIDING = (
    rf"{_LINE_BREAK}|{'|'.join(_NO_ENDS)}|{_SPACED}|{_FULL_WIDTH_QUOTED}{SPACE}+|{_FULL_WIDTH_QUOTED}"
    rf"|{_FULL_WIDTH_END}+{SPACE}*"
)
# The end of a translation after which a further sentence needs a space.
NEEDS_SPACE = rf"({_END}{_CLOSING}*)\z"
