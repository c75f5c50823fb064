"""Tests of an application: each in a transaction that is rolled back, for two tenants at once. The
test server has toms.environment = 'test', where toms.enter() may change the tenant; no token is needed.

    SELECT toms.allow_enter(login => 'app_test', tenants => '{acme,globex}', roles => '{hr}');
"""
import os
import unittest

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from check import ROWS, reason

DRIVER = os.environ["DRIVER"]
engine = create_engine(f"postgresql+{DRIVER}://app_test@/postgres")
cleaner = create_engine(f"postgresql+{DRIVER}://app_clean@/postgres", connect_args={"options": "-c toms.reason=tests"})


class InTransaction(unittest.TestCase):
    def setUp(self):
        self.connection = engine.connect()
        self.transaction = self.connection.begin()
        self.session = Session(bind=self.connection)
        for tenant, employees in ("acme", (17, 18)), ("globex", (4,)):  # the fixtures
            self.enter(tenant)
            for employee in employees:
                self.run_sql("INSERT INTO absence (employee_id, day) VALUES (:employee, '2026-01-07')", employee=employee)

    def tearDown(self):
        self.session.close()
        self.transaction.rollback()
        self.connection.close()

    def enter(self, tenant, subject="0"):
        self.run_sql("SELECT toms.enter(tenant => :tenant, subject => :subject, role => 'hr', purpose => 'absence_management')",
                     tenant=tenant, subject=subject)

    def run_sql(self, statement, **values):
        return self.session.execute(text(statement), values)

    def seen(self):
        return self.run_sql(ROWS).scalar()

    def assert_refused(self, code, statement, **values):
        with self.assertRaises(Exception) as caught, self.session.begin_nested():
            self.run_sql(statement, **values)
        self.assertEqual(reason(caught.exception), code)


class Tenants(InTransaction):
    def test_each_tenant_sees_its_fixtures(self):
        self.enter("acme")
        self.assertEqual(self.seen(), "acme 2")
        self.enter("globex")
        self.assertEqual(self.seen(), "globex 1")

    def test_a_commit_of_the_application_is_undone_too(self):
        self.enter("acme")
        self.run_sql("DELETE FROM absence WHERE employee_id = 17")
        self.session.commit()
        self.assertEqual(self.seen(), "acme 1")

    def test_a_row_for_the_other_tenant_is_refused(self):
        self.enter("acme")
        self.assert_refused("toms_row_other_tenant", "UPDATE absence SET tenant_id = 'globex' WHERE true")
        self.assertEqual(self.seen(), "acme 2")

    def test_without_a_context_nothing_is_seen(self):
        self.run_sql("SELECT toms.leave()")
        self.assert_refused("toms_context_ended", "SELECT * FROM absence")

    def test_a_savepoint_brings_the_tenant_back(self):
        self.enter("acme")
        with self.session.begin_nested() as savepoint:
            self.enter("globex")
            self.assertEqual(self.seen(), "globex 1")
            savepoint.rollback()
        self.assertEqual(self.seen(), "acme 2")

    def test_a_token_does_not_change_the_tenant(self):
        self.enter("acme")
        self.assert_refused("toms_context_swapped", "SELECT set_config('toms.token', :token, true)", token=os.environ["GLOBEX"])

    def test_delete_without_where_is_refused_and_of_all_is_the_tenants(self):
        self.enter("acme")
        self.assert_refused("toms_unqualified_write", "DELETE FROM absence")
        self.assertEqual(self.run_sql("DELETE FROM absence WHERE true").rowcount, 2)
        self.enter("globex")
        self.assertEqual(self.seen(), "globex 1")

    def test_truncate_is_not_for_the_application(self):
        self.assert_refused("toms_truncate", "TRUNCATE absence")


class Cleaner(unittest.TestCase):
    """A cleaner between tests empties all tenants: a log-in with BYPASSRLS and a reason."""

    def test_truncate_and_delete(self):
        for statement in "TRUNCATE absence", "DELETE FROM absence":
            with self.subTest(statement), cleaner.connect() as connection:
                transaction = connection.begin()
                connection.execute(text(statement))
                self.assertEqual(connection.execute(text("SELECT count(*) FROM absence")).scalar(), 0)
                transaction.rollback()

    def test_nothing_is_left_of_the_tests_above(self):
        with cleaner.connect() as connection:
            self.assertEqual(connection.execute(text("SELECT count(*) FROM absence")).scalar(), 0)

    def test_without_a_reason_it_is_refused(self):
        with cleaner.connect() as connection:
            connection.execute(text("SET toms.reason = ''"))
            with self.assertRaises(Exception) as caught:
                connection.execute(text("DELETE FROM absence"))
        self.assertEqual(reason(caught.exception), "toms_reason_missing")


if __name__ == "__main__":
    unittest.main()
