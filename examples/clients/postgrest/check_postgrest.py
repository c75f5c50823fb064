"""Tries pre_request.sql with the statements that PostgREST 12 sends, in their order and prepared as it
prepares them, since Debian has no PostgREST: one connection of the authenticator for all requests.
test/t/client_pool.pl runs it, and passes connection and tokens in the environment.
"""
import json
import os
import sys

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
from check import equal, refused

given = os.environ
ANSWER = """SELECT {total} AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, {body} AS body,
nullif(current_setting('response.headers', true), '') AS response_headers,
nullif(current_setting('response.status', true), '') AS response_status FROM ( SELECT * FROM pgrst_source ) _postgrest_t"""
AS_JSON = "coalesce(json_agg(_postgrest_t), '[]')"
READ = f'WITH pgrst_source AS ( SELECT "api"."absence".* FROM "api"."absence" ) {ANSWER.format(total="null::bigint", body=AS_JSON)}'
INSERT = """WITH pgrst_source AS (INSERT INTO "api"."absence"("day", "employee_id") SELECT "pgrst_body"."day", "pgrst_body"."employee_id"
FROM (SELECT %s::json AS json_data) pgrst_payload, LATERAL (SELECT "day", "employee_id" FROM json_to_record(pgrst_payload.json_data)
AS _("day" date, "employee_id" integer) ) pgrst_body RETURNING {returning}) """ + ANSWER.format(total="''", body="{body}")
SETTINGS = "search_path", "role", "request.jwt.claims", "request.method", "request.path", "request.headers", "request.cookies"

connection = psycopg.connect("user=authenticator", autocommit=True)


def send(statement, values=()):
    return connection.execute(statement, values, prepare=True)


def request(role, token, statement=READ, body=None):
    headers = {"host": "localhost", "accept": "*/*", **({"x-toms-token": token} if token else {})}
    values = ('"api", "public"', role, json.dumps({"role": role}), "POST" if body else "GET", "/absence", json.dumps(headers), "{}")
    send("BEGIN ISOLATION LEVEL READ COMMITTED " + ("READ WRITE" if body else "READ ONLY"))
    try:
        send("select " + ", ".join(f"set_config('{name}', %s, true)" for name in SETTINGS), values)
        send('select "auth"."set_context"()')
        _, count, answer, *_ = send(statement, (json.dumps(body),) if body else ()).fetchone()
    except psycopg.Error:
        send("ABORT")
        raise
    send("COMMIT")
    return sorted({row["tenant_id"] for row in answer}) + [count] if isinstance(answer, list) else count


def requests():
    for number in range(1, 7):  # more often than it takes for a generic plan
        equal(request("hr", given["ACME"]), ["acme", 3], f"PostgREST's statements: acme, request {number}")
        equal(request("hr", given["GLOBEX"]), ["globex", 2], "... and globex, on the same connection")
    refused("toms_context_ended", lambda: request("hr", None), "a request without the header is refused")
    refused("toms_context_expired", lambda: request("hr", given["EXPIRED"]), "... and one with an expired token")
    refused("toms_context_ended", lambda: request("anon", None), "... by the anonymous role too")
    refused("toms_role_not_member", lambda: request("hr", given["STRANGER"]), "a token for a role that the authenticator is no member of is refused")
    refused("toms_grant_missing", lambda: request("anon", given["ACME"]), "a token opens nothing that the role of the request has no privilege for")


def role():
    """What others do who switch roles: SET LOCAL ROLE."""
    for token, expected in (given["ACME"], 3), (given["GLOBEX"], 2):
        with connection.transaction():
            connection.execute("SET LOCAL ROLE hr")
            connection.execute("SELECT set_config('toms.token', %s, true)", (token,))
            equal(send("SELECT count(*) FROM api.absence").fetchone()[0], expected, f"SET LOCAL ROLE: {expected} rows")


def writes():
    absence = dict(employee_id=18, day="2026-02-02")
    full, minimal = INSERT.format(returning='"api"."absence".*', body=AS_JSON), INSERT.format(returning="1", body="''")
    equal(request("hr", given["ACME"], full, absence), ["acme", 1], "POST with return=representation")
    equal(request("intake", given["INTAKE"], minimal, absence), 1, "POST with return=minimal needs insert and no more")
    refused("toms_verb_not_permitted", lambda: request("intake", given["INTAKE"], full, absence), "... return=representation needs select")
    equal(request("hr", given["ACME"]), ["acme", 5], "... two rows more")


def between():
    equal(send("SELECT current_user::text, coalesce(toms.current_tenant(), 'none')").fetchone(), ("authenticator", "none"),
          "between requests there is neither role nor tenant")
    refused("42501", lambda: send("SELECT * FROM api.absence"), "... and the authenticator itself reads nothing")


dict(requests=requests, role=role, writes=writes)[sys.argv[1]]()
between()
print("done")
