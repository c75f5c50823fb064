"""Tries tenant_sqlalchemy.py, in one of the parts

    session      a context per check-out
    transaction  one per transaction of a Session
    core         one per transaction of a connection
    empty        a log-in that is shown no rows instead of errors: start-up, introspection, pool checks

with the driver of DRIVER. test/t/client_python.pl runs it, and passes connection and tokens in the
environment.
"""
import datetime
import os
import sys
import threading

from sqlalchemy import (BigInteger, Column, Date, FetchedValue, Integer, MetaData, Text, create_engine, delete, func, insert, select, text,
                        true, update)
from sqlalchemy.orm import Session, declarative_base

import tenant_sqlalchemy
from check import ROWS, equal, refused
from tenant_sqlalchemy import token

given = os.environ
ACME, GLOBEX = given["ACME"], given["GLOBEX"]
FEBRUARY = datetime.date(2026, 2, 1)
Base = declarative_base()


class Absence(Base):
    __tablename__ = "absence"
    id = Column(BigInteger, primary_key=True)
    tenant_id = Column(Text, FetchedValue())
    employee_id = Column(Integer, nullable=False)
    day = Column(Date, nullable=False)
    hours = Column(Integer, FetchedValue())


def engine(user, **options):
    """One connection, so that whatever is left behind is met by the next one."""
    settings = dict(pool_size=1, max_overflow=0, hide_parameters=True, pool_pre_ping=True)
    return create_engine(f"postgresql+{given['DRIVER']}://{user}@/{given['PGDATABASE']}", **{**settings, **options})


def rows(connection):
    return connection.execute(text(ROWS)).scalar()


def asked(bearer, work):
    token.set(bearer)
    return work()


def session():
    pool = engine("app")
    tenant_sqlalchemy.per_checkout(pool)

    def found():
        with Session(pool) as s:
            return rows(s)

    def pid():
        with pool.connect() as connection:
            return connection.execute(text("SELECT pg_backend_pid()")).scalar()

    for number in 1, 2:
        equal(asked(ACME, found), "acme 3", f"a context per check-out: acme, round {number}")
        equal(asked(GLOBEX, found), "globex 2", "... and globex")
    equal(asked(ACME, pid), asked(GLOBEX, pid), "... on one connection")
    refused("toms_context_ended", lambda: asked(None, found), "a connection that came back has no context")
    token.set(ACME)
    with Session(pool) as s:
        s.execute(text("UPDATE absence SET hours = 1 WHERE true"))
        s.rollback()
        equal(rows(s), "acme 3", "a rollback leaves the check-out its context")
    refused("toms_context_expired", lambda: asked(given["EXPIRED"], found), "an expired token is refused at check-out")
    equal(asked(GLOBEX, found), "globex 2", "... and the pool goes on")


def transaction():
    pool = engine("app_tx")
    tenant_sqlalchemy.per_transaction()

    def found():
        with Session(pool) as s:
            return rows(s)

    for number in 1, 2:
        equal(asked(ACME, found), "acme 3", f"a context per transaction: acme, round {number}")
        equal(asked(GLOBEX, found), "globex 2", "... and globex")
    refused("toms_context_ended", lambda: asked(None, found), "without a token: refused")
    refused("toms_context_expired", lambda: asked(given["EXPIRED"], found), "an expired token: refused")
    hidden(found)
    reads_and_writes(pool)
    savepoints(pool)
    verbs(pool)
    automatic()
    threads()


def hidden(found):
    try:
        asked(given["EXPIRED"], found)
    except Exception as error:
        equal(given["EXPIRED"] in str(error), False, "... without the token in its text")


def reads_and_writes(pool):
    token.set(ACME)
    with Session(pool) as s:
        one = Absence(employee_id=18, day=FEBRUARY)
        s.add(one)
        s.commit()
        equal((one.tenant_id, one.hours), ("acme", 8), "add, and a read in the transaction after the commit")
        one.hours = 4
        s.commit()
        s.add_all([Absence(employee_id=n, day=FEBRUARY) for n in range(100)])
        s.bulk_insert_mappings(Absence, [dict(employee_id=n, day=FEBRUARY) for n in range(100)])
        s.commit()
        equal(rows(s), "acme 204", "bulk inserts")
        inserted = insert(Absence).values(employee_id=1, day=FEBRUARY).returning(Absence.tenant_id)
        equal(s.execute(inserted).scalar(), "acme", "INSERT … RETURNING")
        key = one.id
        s.commit()
    token.set(GLOBEX)
    with Session(pool) as s:
        equal(s.get(Absence, key), None, "another tenant: the row is not there")
        equal(s.execute(update(Absence).where(true()).values(hours=0)).rowcount, 2, "... an UPDATE of all rows changes its own")
        s.rollback()
        refused("toms_row_other_tenant", lambda: s.execute(insert(Absence).values(tenant_id="acme", employee_id=1, day=FEBRUARY)),
                "... a row for the other tenant is refused")
    token.set(ACME)
    with Session(pool) as s:
        equal(s.execute(delete(Absence).where(Absence.day >= FEBRUARY)).rowcount, 202, "DELETE")
        s.commit()


def savepoints(pool):
    token.set(ACME)
    with Session(pool) as s:
        try:
            with s.begin_nested():
                s.add(Absence(employee_id=18, day=FEBRUARY))
                s.flush()
                s.execute(text("SELECT 1 / 0"))
        except Exception:
            pass
        equal(rows(s), "acme 3", "a savepoint that is rolled back leaves the context")


def verbs(pool):
    token.set(given["INTAKE"])
    with Session(pool) as s:
        s.add(Absence(employee_id=18, day=FEBRUARY))
        refused("toms_verb_not_permitted", s.flush, "the ORM's INSERT … RETURNING needs the verb select")
        s.rollback()
        s.execute(insert(Absence).inline(), [dict(employee_id=18, day=FEBRUARY)])
        s.rollback()
        equal(True, True, "... insert(…).inline() does not")


def automatic():
    pool = engine("app_tx", isolation_level="AUTOCOMMIT")
    token.set(ACME)
    with Session(pool) as s:
        refused("toms_context_ended", lambda: rows(s), "AUTOCOMMIT: the token ends with its own statement")


def threads():
    pool = engine("app_tx", pool_size=3)
    found = []

    def ask(bearer):
        token.set(bearer)
        for _ in range(20):
            with Session(pool) as s:
                found.append(rows(s) == ("acme 3" if bearer == ACME else "globex 2"))

    running = [threading.Thread(target=ask, args=(bearer,)) for bearer in (ACME, GLOBEX) * 3]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    equal((len(found), all(found)), (120, True), "120 transactions of two tenants on three connections")


def core():
    pool = engine("app_tx")
    tenant_sqlalchemy.per_transaction_of(pool)

    def found():
        with pool.begin() as connection:
            return rows(connection)

    equal([asked(ACME, found), asked(GLOBEX, found)], ["acme 3", "globex 2"], "connections without a Session")
    refused("toms_context_ended", lambda: asked(None, found), "... without a token: refused")


def empty():
    pool = engine("app_probe")
    tenant_sqlalchemy.per_transaction()
    with pool.connect() as connection:  # its first use asks for version and schema
        equal(connection.execute(text("SELECT 1")).scalar(), 1, "no tenant: a pool's check query")
    schema = MetaData()
    schema.reflect(pool, only=["absence"])
    equal([column.name for column in schema.tables["absence"].columns], ["id", "tenant_id", "employee_id", "day", "hours"],
          "no tenant: introspection")
    for promise in "no tenant: no rows instead of an error", "after a tenant: no rows either":
        token.set(None)
        with Session(pool) as s:
            equal(s.execute(select(func.count()).select_from(Absence)).scalar(), 0, promise)
            refused("toms_context_missing" if promise[0] == "n" else "toms_context_ended", lambda: s.execute(update(Absence).values(hours=0)),
                    "... and an UPDATE is refused")
        token.set(ACME)
        with Session(pool) as s:
            equal(rows(s), "acme 3", "... and with a token its rows")
    refused("toms_context_expired", lambda: asked(given["EXPIRED"], lambda: rows(Session(pool))), "an expired token is an error all the same")


parts = dict(session=session, transaction=transaction, core=core, empty=empty)
parts[sys.argv[1]]()
print("done")
