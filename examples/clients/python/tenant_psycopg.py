"""psycopg 3: whose rows a connection shows."""
from contextlib import contextmanager

from psycopg_pool import ConnectionPool


@contextmanager
def in_tenant(pool, token):
    """One context per transaction, also behind a pooler in transaction mode."""
    with pool.connection() as connection, connection.transaction():
        connection.execute("SELECT set_config('toms.token', %s, true)", (token,))
        yield connection


# One context per check-out, for applications that run a SET on check-out and a RESET on return.
# The log-in needs, once: ALTER ROLE app SET toms.session_context = on;

def checkout_pool(conninfo, **options):
    return ConnectionPool(conninfo, kwargs={"autocommit": True}, reset=lambda c: c.execute("RESET toms.token"), **options)


@contextmanager
def check_out(pool, token):
    with pool.connection() as connection:
        connection.execute("SELECT set_config('toms.token', %s, false)", (token,))
        yield connection
