"""SQLAlchemy 1.4 and 2: whose rows a session shows. Call one of the three functions at start-up;
the framework's middleware calls token.set() for each request. Make the engine with
hide_parameters=True, else the text of a refusal holds the token.
"""
from contextvars import ContextVar

from sqlalchemy import event, text
from sqlalchemy.orm import Session

token = ContextVar("token", default=None)


def per_transaction():
    """Every transaction of every Session begins with the token; a savepoint keeps it."""

    @event.listens_for(Session, "after_begin")
    def set_context(session, transaction, connection):
        if token.get() and not transaction.nested:
            connection.execute(text("SELECT set_config('toms.token', :token, true)"), {"token": token.get()})


def per_transaction_of(engine):
    """The same for applications that use connections without a Session."""

    @event.listens_for(engine, "begin")
    def set_context(connection):
        if token.get():
            connection.execute(text("SELECT set_config('toms.token', :token, true)"), {"token": token.get()})


def per_checkout(engine):
    """For applications that run a SET on check-out and a RESET on return. The log-in needs, once:
    ALTER ROLE app SET toms.session_context = on;
    """

    def run(connection, *statement):
        with connection.cursor() as cursor:
            cursor.execute(*statement)
        connection.commit()  # the application's rollback would take the token away

    @event.listens_for(engine, "checkout")
    def set_context(connection, record, proxy):
        if token.get():
            run(connection, "SELECT set_config('toms.token', %s, false)", (token.get(),))

    @event.listens_for(engine, "checkin")
    def reset_context(connection, record):
        try:
            if connection is not None:
                run(connection, "RESET toms.token")
        except Exception:
            record.invalidate()  # closed
