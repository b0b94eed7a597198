"""Reads from replicas of PostgreSQL: own changes, lag, loss and promotion."""

from collections.abc import Callable
from typing import Any

from cluster.replication import Client, Replication, results
from faults.service import Service
from roster_process import SECRET
from waiting import until

NewReplication = Callable[[int], Replication]
Serve = Callable[..., Service]


def _start(serve: Serve, replication: Replication, **options: Any) -> Service:
    service = serve(replication, ROSTER_JWT_SECRET=SECRET, **options)
    lines = service.size * len(replication.replicas)
    until(lambda: service.log().count('"replica_used"') == lines, details=service.log)
    return service


def test_reads_include_the_own_changes_but_wait_for_no_replica(
    new_replication: NewReplication, serve: Serve
) -> None:
    replication = new_replication(1)
    service = _start(serve, replication)
    ann, bob = Client(service.port, "ann"), Client(service.port, "bob")
    old = ann.create("old").id
    replication.pause()

    created = ann.create("new")
    path = f"/users/{created.id}"
    assert bob.get(path).status == 404, "the replica serves a read of another client"
    assert bob.get(path, created.position).status == 200, "the position includes the change"
    for _ in range(10):  # any worker gets the request
        assert ann.get(path).status == 200, "the own change is included without a position"
    assert len(ann.get("/users").document["data"]) == 2
    assert len(bob.get("/users").document["data"]) == 1
    assert len(bob.get("/users", created.position).document["data"]) == 2
    assert bob.get(f"{path}/history", created.position).status == 200

    future = bob.get(f"/users/{old}", "1-FFFFFFFFFFFFFFFF")
    assert future.status == 200, "the primary serves what no replica has reached"
    other_timeline = bob.get(path, "2-1")
    assert other_timeline.status == 200, "a replica never satisfies a position of another timeline"
    assert bob.get(path, "0/16B3748").code == "invalid_position"

    replication.resume()
    until(lambda: bob.get(path).status == 200)
    until(lambda: results(service.port)["not_recent"] > 15)
    before = results(service.port)["replica"]
    assert bob.get(path, created.position).status == 200
    until(lambda: results(service.port)["replica"] > before)
