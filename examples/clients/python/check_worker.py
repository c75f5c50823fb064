"""Tries worker.py: jobs of two tenants, of one whom the worker may not enter, and of nobody.
test/t/client_python.pl runs it, and passes the connection in the environment.
"""
import os
import subprocess
import sys
import time

import psycopg

from check import equal, refused
import worker

given = os.environ


def add(connection, tenant, employee, day):
    return connection.execute("INSERT INTO job (tenant_id, employee_id, day) VALUES (%s, %s, %s) RETURNING id", (tenant, employee, day)).fetchone()[0]


def notify(connection, payload):
    connection.execute("SELECT pg_notify('job', %s)", (str(payload),))


def hours(token):
    with psycopg.connect("user=app_tx") as connection:
        connection.execute("SELECT set_config('toms.token', %s, true)", (token,))
        return connection.execute("SELECT string_agg(tenant_id || ' ' || employee_id || ' ' || hours, ', ' ORDER BY id) FROM absence").fetchone()[0]


def listening(connection):
    return connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'worker' AND query = 'LISTEN job' AND state = 'idle'").fetchone()[0]


with psycopg.connect("user=worker", autocommit=True) as boss:
    running = subprocess.Popen([sys.executable, worker.__file__], env={**given, "PGUSER": "worker"}, stderr=subprocess.PIPE, text=True)
    while not listening(boss) and running.poll() is None:
        time.sleep(0.05)
    jobs = [add(boss, *job) for job in (("acme", 17, "2026-01-08"), ("initech", 17, "2026-01-08"), ("globex", 4, "2026-01-07"))]
    for message in *jobs, 4711, "nonsense", "stop":
        notify(boss, message)
    said = running.communicate(timeout=60)[1]
    equal(running.returncode, 0, "the worker ends when it is told to")
    equal(said.split("\n")[:-1], [f"{jobs[1]} toms_enter_not_allowed", "nonsense 22P02"], "a tenant whom it may not enter is refused, the rest is done")
    equal(boss.execute("SELECT array_agg(id) FROM job").fetchone()[0], [jobs[1]], "... and that job is still there")
    equal(hours(given["ACME"]), "acme 17 8, acme 17 4, acme 18 8", "the job of acme is done, and touched no other row")
    equal(hours(given["GLOBEX"]), "globex 4 4, globex 5 8", "the job of globex is done")

    enter = "SELECT toms.enter(tenant => %s, subject => '17', role => 'hr', purpose => 'absence_management')"
    with boss.transaction():
        boss.execute(enter, ("acme",))
    refused("toms_context_ended", lambda: boss.execute("SELECT * FROM absence"), "between two jobs the worker sees nothing")

    def both():
        with boss.transaction():
            boss.execute(enter, ("acme",))
            boss.execute(enter, ("globex",))

    refused("toms_enter_not_allowed", both, "two tenants in one transaction are refused")
with psycopg.connect("user=app_tx") as connection:
    refused("42501", lambda: connection.execute(enter, ("acme",)), "the application's log-in cannot enter")
print("done")
