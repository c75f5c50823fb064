// One context per check-out: a connection is the tenant's from getConnection() to close(). For
// applications that run a SET on check-out and a RESET on return. The log-in needs, once:
//
//     ALTER ROLE app SET toms.session_context = on;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Statement;
import java.util.function.Supplier;
import java.util.logging.Logger;
import javax.sql.DataSource;

class TenantDataSource implements DataSource {
    private final DataSource pool;
    private final Supplier<String> token;

    TenantDataSource(DataSource pool, Supplier<String> token) {
        this.pool = pool;
        this.token = token;
    }

    @Override
    public Connection getConnection() throws SQLException {
        Connection connection = pool.getConnection();
        try {
            enter(connection, token.get());
            if (!connection.getAutoCommit())
                connection.commit(); // the application's rollback would take the token away
        } catch (Throwable e) {
            connection.close();
            throw e;
        }
        return tenantsOwn(connection);
    }

    // the two statements
    protected void enter(Connection connection, String token) throws SQLException {
        try (PreparedStatement set = connection.prepareStatement("SELECT set_config('toms.token', ?, false)")) {
            set.setString(1, token);
            set.execute();
        }
    }

    protected void leave(Connection connection) throws SQLException {
        try (Statement reset = connection.createStatement()) {
            reset.execute("RESET toms.token");
        }
    }

    private Connection tenantsOwn(Connection connection) {
        return (Connection) Proxy.newProxyInstance(TenantDataSource.class.getClassLoader(),
            new Class<?>[] { Connection.class }, (self, method, arguments) -> {
                switch (method.getName()) {
                case "close":
                    giveBack(connection);
                    return null;
                case "equals":
                    return self == arguments[0];
                default:
                    try {
                        return method.invoke(connection, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                }
            });
    }

    // A connection that cannot be reset is no use to the next one: the pool finds it closed and drops it.
    private void giveBack(Connection connection) throws SQLException {
        try (connection) {
            if (connection.isClosed())
                return;
            try {
                if (!connection.getAutoCommit())
                    connection.rollback();
                leave(connection);
                if (!connection.getAutoCommit())
                    connection.commit();
            } catch (SQLException e) {
                connection.abort(Runnable::run);
                throw e;
            }
        }
    }

    @Override
    public Connection getConnection(String user, String password) throws SQLException {
        throw new SQLFeatureNotSupportedException("the pool has one log-in");
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
        return type.isInstance(this) ? type.cast(this) : pool.unwrap(type);
    }

    @Override
    public boolean isWrapperFor(Class<?> type) throws SQLException {
        return type.isInstance(this) || pool.isWrapperFor(type);
    }

    @Override
    public PrintWriter getLogWriter() throws SQLException {
        return pool.getLogWriter();
    }

    @Override
    public void setLogWriter(PrintWriter out) throws SQLException {
        pool.setLogWriter(out);
    }

    @Override
    public int getLoginTimeout() throws SQLException {
        return pool.getLoginTimeout();
    }

    @Override
    public void setLoginTimeout(int seconds) throws SQLException {
        pool.setLoginTimeout(seconds);
    }

    @Override
    public Logger getParentLogger() throws SQLFeatureNotSupportedException {
        return pool.getParentLogger();
    }
}
