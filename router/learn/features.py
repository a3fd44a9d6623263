"""What a prompt looks like: some sixty numbers from its bytes and words, the same for every language model."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learn.text import Scan, word_hash

Row = NDArray[np.float32]

_WORDS: Final = {
    "question": "what which who whom whose when where why how",
    "which": "which",
    "what": "what",
    "why": "why",
    "how": "how",
    "instruction": "write explain describe summarize list translate give show compare analyze analyse discuss "
    "create generate implement design rewrite edit fix debug",
    "reasoning": "prove derive evaluate determine find calculate compute solve show suppose let assume given "
    "therefore hence because if then",
    "calculation": "calculate compute determine find total average sum product ratio percent rate value maximum",
    "negation": "not no never except false incorrect least none neither nor without cannot",
    "certainty": "always never all only must every any most best primarily",
    "composite": "both all none neither above following statement statements i ii iii iv",
    "scenario": "scenario scenarios wrong moral morally standards character",
    "code": "def return print import class function int string array list for while else null void const var select "
    "python java code public static assert true false",
    "mathematics": "frac sqrt sum int theta pi equation polynomial matrix vector integer prime graph theorem triangle "
    "circle function derivative integral probability group ring field",
    "science": "mass energy force velocity acid gas pressure temperature cell protein gene dna reaction molecule "
    "electron atom wave current voltage field patient disease blood",
    "units": "m cm km kg g s j v w n hz mol k c ft lb atm pa ev nm ml l hour hours minutes miles dollars",
    "law": "court defendant plaintiff law statute contract sued trial murder property claim state liable constitution",
    "people": "he she his her him they their man woman boy girl",
    "time": "year years day days week month century",
    "history": "war century king government treaty empire revolution president",
    "business": "price cost market firm company tax income profit interest stock bond capital demand supply",
    "reference": "this that these those it according passage text author above refers",
    "function": "the of and to a in is for with on by as at from be are was were an or",
    "other_language": "der die das und ist nicht el la los que de en les des une est pour il che per non di",
}
"""Groups of words that tell something; a word may be in several."""


def _keywords() -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Sorted hashes, and a row of group membership for each."""
    words = sorted({word for group in _WORDS.values() for word in group.split()}, key=word_hash)
    member = [[float(word in group.split()) for group in _WORDS.values()] for word in words]
    hashes = np.array([word_hash(word) for word in words], np.uint64)
    return hashes, np.array(member, np.float32)


_HASHES, _MEMBER = _keywords()

_SIGNS: Final = {
    "question_marks": "?",
    "full_stops": ".",
    "commas": ",",
    "colons": ":;",
    "quotes": "\"'`",
    "brackets": "()[]",
    "braces": "{}",
    "backslashes": "\\",
    "dollars": "$",
    "operators": "+-*/=<>^%",
    "equals": "=",
    "gaps": "_",
    "bars": "|",
    "digits": "0123456789",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lines": "\n",
}
"""Characters that are counted together."""

_SIGN_OF: Final = np.array([[chr(byte) in signs for signs in _SIGNS.values()] for byte in range(256)], np.float32)

NAMES: Final = (
    "length",
    "words",
    "word_length",
    "long_words",
    "distinct",
    "foreign",
    *_SIGNS,
    *(f"{sign}_share" for sign in _SIGNS),
    *_WORDS,
    *(f"{word}_share" for word in _WORDS),
    "options",
    "option_length",
    "option_spread",
    "option_digits",
    "stem_length",
    "indented",
)
"""What each number is, in their order."""


def features(found: Scan) -> Row:
    """The numbers of one prompt."""
    words = max(len(found.hashes), 1)
    seen = max(len(found.raw), 1)
    signs = found.counts.astype(np.float32) @ _SIGN_OF
    ordered = np.sort(found.hashes)  # so that their search walks forward
    place = _HASHES.searchsorted(ordered)
    place[place == len(_HASHES)] = 0
    known = place[_HASHES[place] == ordered]
    groups = np.bincount(known, minlength=len(_MEMBER)).astype(np.float32) @ _MEMBER
    distinct = min(len(ordered), 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1])))
    spelled = np.count_nonzero(found.lengths > 1)
    letters = int(found.lengths.sum()) - (len(found.lengths) - spelled)
    shape = (
        np.log1p(found.length),
        np.log1p(words),
        letters / spelled if spelled else 0.0,
        np.count_nonzero(found.lengths > 8) / words,  # noqa: PLR2004 - letters that only learned words have
        distinct / words,
        found.counts[128:].sum() / seen,
    )
    return np.concatenate(
        (shape, np.log1p(signs), signs / seen, np.log1p(groups), groups / words, _options(found)), dtype=np.float32
    )


def _options(found: Scan) -> tuple[float, ...]:
    """How many choices a question offers, how long, how unequal they are, and what stands before them."""
    lines = np.flatnonzero(found.raw == ord("\n"))
    if not len(lines):
        return (0.0, 0.0, 0.0, 0.0, float(np.log1p(len(found.raw))), 0.0)
    after = found.raw[np.minimum(lines + 1, len(found.raw) - 1)]
    then = found.raw[np.minimum(lines + 2, len(found.raw) - 1)]
    indented = float(np.log1p(np.count_nonzero((after == ord(" ")) & (then == ord(" ")))))
    chosen = (after >= ord("A")) & (after <= ord("Z")) & ((then == ord(".")) | (then == ord(")")))
    begins = lines[chosen]
    if not len(begins):
        return (0.0, 0.0, 0.0, 0.0, float(np.log1p(lines[0])), indented)
    ends = np.append(lines, len(found.raw))[np.flatnonzero(chosen) + 1]
    sizes = ends - begins
    digit = (found.raw >= ord("0")) & (found.raw <= ord("9"))
    digits = digit[begins[0] :].mean()
    spread = float(sizes.std() / (sizes.mean() + 1))
    return (float(len(begins)), float(np.log1p(sizes.mean())), spread, digits, float(np.log1p(begins[0])), indented)
