"""What the programs beside it need: it prints a line "ok - …" or "not ok - …" for each check."""

# whose rows a connection shows, and how many
ROWS = "SELECT string_agg(DISTINCT tenant_id, '+') || ' ' || count(*) FROM absence"


def equal(found, expected, promise):
    print("ok" if found == expected else "not ok", "-", promise, flush=True)
    if found != expected:
        print(f"# found {found!r}, expected {expected!r}".replace("\n", " "), flush=True)


def reason(error):
    """The reason code of a refusal is in PostgreSQL's field for a constraint."""
    error = getattr(error, "orig", error)  # SQLAlchemy wraps
    return error.diag.constraint_name or error.diag.sqlstate


def refused(expected, work, promise):
    try:
        found = {"result": work()}
    except Exception as error:
        found = reason(error) if hasattr(getattr(error, "orig", error), "diag") else repr(error)
    equal(found, expected, promise)
