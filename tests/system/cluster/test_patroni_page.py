"""The files of docs/operations/patroni.md fit together. test_patroni.py runs them."""

import pytest
import yaml
from cluster.patroni import WAYS, commands, files, url_of

from adapters.sql.engine import make_engine


def test_the_page_has_the_files_of_the_cluster() -> None:
    assert set(files()) == {
        "/etc/default/etcd",
        "/etc/patroni/config.yml",
        "/etc/haproxy/haproxy.cfg",
        "/etc/pgbouncer/pgbouncer.ini",
        "/etc/pgbouncer/userlist.txt",
    }


def test_the_page_has_the_commands_of_the_tests() -> None:
    assert len(commands("psql")) == 1
    words = [command.split()[3] for command in commands("patronictl")]
    assert words == ["list", "switchover", "edit-config"]


def test_replication_is_synchronous_and_the_times_fit_together() -> None:
    settings = yaml.safe_load(files()["/etc/patroni/config.yml"])["bootstrap"]["dcs"]
    assert settings["synchronous_mode"] is True
    assert settings["postgresql"]["parameters"]["synchronous_commit"] == "on"
    # https://patroni.readthedocs.io/en/latest/dynamic_configuration.html
    assert settings["loop_wait"] + 2 * settings["retry_timeout"] <= settings["ttl"]


@pytest.mark.parametrize("way", WAYS)
def test_roster_accepts_the_urls(way: str) -> None:
    make_engine(url_of(way)).dispose()
