"""`make mutation` makes the changes that its documentation describes, and no pointless ones."""

from itertools import islice
from pathlib import Path

import pytest
from mutation.equivalent import Equivalent, known_equivalents
from mutation.mutants import mutants_of
from mutation.sample import files_to_mutate, sample_mutants
from mutation.tree import mutated_file

ROOT = Path(__file__).parents[3]


def changed(code: str) -> set[str]:
    source = code.encode()
    return {mutant.apply(source).decode() for mutant in mutants_of("a.py", source)}


@pytest.mark.parametrize(
    ("code", "mutants"),
    [
        ("a < b", {"(a <= b)", "(a >= b)"}),
        ("a is b", {"(a is not b)"}),
        ("a in b", {"(a not in b)"}),
        ("a and b", {"(a or b)", "(a)", "(b)"}),
        ("not a", {"(a)"}),
        ("a + b", {"(a - b)"}),
        ("a += b", {"a -= b"}),
        ("a = 2", {"a = 3", "a = (1)"}),
        ("a = 0.5", {"a = 1.5"}),
        ("a = True", {"a = False"}),
        ("a = 'x'", {"a = 'XXx'"}),
        ("a = b'x'", {"a = b'XXx'"}),
        ("a.b = c", {"pass"}),
        ("a(b)", {"pass"}),
        ("a = b(c=d, e=f)", {"a = b(e=f)", "a = b(c=d)"}),
        ("a = min(b)", {"a = max(b)"}),
        ("a = b.lstrip()", {"a = b.rstrip()"}),
        ("raise a", {"pass"}),
        ("if a: b", {"if (not (a)): b"}),
        ("while a: break", {"while (not (a)): break", "while a: continue"}),
        ("a = b if c else d", {"a = b if (not (c)) else d"}),
        ("a = [b for b in c if d]", {"a = [b for b in c if (not (d))]"}),
        ("def a(b=1): pass", {"def a(b=2): pass", "def a(b=(0)): pass"}),
        ("def a(): return b", {"def a(): return None"}),
        ("ä = 'ß' < b", {"ä = ('ß' <= b)", "ä = ('ß' >= b)", "ä = 'XXß' < b"}),
    ],
)
def test_changes_code_in_each_way(code: str, mutants: set[str]) -> None:
    assert changed(code) == mutants


@pytest.mark.parametrize(
    "code",
    [
        "'docstring'",
        "def a():\n    'docstring'",
        "class A:\n    'docstring'",
        "a: Literal['x'] = b",
        "def a(b: Literal['x']) -> Literal['y']: pass",
        "a = 'A sentence.'",
        "a = cast('B', c)",
        "T = TypeVar('T', bound=int)",
        "@dataclass(frozen=True)\nclass A: pass",
        "class A(Protocol):\n    def b(self) -> C: return d",
        "if TYPE_CHECKING: a = 1",
        "__all__ = ['a']",
        "def a(): return None",
    ],
)
def test_does_not_change_what_is_not_executed(code: str) -> None:
    assert changed(code) == set()


def test_a_mutant_shows_its_line_and_the_difference() -> None:
    source = b"a = b\nc = d < e\n"
    first, _ = mutants_of("a.py", source)
    assert (first.line, first.diff(source)) == (2, ["-c = d < e", "+c = (d <= e)"])


def test_a_seed_repeats_a_sample_and_a_longer_sample_starts_with_it() -> None:
    paths = files_to_mutate(ROOT, ["domain/*"])
    short, long, other = (
        list(islice(sample_mutants(ROOT, paths, seed), number))
        for seed, number in ((1, 5), (1, 9), (2, 5))
    )
    assert long[:5] == short != other
    assert len({(mutant.path, mutant.line) for mutant in long}) == 9


def test_larger_files_get_more_mutants(tmp_path: Path) -> None:
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain/small.py").write_text("a = 1\n" * 30)
    (tmp_path / "domain/large.py").write_text("a = 1\n" * 270)
    paths = files_to_mutate(tmp_path, [])
    sample = [mutant.path for mutant in islice(sample_mutants(tmp_path, paths, 1), 100)]
    assert 2 <= sample.count("domain/small.py") <= 25


def test_a_changed_file_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"a = 1")
    with pytest.raises(KeyError), mutated_file(path, b"a = 2"):
        assert path.read_bytes() == b"a = 2"
        raise KeyError
    assert path.read_bytes() == b"a = 1"


@pytest.mark.parametrize("known", known_equivalents(), ids=lambda known: known.mutant or known.code)
def test_each_known_equivalent_is_a_mutant_of_its_file(known: Equivalent) -> None:
    source = (ROOT / known.file).read_bytes()
    assert any(known.matches(mutant, source) for mutant in mutants_of(known.file, source))
    assert known.reason


def test_an_equivalent_is_one_change_or_all_changes_of_its_code() -> None:
    source = b"a = 2\nb = 2\n"
    mutants = mutants_of("a.py", source)
    one = Equivalent("a.py", "a = 2", "no effect", "a = 3")
    every = Equivalent("a.py", "a = 2", "no effect")
    changed_by = {
        each.mutant: {m.apply(source) for m in mutants if each.matches(m, source)}
        for each in (one, every)
    }
    assert changed_by == {
        "a = 3": {b"a = 3\nb = 2\n"},
        None: {b"a = 3\nb = 2\n", b"a = (1)\nb = 2\n"},
    }
