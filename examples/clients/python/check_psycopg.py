"""Tries tenant_psycopg.py. test/t/client_python.pl runs it, and passes connection and tokens in the
environment.
"""
import os

from psycopg_pool import ConnectionPool

from check import ROWS, equal, refused
from tenant_psycopg import check_out, checkout_pool, in_tenant

given = os.environ
ACME, GLOBEX = given["ACME"], given["GLOBEX"]


def one(connection, statement=ROWS):
    return connection.execute(statement).fetchone()[0]


def bare(pool):
    with pool.connection() as connection:
        return one(connection)


def transaction(pool):
    def found(token):
        with in_tenant(pool, token) as connection:
            return one(connection)

    for number in 1, 2:
        equal(found(ACME), "acme 3", f"a context per transaction: acme, round {number}")
        equal(found(GLOBEX), "globex 2", "... and globex")
    refused("toms_context_ended", lambda: bare(pool), "... nothing is seen without one")
    refused("toms_context_expired", lambda: found(given["EXPIRED"]), "an expired token is refused")
    refused("toms_context_ended", lambda: bare(pool), "... and nothing is seen")


def session(pool):
    def found(token, statement=ROWS):
        with check_out(pool, token) as connection:
            return one(connection, statement)

    for number in 1, 2:
        equal(found(ACME), "acme 3", f"a context per check-out: acme, round {number}")
        equal(found(GLOBEX), "globex 2", "... and globex")
    pid = "SELECT pg_backend_pid()"
    equal(found(ACME, pid), found(GLOBEX, pid), "... on one connection")
    refused("toms_context_ended", lambda: bare(pool), "after the return nothing is seen")
    refused("22012", lambda: found(ACME, "SELECT 1 / 0"), "an error is passed on")
    refused("toms_context_ended", lambda: bare(pool), "... and nothing is seen after it")
    refused("toms_context_expired", lambda: found(given["EXPIRED"]), "an expired token is refused at check-out")
    equal(found(GLOBEX), "globex 2", "... and the pool goes on")
    with check_out(pool, ACME) as connection:
        refused("toms_context_expired", lambda: connection.execute("SELECT set_config('toms.token', %s, false)", (given["EXPIRED"],)),
                "a token that is refused ends the context before it")
        refused("toms_context_ended", lambda: one(connection), "... on the same connection")


with ConnectionPool("user=app_tx", min_size=1, max_size=1, kwargs={"autocommit": True}) as pool:
    transaction(pool)
with checkout_pool("user=app", min_size=1, max_size=1) as pool:
    session(pool)
print("done")
