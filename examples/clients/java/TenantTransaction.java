// One context per transaction: for pools whose connections are shared by all tenants, also behind
// a pooler in transaction mode.
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import javax.sql.DataSource;

final class TenantTransaction {
    interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    static <T> T in(DataSource pool, String token, Work<T> work) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            try {
                try (PreparedStatement set = connection.prepareStatement("SELECT set_config('toms.token', ?, true)")) {
                    set.setString(1, token);
                    set.execute();
                }
                T result = work.run(connection);
                connection.commit();
                return result;
            } catch (Throwable e) {
                connection.rollback();
                throw e;
            }
        }
    }
}
