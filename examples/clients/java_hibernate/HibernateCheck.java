// Tries TenantConnectionProvider with Hibernate 3.6. Prints and is given what Check is; run by
// test/t/client_java.pl, with the classes of the folder java beside it.
import java.util.Date;
import java.util.List;
import java.util.function.Function;
import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.Table;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;
import org.hibernate.Query;
import org.hibernate.ScrollableResults;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.StaleStateException;
import org.hibernate.Transaction;
import org.hibernate.annotations.Cache;
import org.hibernate.annotations.CacheConcurrencyStrategy;
import org.hibernate.cfg.Configuration;

class HibernateCheck {
    @Entity(name = "Absence")
    @Table(name = "absence")
    @Cache(usage = CacheConcurrencyStrategy.READ_WRITE)
    static class Absence {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Long id;
        @Column(name = "tenant_id", insertable = false, updatable = false) String tenant; // toms.current_tenant() by default
        @Column(name = "employee_id") int employee;
        @Temporal(TemporalType.DATE) Date day;
        int hours;

        Absence() {
        }

        Absence(int employee) {
            this.employee = employee;
            this.day = new Date();
            this.hours = 8;
        }
    }

    static final String rows = "select a.tenant, count(*) from Absence a group by a.tenant";

    public static void main(String[] none) {
        try (Factory plain = new Factory("hibernate.hbm2ddl.auto", "validate"); Factory cached = new Factory(
            "hibernate.cache.use_second_level_cache", "true", "hibernate.cache.provider_class", "org.hibernate.cache.HashtableCacheProvider")) {
            Check.report(true, "the session factory starts, and validates the tables, without a tenant");
            sessions(plain);
            writes(plain);
            refusals(plain);
            cache(plain, cached);
        }
        System.out.println("done");
    }

    static void sessions(Factory factory) {
        String server = null;
        for (int round = 1; round <= 2; round++) {
            Check.is(factory.in(Check.acme, HibernateCheck::found), "acme 3", "a session has the rows of its tenant, round " + round);
            server = factory.in(Check.acme, s -> s.createSQLQuery("SELECT pg_backend_pid()").uniqueResult().toString());
            Check.is(factory.in(Check.globex, HibernateCheck::found), "globex 2", "... and the next those of another tenant");
            Check.is(factory.in(Check.globex, s -> s.createSQLQuery("SELECT pg_backend_pid()").uniqueResult().toString()), server,
                "... on the same physical connection");
        }
        Check.refused("toms_context_ended", Refusal.BUG, () -> factory.in(null, HibernateCheck::found), "without a token there is no context");
        long ofGlobex = factory.in(Check.globex, s -> (Long) s.createQuery("select min(a.id) from Absence a").uniqueResult());
        Check.is(factory.in(Check.acme, s -> s.get(Absence.class, ofGlobex) == null), true, "get() does not find a row of another tenant");
        Check.is(factory.in(Check.acme, s -> {
            ScrollableResults each = s.createQuery("from Absence a order by a.id").setFetchSize(1).scroll();
            String tenants = "";
            while (each.next())
                tenants += ((Absence) each.get(0)).tenant + " ";
            return tenants;
        }), "acme acme acme ", "scroll() stays with its tenant");
    }

    static void writes(Factory factory) {
        Long key = factory.in(Check.acme, s -> (Long) s.save(new Absence(17)));
        Check.is(factory.in(Check.acme, s -> ((Absence) s.get(Absence.class, key)).tenant), "acme", "save() brings the key of a row of the tenant");
        Check.is(factory.in(Check.acme, s -> s.createQuery("update Absence set hours = 4 where 1 = 1").executeUpdate()), 4, "an update of everything changes the rows of the tenant");
        Check.is(factory.in(Check.globex, s -> s.createQuery("select max(a.hours) from Absence a").uniqueResult()), 8, "... and no others");
        Check.is(Check.error(() -> factory.in(Check.globex, s -> {
            Absence strange = new Absence(4);
            strange.id = key;
            s.update(strange);
            return null;
        })) instanceof StaleStateException, true, "an object of another tenant counts as deleted when it is flushed");
        Check.is(factory.in(Check.acme, s -> s.createQuery("delete from Absence where id = " + key).executeUpdate()), 1, "a row of the tenant is deleted");
    }

    static void refusals(Factory factory) {
        Check.refused("toms_row_other_tenant", Refusal.FORBIDDEN,
            () -> factory.in(Check.acme, s -> s.createSQLQuery("UPDATE absence SET tenant_id = 'globex' WHERE true").executeUpdate()),
            "the code of a refusal is behind Hibernate's exception");
        Check.refused("toms_verb_not_permitted", Refusal.FORBIDDEN, () -> factory.in(Check.given.get("INTAKE"), s -> s.save(new Absence(17))),
            "... also that of a flush");
        Check.is(factory.in(Check.acme, HibernateCheck::found), "acme 3", "... after which the connection is good");
    }

    static void cache(Factory plain, Factory cached) {
        Long ofAcme = plain.in(Check.acme, s -> (Long) s.createQuery("select min(a.id) from Absence a").uniqueResult());
        for (Factory each : List.of(plain, cached))
            each.in(Check.acme, s -> s.get(Absence.class, ofAcme));
        Check.is(plain.in(Check.globex, s -> s.get(Absence.class, ofAcme) != null), false, "what one tenant has read is not in the session of another");
        Check.is(cached.in(Check.globex, s -> s.get(Absence.class, ofAcme) != null), true, "... but Hibernate's second-level cache would give it: leave it off");
    }

    static String found(Session session) {
        Query query = session.createQuery(rows);
        List<?> result = query.list();
        return result.size() == 1 ? ((Object[]) result.get(0))[0] + " " + ((Object[]) result.get(0))[1] : result.size() + " tenants";
    }

    static final class Factory implements AutoCloseable {
        private final SessionFactory sessions;

        Factory(String... settings) {
            Configuration configuration = new Configuration().addAnnotatedClass(Absence.class)
                .setProperty("hibernate.dialect", "org.hibernate.dialect.PostgreSQLDialect")
                .setProperty("hibernate.connection.provider_class", "TenantConnectionProvider")
                .setProperty("hibernate.connection.url", Check.given.get("JDBC_URL"))
                .setProperty("hibernate.connection.username", "app")
                .setProperty("hibernate.connection.pool_size", "1")
                .setProperty("hibernate.cache.use_second_level_cache", "false");
            for (int i = 0; i < settings.length; i += 2)
                configuration.setProperty(settings[i], settings[i + 1]);
            sessions = configuration.buildSessionFactory();
        }

        <T> T in(String token, Function<Session, T> work) {
            TenantConnectionProvider.token.set(token);
            Session session = sessions.openSession();
            try {
                Transaction transaction = session.beginTransaction();
                try {
                    T result = work.apply(session);
                    transaction.commit();
                    return result;
                } catch (RuntimeException e) {
                    transaction.rollback();
                    throw e;
                }
            } finally {
                session.close();
                TenantConnectionProvider.token.remove();
            }
        }

        @Override
        public void close() {
            sessions.close();
        }
    }
}
