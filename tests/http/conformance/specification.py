"""The normative sentences of a specification (RFC 2119), with their numbers."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SPECIFICATIONS = ("jsonapi", "atomic", "cursor-pagination")

HERE = Path(__file__).parent
KEY_WORDS = re.compile(r"\b(?:(?:MUST|SHOULD|SHALL)(?:\s+NOT)?|(?:NOT\s+)?RECOMMENDED|REQUIRED)\b")
_FENCED = re.compile(r"^([ >]*)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"#+ +(?:<a [^>]*id=\"(?P<id>[^\"]+)\"[^>]*></a> *)?(?P<title>.*)")
_ITEM = re.compile(r" *(?:[-*]|\d+\.) +")
_ANCHOR = re.compile(r"<a [^>]*></a> *")
_QUOTED = re.compile(r"^> ?", re.MULTILINE)
# The end of a sentence, except after an abbreviation or in the number of a section.
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)\)?(?:<sup>.*?</sup>)? +(?=[(@\"`*]*[A-Z0-9])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence. Its number is the anchor of its section and its place, `errors-processing.1`."""

    specification: str
    number: str
    text: str

    @property
    def levels(self) -> tuple[str, ...]:
        """The different key words of the sentence in capitals, in their order."""
        return tuple(dict.fromkeys(KEY_WORDS.findall(self.text)))


def sentences(specification: str) -> list[Sentence]:
    """The sentences with a key word, without line breaks and empty tags."""
    text = (HERE / "spec" / f"{specification}.md").read_text("utf-8")
    text = _FENCED.sub("", _FRONT_MATTER.sub("", text))
    found = []
    ordinals: Counter[str] = Counter()
    for anchor, block in _blocks(_QUOTED.sub("", text)):
        for sentence in _split(block):
            if KEY_WORDS.search(sentence):
                ordinals[anchor] += 1
                found.append(Sentence(specification, f"{anchor}.{ordinals[anchor]}", sentence))
    return found


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """The paragraphs and list items, each on one line, with the anchor of its section."""
    anchor = ""
    used: Counter[str] = Counter()
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        heading = _HEADING.fullmatch(line)
        item = _ITEM.match(line)
        if lines and (heading or item or not line.strip()):
            yield anchor, _ANCHOR.sub("", " ".join(" ".join(lines).split()))
            lines = []
        if heading:
            anchor = heading["id"] or _slug(heading["title"], used)
        elif line.strip():
            lines.append(line[item.end() :] if item else line)


def _slug(title: str, used: Counter[str]) -> str:
    """The generated anchor of a heading. Repeated anchors are numbered."""
    slug = re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
    used[slug] += 1
    return slug if used[slug] == 1 else f"{slug}-{used[slug] - 1}"


def _split(block: str) -> list[str]:
    """The sentences of a block."""
    starts = [0, *(end.end() for end in _END.finditer(block))]
    return [block[a:b].strip() for a, b in zip(starts, [*starts[1:], len(block)], strict=True)]
