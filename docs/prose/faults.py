"""Finds faults in prose."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from docs.prose.extract import Prose

MAX_WORDS: Final = 25  # in a sentence
_VOCABULARY: Final = Path(__file__).with_name("vocabulary.txt")
_WORD: Final = re.compile(r"[^\W_][\w'’./-]*")
_END: Final = re.compile(r"(?<!\be\.g|\bi\.e|.\bvs|\betc)[.!?][\"'”)\]*_]*(?=\s+\S)")


_IMPERATIVES: Final = frozenset(Path(__file__).with_name("imperatives.txt").read_text().split())


class Fault(NamedTuple):
    line: int
    kind: str  # word, length, line or verb
    message: str


def _vocabulary() -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern with a named group for each entry, and the advice by the name of the group."""
    lines = _VOCABULARY.read_text().splitlines()
    entries = [line.split(" -> ") for line in lines if line and not line.startswith("#")]
    groups = "|".join(f"(?P<entry{i}>{expression})" for i, (expression, _) in enumerate(entries))
    advice = {f"entry{i}": text for i, (_, text) in enumerate(entries)}
    return re.compile(rf"(?<![\w-])(?:{groups})(?!\w)", re.IGNORECASE), advice


_FORBIDDEN, _ADVICE = _vocabulary()


def faults_of(prose: Prose) -> Iterator[Fault]:
    """Checks words, the length of sentences, lines of Markdown, and first verbs of docstrings."""
    if prose.by_function:  # its sentences are checked as those of any other text
        yield from _verb_faults(prose)
        return
    start = 0
    for end in [*(match.end() for match in _END.finditer(prose.text)), len(prose.text)]:
        sentence = prose.text[start:end].lstrip()
        line = prose.line + prose.text.count("\n", 0, end - len(sentence))
        yield from _sentence_faults(line, sentence)
        start = end
    yield from _line_faults(prose) if prose.by_lines else ()


def _sentence_faults(line: int, sentence: str) -> Iterator[Fault]:
    flat = sentence.replace("\n", " ")
    for match in _FORBIDDEN.finditer(flat):
        place = line + sentence.count("\n", 0, match.start())
        yield Fault(place, "word", f'"{match[0]}" → {_ADVICE[match.lastgroup or ""]}')
    if (words := len(_WORD.findall(flat))) > MAX_WORDS:
        beginning = " ".join(flat.split()[:5])
        yield Fault(line, "length", f'"{beginning} …" has {words} words → at most {MAX_WORDS}')


def _line_faults(prose: Prose) -> Iterator[Fault]:
    *broken, last = prose.text.split("\n")
    for number, line in enumerate([*broken, last], prose.line):
        if _END.search(line):
            yield Fault(number, "line", "two sentences in one line → one sentence per line")
    for number, line in enumerate(broken, prose.line):
        if not _END.search(f"{line.rstrip()} x"):
            yield Fault(number, "line", "one sentence in several lines → one sentence per line")


def _verb_faults(prose: Prose) -> Iterator[Fault]:
    first = prose.text.split(None, 1)[0] if prose.text else ""
    if first in _IMPERATIVES:
        yield Fault(prose.line, "verb", f'"{first}" → what the function does: "Returns …"')
