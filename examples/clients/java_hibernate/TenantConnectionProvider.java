// Hibernate 3.6 on TenantDataSource: each Hibernate transaction has its connection, and its tenant,
// from the beginning to the end. Named in hibernate.connection.provider_class.
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import org.hibernate.connection.ConnectionProvider;

public final class TenantConnectionProvider implements ConnectionProvider {
    // the token of the request that this thread answers; none: a connection without a context
    static final ThreadLocal<String> token = new ThreadLocal<>();

    private final HikariDataSource pool = new HikariDataSource();
    private final TenantDataSource tenants = new TenantDataSource(pool, token::get);

    @Override
    public void configure(Properties settings) {
        pool.setJdbcUrl(settings.getProperty("hibernate.connection.url"));
        pool.setUsername(settings.getProperty("hibernate.connection.username"));
        pool.setMaximumPoolSize(Integer.parseInt(settings.getProperty("hibernate.connection.pool_size", "10")));
    }

    @Override
    public Connection getConnection() throws SQLException {
        return tenants.getConnection();
    }

    @Override
    public void closeConnection(Connection connection) throws SQLException {
        connection.close();
    }

    @Override
    public boolean supportsAggressiveRelease() {
        return true;
    }

    @Override
    public void close() {
        pool.close();
    }
}
