// Tries the recipes beside it with HikariCP and PostgreSQL's JDBC driver, in one of the parts
//
//     before       an application that runs SET app.tenant_id on check-out, without toms
//     session      the same application on TenantDataSource
//     transaction  TenantTransaction, and what a pool and a driver do besides
//
// and prints a line "ok - …" or "not ok - …" for each check, "done" at the end. The tables are
// those of test/t/client_java.pl, which runs it and passes in the environment: JDBC_URL and tokens.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.sql.DataSource;

class Check {
    static final Map<String, String> given = System.getenv();
    static final String acme = given.get("ACME"), globex = given.get("GLOBEX");
    static final String rows = "SELECT string_agg(DISTINCT tenant_id, '+') || ' ' || count(*) FROM absence";

    public static void main(String[] parts) throws Exception {
        for (String part : parts)
            switch (part) {
            case "before" -> before();
            case "session" -> session();
            case "transaction" -> transaction();
            default -> throw new IllegalArgumentException(part);
            }
        System.out.println("done");
    }

    // the application that has always had a statement on check-out and one on return

    static class Formerly extends TenantDataSource {
        Formerly(DataSource pool, String tenant) {
            super(pool, () -> tenant);
        }

        @Override
        protected void enter(Connection connection, String tenant) throws SQLException {
            execute(connection, "SET app.tenant_id TO '" + tenant + "'");
        }

        @Override
        protected void leave(Connection connection) throws SQLException {
            execute(connection, "RESET app.tenant_id");
        }
    }

    // What it does does not tell how its connections come to their tenant.
    static String application(DataSource tenants) throws SQLException {
        String found = "";
        try (Connection c = tenants.getConnection()) {
            found += one(c, rows);
            c.setAutoCommit(false);
            long key = insert(c, "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02')");
            found += ", changed " + update(c, "UPDATE absence SET hours = 4 WHERE employee_id = 18");
            c.rollback();
            found += ", " + one(c, rows);
            key = insert(c, "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02')");
            c.commit();
            c.setAutoCommit(true);
            found += ", " + one(c, rows);
            found += ", deleted " + update(c, "DELETE FROM absence WHERE id = " + key);
        }
        return found;
    }

    static final String forAcme = "acme 3, changed 2, acme 3, acme 4, deleted 1";
    static final String forGlobex = "globex 2, changed 1, globex 2, globex 3, deleted 1";

    static void before() throws Exception {
        try (HikariDataSource pool = pool("app")) {
            is(application(new Formerly(pool, "acme")), forAcme, "before toms: the first tenant");
            is(application(new Formerly(pool, "globex")), forGlobex, "before toms: the second tenant");
        }
    }

    static void session() throws Exception {
        try (HikariDataSource pool = pool("app")) {
            DataSource ofAcme = new TenantDataSource(pool, () -> acme), ofGlobex = new TenantDataSource(pool, () -> globex);
            for (int round = 1; round <= 2; round++) {
                is(application(ofAcme), forAcme, "two statements changed: the first tenant, round " + round);
                is(application(ofGlobex), forGlobex, "... and the second tenant, round " + round);
            }
            is(pid(ofAcme), pid(ofGlobex), "... on one physical connection");
            refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "a connection that came back has no context");
            returns(pool, ofAcme);
            refusesTokens(pool, ofAcme);
            expires(pool);
        }
        withoutAutocommit();
    }

    static void returns(HikariDataSource pool, DataSource ofAcme) throws SQLException {
        String server = pid(ofAcme);
        try (Connection c = ofAcme.getConnection()) {
            c.setAutoCommit(false);
            execute(c, "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02')");
        }
        is(run(ofAcme, rows), "acme 3", "what was not committed before close() is not stored");
        try (Connection c = ofAcme.getConnection()) {
            c.setAutoCommit(false);
            fails(() -> execute(c, "SELECT 1 / 0"));
        }
        refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "a failed transaction is reset too");
        Connection twice = ofAcme.getConnection();
        twice.close();
        try (Connection other = new TenantDataSource(pool, () -> globex).getConnection()) {
            twice.close();
            is(one(other, rows), "globex 2", "a second close() does not touch the next one's context");
        }
        is(pid(ofAcme), server, "all of that used one physical connection");
        Connection lost = ofAcme.getConnection();
        fails(() -> execute(lost, "SELECT pg_terminate_backend(pg_backend_pid())"));
        lost.close();
        is(run(ofAcme, rows), "acme 3", "after a lost connection the pool brings another");
        isNot(pid(ofAcme), server, "... of another server process");
        dropped(pool, pid(ofAcme));
    }

    // A return statement that fails while the connection works.
    static void dropped(HikariDataSource pool, String server) throws SQLException {
        Connection c = new TenantDataSource(pool, () -> acme) {
            @Override
            protected void leave(Connection connection) throws SQLException {
                execute(connection, "SELECT 1 / 0");
            }
        }.getConnection();
        fails(c::close);
        refused("toms_context_missing", Refusal.BUG, () -> run(pool, rows), "a connection that could not be reset is not used again");
        isNot(run(pool, "SELECT pg_backend_pid()"), server, "... but another one");
    }

    static void refusesTokens(HikariDataSource pool, DataSource ofAcme) throws SQLException {
        DataSource forged = new TenantDataSource(pool, () -> given.get("FORGED"));
        for (int i = 1; i <= 2; i++)
            refused("toms_token_forged", Refusal.BUG, () -> forged.getConnection().close(), "a forged token gets no connection");
        is(run(ofAcme, rows), "acme 3", "... and the pool of one connection has lost none");
        try (Connection c = ofAcme.getConnection()) {
            refused("toms_token_forged", Refusal.BUG, () -> set(c, given.get("FORGED")), "a token that is refused ends the context before it");
            refused("toms_context_ended", Refusal.BUG, () -> one(c, rows), "... on the same connection");
        }
    }

    static void expires(HikariDataSource pool) throws Exception {
        String brief = given.get("BRIEF"); // ends within seconds
        try (Connection c = new TenantDataSource(pool, () -> brief).getConnection()) {
            is(one(c, rows), "acme 3", "a token about to end is taken");
            Thread.sleep(Math.max(0, 1000 * Long.parseLong(given.get("BRIEF_EXP")) + 100 - System.currentTimeMillis()));
            refused("toms_context_expired", Refusal.RENEW, () -> one(c, rows), "a connection kept for longer is refused");
            set(c, acme);
            is(one(c, rows), "acme 3", "... until it is given a new token");
        }
    }

    static void withoutAutocommit() throws SQLException {
        HikariConfig config = config("app");
        config.setAutoCommit(false);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            DataSource ofAcme = new TenantDataSource(pool, () -> acme);
            try (Connection c = ofAcme.getConnection()) {
                execute(c, "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02')");
                c.rollback();
                is(one(c, rows), "acme 3", "a pool without autocommit: the context outlives the application's rollback");
            }
            refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "... and not its close()");
            is(run(new TenantDataSource(pool, () -> globex), rows), "globex 2", "... and the next tenant has its own");
        }
    }

    // the recipe of one context per transaction

    static void transaction() throws Exception {
        try (HikariDataSource pool = pool("app_tx")) {
            is(in(pool, acme, rows), "acme 3", "a transaction has the rows of its token's tenant");
            refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "... and none is left when it has committed");
            is(in(pool, globex, rows), "globex 2", "the next transaction has those of another tenant");
            fails(() -> in(pool, globex, "SELECT 1 / 0"));
            refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "... and none is left when it has rolled back");
            is(in(pool, acme, "SELECT pg_backend_pid()"), in(pool, globex, "SELECT pg_backend_pid()"), "... on one physical connection");
            keysAndBatches(pool);
            refusals(pool);
            cursors(pool);
            metadata(pool);
            token(pool);
        }
        preparedStatements();
        rewrittenBatches();
        savepoints();
        readOnly();
        healthChecks();
        threads();
    }

    static void keysAndBatches(DataSource pool) throws SQLException {
        long key = TenantTransaction.in(pool, acme, c -> insert(c, "INSERT INTO absence (employee_id, day) VALUES (17, '2026-03-03')"));
        is(in(pool, acme, "SELECT day::text FROM absence WHERE id = " + key), "2026-03-03", "getGeneratedKeys() brings the key");
        is(in(pool, acme, "DELETE FROM absence WHERE id = " + key + " RETURNING tenant_id"), "acme", "... of a row of the tenant");
        refused("toms_verb_not_permitted", Refusal.FORBIDDEN,
            () -> TenantTransaction.in(pool, given.get("INTAKE"), c -> insert(c, "INSERT INTO absence (employee_id, day) VALUES (17, '2026-03-03')")),
            "... for which a role needs the verb select too");
        is(TenantTransaction.in(pool, given.get("INTAKE"), c -> update(c, "INSERT INTO absence (employee_id, day, hours) VALUES (17, '2026-03-03', 0)")),
            1, "... but not to insert without asking for keys");
        is(in(pool, acme, "DELETE FROM absence WHERE hours = 0 RETURNING tenant_id"), "acme", "... which gives the tenant a row as well");
        batches(pool, "a batch");
    }

    static void batches(DataSource pool, String what) throws SQLException {
        is(TenantTransaction.in(pool, acme, c -> batch(c, "acme", "acme", "acme").length), 3, what + " inserts");
        is(in(pool, acme, rows), "acme 6", "... rows of the tenant");
        is(in(pool, acme, "WITH gone AS (DELETE FROM absence WHERE hours = 0 RETURNING 1) SELECT count(*) FROM gone"), "3", "... as many as it was");
        refused("toms_row_other_tenant", Refusal.FORBIDDEN, () -> TenantTransaction.in(pool, acme, c -> batch(c, "acme", "globex")),
            what + " with a row of another tenant is refused");
        is(in(pool, acme, rows), "acme 3", "... and nothing of it is stored");
    }

    static void refusals(DataSource pool) throws SQLException {
        String server = in(pool, acme, "SELECT pg_backend_pid()");
        String[][] cases = {
            { "EXPIRED", "toms_context_expired", "RENEW", "28000" },
            { "FORGED", "toms_token_forged", "BUG", "28000" },
            { "UNKNOWN_TENANT", "toms_tenant_unknown", "FORBIDDEN", "28000" },
            { "OTHER_PURPOSE", "toms_purpose_not_permitted", "FORBIDDEN", "42501" },
            { "PHYSICIAN", "toms_mfa_required", "SECOND_FACTOR", "42501" } };
        for (String[] each : cases) {
            Refusal action = Refusal.valueOf(each[2]);
            Throwable e = refused(each[1], action, () -> in(pool, given.get(each[0]), rows), each[1] + " is known by its code: " + action);
            is(e instanceof SQLException s ? s.getSQLState() : e, each[3], "... and comes with SQLSTATE " + each[3]);
        }
        refused("toms_context_swapped", Refusal.BUG, () -> TenantTransaction.in(pool, acme, c -> {
            execute(c, "SELECT set_config('toms.token', '" + globex + "', true)");
            return one(c, rows);
        }), "no second tenant within a transaction");
        refused("toms_row_other_tenant", Refusal.FORBIDDEN,
            () -> TenantTransaction.in(pool, acme, c -> update(c, "UPDATE absence SET tenant_id = 'globex' WHERE true")), "no row is given to another tenant");
        refused("", Refusal.NONE, () -> in(pool, acme, "SELECT 1 / 0"), "an error of another kind is none of toms");
        refused("", Refusal.NONE, () -> TenantTransaction.in(pool, acme, c -> update(c, "INSERT INTO absence (employee_id, day, hours) VALUES (1, now(), -1)")),
            "... nor is a constraint of the table");
        is(in(pool, acme, "SELECT pg_backend_pid()"), server, "a refusal does not cost the pool its connection");
    }

    static void cursors(DataSource pool) throws SQLException {
        String days = TenantTransaction.in(pool, acme, c -> {
            try (Statement s = c.createStatement()) {
                s.setFetchSize(1);
                StringBuilder found = new StringBuilder();
                try (ResultSet r = s.executeQuery("SELECT tenant_id, pg_backend_pid() FROM absence")) {
                    while (r.next())
                        found.append(r.getString(1)).append(' ').append(one(c, rows)).append(' ');
                }
                return found.toString().trim();
            }
        });
        is(days, "acme acme 3 acme acme 3 acme acme 3", "a result that is fetched row by row, with queries between");
    }

    static void metadata(DataSource pool) throws SQLException {
        try (Connection c = pool.getConnection()) {
            DatabaseMetaData data = c.getMetaData();
            is(names(data.getColumns(null, "public", "absence", null), "COLUMN_NAME"), "[id, tenant_id, employee_id, day, hours]",
                "columns are described without a context");
            is(names(data.getPrimaryKeys(null, "public", "absence"), "COLUMN_NAME"), "[id]", "... and the primary key");
            is(names(data.getIndexInfo(null, "public", "absence", true, true), "INDEX_NAME"), "[absence_pkey]", "... and indexes");
            try (PreparedStatement s = c.prepareStatement("SELECT day FROM absence WHERE id = ?")) {
                s.setLong(1, 1);
                refused("toms_context_ended", Refusal.BUG, s::executeQuery, "a statement prepared without a context is refused without one");
                is(s.getParameterMetaData().getParameterTypeName(1), "int8", "... but can be described");
            }
        }
    }

    // What other sessions of the log-in see of a statement that has set the token.
    static void token(DataSource pool) throws SQLException {
        try (HikariDataSource watch = pool("app_tx")) {
            String seen = TenantTransaction.in(pool, acme, c -> {
                String server = one(c, "SELECT pg_backend_pid()");
                try (PreparedStatement set = c.prepareStatement("SELECT set_config('toms.token', ?, true)")) {
                    set.setString(1, acme);
                    set.execute();
                }
                return run(watch, "SELECT query FROM pg_stat_activity WHERE pid = " + server);
            });
            is(seen, "SELECT set_config('toms.token', $1, true)", "the token is not in the text of the statement");
        }
        try (HikariDataSource simple = pool("app_tx", "preferQueryMode", "simple"); Connection c = simple.getConnection();
            PreparedStatement set = c.prepareStatement("SELECT set_config('toms.token', ?, true)")) {
            set.setString(1, acme);
            set.execute();
            is(set.getWarnings() == null ? "" : set.getWarnings().getMessage(), "a token stands in the text of a statement",
                "... unless preferQueryMode is simple, of which toms warns");
        }
    }

    static void preparedStatements() throws SQLException {
        String sql = "SELECT string_agg(DISTINCT tenant_id, '+') || ' ' || count(*) FROM absence WHERE day > ?";
        for (String mode : new String[] { "auto", "force_generic_plan", "force_custom_plan" })
            try (HikariDataSource pool = pool("app_tx", "prepareThreshold", "1", "options", "-c plan_cache_mode=" + mode)) {
                List<String> wrong = new ArrayList<>();
                for (int round = 0; round < 20; round++) {
                    String expected = round % 2 == 0 ? "acme 3" : "globex 2";
                    String found = TenantTransaction.in(pool, round % 2 == 0 ? acme : globex, c -> {
                        try (PreparedStatement s = c.prepareStatement(sql)) {
                            s.setDate(1, java.sql.Date.valueOf("2000-01-01"));
                            return first(s.executeQuery());
                        }
                    });
                    if (!found.equals(expected))
                        wrong.add(found);
                }
                is(wrong, List.of(), "one prepared statement gives each of two tenants its rows (" + mode + ")");
                is(run(pool, "SELECT count(*) || ' ' || sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%WHERE day > $1'"),
                    "1 20", "... the same one on the server, 20 times");
            }
    }

    static void rewrittenBatches() throws SQLException {
        try (HikariDataSource pool = pool("app_tx", "reWriteBatchedInserts", "true")) {
            batches(pool, "a batch that the driver rewrites");
        }
    }

    static void savepoints() throws SQLException {
        try (HikariDataSource pool = pool("app_tx", "autosave", "always")) {
            String found = TenantTransaction.in(pool, acme, c -> {
                fails(() -> execute(c, "UPDATE absence SET tenant_id = 'globex' WHERE true"));
                return one(c, rows);
            });
            is(found, "acme 3", "with autosave the context outlives a refused statement");
            refused("toms_context_ended", Refusal.BUG, () -> run(pool, rows), "... and not its transaction");
        }
    }

    static void readOnly() throws SQLException {
        HikariConfig config = config("app_tx");
        config.setReadOnly(true);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            is(in(pool, acme, rows), "acme 3", "a read-only connection takes a token");
        }
    }

    static void healthChecks() throws SQLException {
        HikariConfig config = config("app_tx");
        config.setConnectionTestQuery("SELECT 1");
        config.setConnectionInitSql("SET TIME ZONE 'UTC'");
        try (HikariDataSource pool = new HikariDataSource(config); Connection c = pool.getConnection()) {
            is(c.isValid(2), true, "isValid(), connectionTestQuery and connectionInitSql need no tenant");
        }
        refused("toms_context_missing", Refusal.BUG, () -> asks("app_tx").close(), "a connectionTestQuery that reads a protected table is refused");
        try (HikariDataSource pool = asks("app_probe")) {
            is(run(pool, "SELECT count(*) FROM absence"), "0", "... but for a log-in whose toms.on_missing_context is empty: no rows");
            refused("toms_context_missing", Refusal.BUG, () -> run(pool, "DELETE FROM absence"), "... which may write nothing without a context either");
            is(in(pool, acme, rows), "acme 3", "... and has its rows with one");
        }
    }

    static HikariDataSource asks(String user) {
        HikariConfig config = config(user);
        config.setConnectionTestQuery("SELECT count(*) FROM absence");
        return new HikariDataSource(config);
    }

    static void threads() throws Exception {
        HikariConfig config = config("app_tx");
        config.setMaximumPoolSize(2);
        ExecutorService workers = Executors.newFixedThreadPool(4);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            List<Callable<String>> requests = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                boolean even = i % 2 == 0;
                requests.add(() -> in(pool, even ? acme : globex, rows).equals(even ? "acme 3" : "globex 2") ? "right" : "wrong");
            }
            int right = 0;
            for (var answer : workers.invokeAll(requests))
                right += answer.get().equals("right") ? 1 : 0;
            is(right, 200, "200 requests of two tenants in four threads on two connections");
        } finally {
            workers.shutdown();
        }
    }

    // connections

    static HikariConfig config(String user, String... properties) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(given.get("JDBC_URL"));
        config.setUsername(user);
        config.setMaximumPoolSize(1);
        config.setConnectionTimeout(5000);
        for (int i = 0; i < properties.length; i += 2)
            config.addDataSourceProperty(properties[i], properties[i + 1]);
        return config;
    }

    static HikariDataSource pool(String user, String... properties) {
        return new HikariDataSource(config(user, properties));
    }

    static String in(DataSource pool, String token, String sql) throws SQLException {
        return TenantTransaction.in(pool, token, c -> one(c, sql));
    }

    static String run(DataSource source, String sql) throws SQLException {
        try (Connection c = source.getConnection()) {
            return one(c, sql);
        }
    }

    static String pid(DataSource source) throws SQLException {
        return run(source, "SELECT pg_backend_pid()");
    }

    // statements

    static void execute(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
        }
    }

    // a token for the session
    static void set(Connection c, String token) throws SQLException {
        try (PreparedStatement set = c.prepareStatement("SELECT set_config('toms.token', ?, false)")) {
            set.setString(1, token);
            set.execute();
        }
    }

    static int update(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            return s.executeUpdate(sql);
        }
    }

    static String one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            return s.execute(sql) ? first(s.getResultSet()) : s.getUpdateCount() + " rows";
        }
    }

    static String first(ResultSet result) throws SQLException {
        return result.next() ? result.getString(1) : "nothing";
    }

    static long insert(Connection c, String sql) throws SQLException {
        try (PreparedStatement s = c.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            s.executeUpdate();
            ResultSet keys = s.getGeneratedKeys();
            return keys.next() ? keys.getLong("id") : 0;
        }
    }

    static int[] batch(Connection c, String... tenants) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO absence (tenant_id, employee_id, day, hours) VALUES (?, ?, '2026-04-04', 0)")) {
            for (String tenant : tenants) {
                s.setString(1, tenant);
                s.setInt(2, 17);
                s.addBatch();
            }
            return s.executeBatch();
        }
    }

    static String names(ResultSet result, String column) throws SQLException {
        List<String> names = new ArrayList<>();
        while (result.next())
            names.add(result.getString(column));
        return names.toString();
    }

    // results

    interface Attempt {
        void run() throws Exception;
    }

    static boolean report(boolean ok, String what) {
        System.out.println((ok ? "ok - " : "not ok - ") + what);
        return ok;
    }

    static void is(Object found, Object expected, String what) {
        if (!report(expected.equals(found), what))
            System.out.println("# found " + found + ", expected " + expected);
    }

    static void isNot(Object found, Object other, String what) {
        report(!other.equals(found), what);
    }

    static Exception error(Attempt attempt) {
        try {
            attempt.run();
            return null;
        } catch (Exception e) {
            return e;
        }
    }

    static void fails(Attempt attempt) {
        if (error(attempt) == null)
            report(false, "a statement that should fail");
    }

    static Exception refused(String code, Refusal action, Attempt attempt, String what) {
        Exception e = error(attempt);
        boolean ok = report(e != null && Refusal.code(e).equals(code) && Refusal.of(e) == action, what);
        if (!ok)
            System.out.println("# found " + (e == null ? "no error" : Refusal.of(e) + " " + e));
        return e;
    }
}
