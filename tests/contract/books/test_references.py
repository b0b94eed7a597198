"""References of notes, which have three."""

from datetime import UTC, datetime

import pytest
from contract.books.domain import BOOK_TYPE
from contract.books.sources import NOTE_REFERENCES, NOTE_TYPE, NewNote, NoteChanges

from adapters.memory.store import MemoryStore
from application.bulk_commands import BulkCommands
from application.commands import Commands
from application.ports import Context
from application.relationships import RelatedNotFound, Relationships
from application.units import retrying

RELATIONSHIPS = Relationships(*NOTE_REFERENCES)


def test_files_name_entities_whose_key_may_be_null_by_their_ids() -> None:
    assert BOOK_TYPE.reference == "id"


@pytest.mark.parametrize("is_bulk", [False, True])
def test_a_change_reports_every_entity_that_does_not_exist(is_bulk: bool) -> None:
    store = MemoryStore(lambda: datetime(2026, 11, 30, tzinfo=UTC), relationships=RELATIONSHIPS)
    run = retrying(store.begin)
    commands = Commands(NOTE_TYPE, run, relationships=RELATIONSHIPS)
    note = commands.create(NewNote(body="See also."), Context())
    changes = NoteChanges({"about": note.id, "book": 98, "source": 99})
    with pytest.raises(RelatedNotFound) as caught:
        if is_bulk:
            bulk = BulkCommands(NOTE_TYPE, run, relationships=RELATIONSHIPS)
            bulk.change([note.id], changes, Context())
        else:
            commands.change(note.id, changes, Context())
    missing = [caught.value, *caught.value.others]
    assert {each.attribute: [*each.ids] for each in missing} == {"book": [98], "source": [99]}
