"""Records changes of pairs in the audit log, for the entities on both sides."""

from collections.abc import Collection, Iterable

from application.audit import AuditLog
from application.ports.relationships import LinkChange
from application.relationships import ToMany


def record_change(
    audit: AuditLog, relationship: ToMany, source_id: int, change: LinkChange
) -> None:
    """Records that pairs of one entity were added and removed: one event for each entity."""
    audit.record_links(
        relationship.source,
        source_id,
        relationship.name,
        added=change.added,
        removed=change.removed,
    )
    inverse = relationship.inverse
    for target_id in change.added:
        audit.record_links(inverse.source, target_id, inverse.name, added=[source_id])
    record_removal(audit, relationship, source_id, change.removed)


def record_removal(
    audit: AuditLog, relationship: ToMany, source_id: int, target_ids: Iterable[int]
) -> None:
    """Records for the entities on the other side that pairs of one entity were removed."""
    inverse = relationship.inverse
    for target_id in target_ids:
        audit.record_links(inverse.source, target_id, inverse.name, removed=[source_id])


def record_pairs(audit: AuditLog, relationship: ToMany, pairs: Collection[tuple[int, int]]) -> None:
    """Records that pairs of source and target were added: one event for each entity."""
    inverse = relationship.inverse
    reversed_pairs = ((target, source) for source, target in pairs)
    audit.record_new_links(relationship.source, relationship.name, _grouped(pairs))
    audit.record_new_links(inverse.source, inverse.name, _grouped(reversed_pairs))


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, list[str]]:
    """Returns the second ids as text by the first ids, both in ascending order."""
    grouped: dict[int, list[str]] = {}
    for first, second in sorted(pairs):
        if first in grouped:
            grouped[first].append(str(second))
        else:
            grouped[first] = [str(second)]
    return grouped
