"""A worker that listens for jobs of several tenants and does each in a transaction of its tenant.
Its log-in may enter them, and nothing else: no token, no session context.

    SELECT toms.allow_enter(login => 'worker', tenants => '{acme,globex}', roles => '{hr}');
"""
import sys

import psycopg


def do(connection, job):
    with connection.transaction():
        # the tenant is the row's, not the message's: whoever may connect may NOTIFY
        found = connection.execute("DELETE FROM job WHERE id = %s RETURNING tenant_id, employee_id, day", (job,)).fetchone()
        if found is None:
            return
        tenant, employee, day = found
        connection.execute("SELECT toms.enter(tenant => %s, subject => %s, role => 'hr', purpose => 'absence_management')",
                           (tenant, str(employee)))
        connection.execute("UPDATE absence SET hours = 4 WHERE employee_id = %s AND day = %s", (employee, day))


def main():
    with psycopg.connect(autocommit=True) as listener, psycopg.connect(autocommit=True) as connection:
        listener.execute("LISTEN job")
        for message in listener.notifies():
            if message.payload == "stop":
                return
            try:
                do(connection, message.payload)
            except psycopg.Error as error:
                print(message.payload, error.diag.constraint_name or error.diag.sqlstate, file=sys.stderr)  # the job is still there


if __name__ == "__main__":
    main()
