"""Spanish text as numbers: words with their negation, pieces of words, and counts of opinion words.

Training and serving call the same function, so that a weight means the same in both. Time is linear in the
length of the text.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

LONGEST_WORD: Final = 30
"""Letters of a word that are read; no Spanish word with an opinion is longer."""
SCOPE: Final = 4
"""Words that a negation reaches, unless a break ends it before."""
PIECES: Final = (3, 4, 5)
"""Lengths of the letter sequences that stand for stems and endings."""

_PLAIN: Final = str.maketrans("áàäâéèëêíìïîóòöôúùüû", "aaaaeeeeiiiioooouuuu", "\ufe0f\u200d")
_LENGTHENED: Final = re.compile(r"(\D)\1{2,}")
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
_NEGATIONS: Final = frozenset(
    [
        *("no", "ni", "nunca", "jamas", "sin", "tampoco", "nadie", "nada"),
        *("ningun", "ninguna", "ninguno", "cero", "apenas", "poco", "poca", "pocos", "pocas"),
    ]
)
_BREAKS: Final = frozenset([*'.,;:…!?¡¿()"', "pero", "sino", "aunque", "porque"])
_TURNS: Final = frozenset(["pero", "sino", "resulto"])
"""After these comes what the writer means; before them, what was conceded or feared."""


class Opinions(msgspec.Struct, frozen=True):
    """Polarity of words, of stems (any word that begins so) and of phrases (words joined by spaces).

    -2 very bad, -1 bad, 0 neither, 1 good, 2 very good.
    """

    words: dict[str, int]
    stems: dict[str, int]
    phrases: dict[str, int]
    lengths: dict[str, tuple[int, ...]]
    """How many words the phrases have which begin with a word, longest first."""

    def of_word(self, word: str) -> int | None:
        """The word's own polarity, else that of its longest stem."""
        polarity = self.words.get(word)
        end = len(word)
        while polarity is None and end > 2:
            polarity = self.stems.get(word[:end])
            end -= 1
        return polarity

    def of_phrase(self, tokens: list[str], index: int) -> tuple[int, int] | None:
        """The longest phrase that begins at `index`: its number of tokens and its polarity."""
        for length in self.lengths.get(tokens[index], ()):
            polarity = self.phrases.get(" ".join(tokens[index : index + length]))
            if polarity is not None:
                return length, polarity
        return None


def opinions_of(polarities: Mapping[str, int]) -> Opinions:
    """Opinions from entries as they are written: `word`, `stem*`, `several_words`."""
    phrases = {entry.replace("_", " "): value for entry, value in polarities.items() if "_" in entry}
    lengths: dict[str, set[int]] = {}
    for phrase in phrases:
        words = phrase.split()
        lengths.setdefault(words[0], set()).add(len(words))
    return Opinions(
        words={entry: value for entry, value in polarities.items() if "_" not in entry and entry[-1] != "*"},
        stems={entry[:-1]: value for entry, value in polarities.items() if entry[-1] == "*"},
        phrases=phrases,
        lengths={word: tuple(sorted(counts, reverse=True)) for word, counts in lengths.items()},
    )


def plain(text: str) -> str:
    """Lower case without accents (ñ stays), and lengthened letters as one: "Buenísimooo" is "buenisimo"."""
    return _LENGTHENED.sub(r"\1", text.lower().translate(_PLAIN))


def features(text: str, opinions: Opinions) -> list[tuple[float, Collection[str]]]:
    """Groups of features that share a value, none of which is above 2.

    The distinct words are a vector of length 1, the distinct pieces another; n equal opinions count 2n / (2 + n).
    """
    tokens = [token[:LONGEST_WORD] for token in _TOKEN.findall(plain(text))]
    words = set(_words(tokens))
    pieces: set[str] = set()
    for token in set(tokens):
        pieces.update(_pieces(token))
    groups: list[tuple[float, Collection[str]]] = [
        (1.0 / math.sqrt(len(group)), group) for group in (words, pieces) if group
    ]
    counts: dict[str, int] = {}
    for name in _opinions(tokens, opinions):
        counts[name] = counts.get(name, 0) + 1
    groups.extend((2.0 * count / (2.0 + count), (name,)) for name, count in counts.items())
    return groups


def _words(tokens: list[str]) -> Iterator[str]:
    reach = 0
    for token in tokens:
        if token in _NEGATIONS:
            reach = SCOPE
            yield f"word {token}"
            continue
        if token in _BREAKS:
            reach = 0
        word = "0" if token.isdigit() else token
        yield f"word no {word}" if reach > 0 else f"word {word}"
        reach -= 1


@lru_cache(maxsize=8192)
def _pieces(token: str) -> tuple[str, ...]:
    """Letter sequences of a word between two spaces: "sol" has " so", "sol", "ol ", " sol", "sol ", " sol "."""
    if not token.isalpha():
        return ()
    padded = f" {token} "
    return tuple(
        f"piece {padded[start : start + length]}" for length in PIECES for start in range(len(padded) - length + 1)
    )


def _opinions(tokens: list[str], opinions: Opinions) -> Iterator[str]:
    turn = max((index for index, token in enumerate(tokens) if token in _TURNS), default=-1)
    reach = 0
    index = 0
    while index < len(tokens):
        side = "says" if index > turn else "concedes"
        phrase = opinions.of_phrase(tokens, index)
        if phrase is not None:
            length, value = phrase
            yield f"{side} phrase {value}"
            reach = 0
            index += length
            continue
        token = tokens[index]
        index += 1
        if token in _NEGATIONS:
            reach = SCOPE
            continue
        if token in _BREAKS:
            reach = 0
        polarity = opinions.of_word(token)
        if polarity is not None:
            yield f"{side} no {polarity}" if reach > 0 and polarity else f"{side} {polarity}"
        reach -= 1
    if "!" in tokens:
        yield "says !"
    if "?" in tokens:
        yield "says ?"
    if any(token.isdigit() for token in tokens):
        yield "says number"
