"""What goes through pgbouncer and what does not, with two clients that share one server connection:
the databases "transaction" and "session" are of that pool_mode, "careless" ignores start-up options.
test/t/client_pool.pl runs it, and passes connection and tokens in the environment.
"""
import os
import sys

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
from check import ROWS, equal, refused

given = os.environ
ACME, GLOBEX = given["ACME"], given["GLOBEX"]
PID = "SELECT pg_backend_pid()"
LOCAL, SESSION = "SELECT set_config('toms.token', %s, true)", "SELECT set_config('toms.token', %s, false)"


def client(database, user, **options):
    # prepared statements stay on the server connection that another client gets
    return psycopg.connect(dbname=database, user=user, autocommit=True, prepare_threshold=None, **options)


def one(connection, statement=ROWS, *values):
    return connection.execute(statement, values).fetchone()[0]


def in_tenant(connection, token):
    with connection.transaction():
        connection.execute(LOCAL, (token,))
        return one(connection)


def transaction_mode():
    with client("transaction", "app_tx") as first, client("transaction", "app_tx") as second:
        equal(one(first, PID), one(second, PID), "transaction mode: two clients on one server connection")
        for number in 1, 2:
            equal(in_tenant(first, ACME), "acme 3", f"... acme, round {number}")
            equal(in_tenant(second, GLOBEX), "globex 2", "... and globex")
        one(first, SESSION, ACME)
        refused("toms_context_ended", lambda: one(first), "set_config(…, false) or SET: the next statement is refused")
        refused("toms_context_ended", lambda: one(second), "... and the next client is")
        equal(in_tenant(second, GLOBEX), "globex 2", "... who can set its own")


def session_context():
    """What the README warns of: the log-in of a transaction pool must not have a session context."""
    with client("transaction", "app") as first, client("transaction", "app") as second:
        one(first, SESSION, ACME)
        equal(one(second), "acme 3", "toms.session_context behind transaction mode: the next client is the former tenant")
        refused("toms_context_expired", lambda: one(second, SESSION, given["EXPIRED"]), "... unless it sets a token that is refused")
        refused("toms_context_ended", lambda: one(second), "... which ends the context")
        first.execute("RESET toms.token")


def session_mode():
    for end in "gives back", "forgets":
        with client("session", "app") as first:
            one(first, SESSION, ACME)
            equal(one(first), "acme 3", f"session mode: a client that {end} its context")
            server = one(first, PID)
            if end == "gives back":
                first.execute("RESET toms.token")
        with client("session", "app") as second:
            equal(one(second, PID), server, "... the next one on the same server connection")
            refused("toms_context_ended", lambda: one(second), "... finds none: DISCARD ALL")
            one(second, SESSION, GLOBEX)
            equal(one(second), "globex 2", "... and sets its own")


def startup_option():
    options = f"-c toms.token={ACME}"
    try:
        client("transaction", "app_tx", options=options)
        found = "connected"
    except psycopg.OperationalError as error:
        found = "unsupported startup parameter" in str(error)
    equal(found, True, "a token as start-up option: pgbouncer refuses the connection")
    with client("transaction", "app_tx", host=given["CARELESS"], options=options) as careless:
        refused("toms_context_missing", lambda: one(careless), "... or drops it, with ignore_startup_parameters, and toms refuses")


dict(transaction_mode=transaction_mode, session_context=session_context, session_mode=session_mode, startup_option=startup_option)[sys.argv[1]]()
print("done")
