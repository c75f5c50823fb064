"""Prints a line "ok - …" or "not ok - …" for each check."""


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
