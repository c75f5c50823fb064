/*
 * bench.c - measures the shapes of shapes.c and prints how fast each variant is.
 *
 *     bench [-q] WITH LOADED WITHOUT KEY [NAME...]
 *
 * WITH, LOADED and WITHOUT are connection strings of a server with protected tables and of two
 * with equal data and no use of toms, of which one has loaded it.  KEY is the private key that
 * tokens are minted with, and a NAME chooses the shapes that begin so.
 * -q: quick, to see that everything runs; its figures mean nothing.
 *
 * All variants of a shape stay connected and take turns in small batches; each round starts
 * one variant further.  The ratio is the median over the rounds of the baseline's time by
 * the variant's time of the same round, so that what slows the machine down for a while
 * slows both.  The same of processor time is printed beside it; where only one of the two is
 * short the verdict is "unclear".  Unless a shape is about transactions, each batch is one, and
 * BEGIN and the context are sent before the clock starts, for all variants alike.
 *
 * Client and sessions share one processor, since otherwise waking the other one takes longer,
 * and varies more, than the query.  All variants must return the same rows.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 10000
#define MAX_VALUES 500
#define MAX_TOKENS 50
#define WARM_UPS 8				/* PostgreSQL tries custom plans five times */
#define CONNECTIONS 10			/* of each variant, one after the other */

/* A variant at work on a shape. */
typedef struct Session
{
	const Measure *measure;
	PGconn	   *conn;
	char	   *sql;
	char	   *contexts[MAX_TOKENS];	/* values of the variant's setting */
	int			ncontexts;
	char	   *messages[MAX_VALUES];	/* of the simple protocol */
	int			next;			/* operation */
	double		times[MAX_ROUNDS];	/* microseconds per operation */
	double		cpu[MAX_ROUNDS];	/* processor time of client and server */
} Session;

typedef struct Run
{
	const Shape *shape;
	Session		sessions[MAX_MEASURES];
	int			nsessions;
	char	   *values[MAX_VALUES];
	int			nvalues;
	int			rounds;
} Run;

static bool quick = false;
static const char *servers[SERVER_COUNT];
static const char *private_key;
static int	processor;
static int	bars = 0;
static int	kept = 0;

/* the server ---------------------------------------------------------------------------- */

static PGresult *
expect(PGconn *conn, PGresult *result, const char *sql)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die("%s: %s%s", PQuser(conn), PQerrorMessage(conn), sql);
	return result;
}

static void
command(PGconn *conn, const char *sql)
{
	PQclear(expect(conn, PQexec(conn, sql), sql));
}

static void
pin(pid_t pid)
{
	cpu_set_t	set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(pid, sizeof(set), &set) != 0)
		die("process %d cannot be bound to processor %d: %s", (int) pid, processor, strerror(errno));
}

/* A token in a statement's text brings a warning each time. */
static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

static PGconn *
connect_as(const Variant *variant, const char *options)
{
	char	   *info = format("%s user=%s options='-c search_path=%s %s'",
							  servers[variant->server],
							  variant->login, variant->schema, options ? options : "");
	PGconn	   *conn = PQconnectdb(info);

	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));
	free(info);
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	pin(PQbackendPID(conn));
	return conn;
}

static void
begin(Session *session, const char *context)
{
	command(session->conn, "BEGIN");
	if (context)
		PQclear(expect(session->conn, PQexecPrepared(session->conn, "context", 1, &context, NULL, NULL, 0), "context"));
}

static void
prepare(Session *session)
{
	const char *setting = session->measure->variant->setting;
	char	   *sql;

	if (setting)
	{
		sql = format("SELECT set_config('%s', $1, true)", setting);
		PQclear(expect(session->conn, PQprepare(session->conn, "context", sql, 0, NULL), sql));
		free(sql);
	}
	PQclear(expect(session->conn, PQprepare(session->conn, "shape", session->sql, 0, NULL), session->sql));
}

/* operations ---------------------------------------------------------------------------- */

static PGresult *
execute_prepared(const Run *run, Session *session, int number)
{
	const char *value = run->nvalues > 0 ? run->values[number % run->nvalues] : NULL;

	return PQexecPrepared(session->conn, "shape", run->nvalues > 0, &value, NULL, NULL, 0);
}

/* The answer to the next operation that the shape measures. */
static PGresult *
operate(const Run *run, Session *session)
{
	int			number = session->next++;
	PGresult   *result;

	if (run->shape->simple)
	{
		const char *message = session->messages[run->nvalues > 0 ? number % run->nvalues : 0];

		result = PQexec(session->conn, message);
		return expect(session->conn, result, message);
	}
	if (run->shape->transactions)
		begin(session, session->ncontexts > 0 ? session->contexts[number % session->ncontexts] : NULL);
	result = expect(session->conn, execute_prepared(run, session, number), session->sql);
	if (run->shape->transactions)
		command(session->conn, "COMMIT");
	return result;
}

static double
microseconds(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1e6 + (to->tv_nsec - from->tv_nsec) / 1e3;
}

/*
 * Processor time of client and server so far, in microseconds.  Since they share a processor,
 * it is what the clock would show if nobody else were there.
 */
static double
processor_time(const Session *session)
{
	char	   *path = format("/proc/%d/schedstat", PQbackendPID(session->conn));
	unsigned long long server;
	struct timespec client;
	FILE	   *file = fopen(path, "r");

	if (file == NULL || fscanf(file, "%llu", &server) != 1)
		die("%s cannot be read", path);
	fclose(file);
	free(path);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &client);
	return server / 1e3 + client.tv_sec * 1e6 + client.tv_nsec / 1e3;
}

static void
run_batch(const Run *run, Session *session, int round)
{
	struct timespec from;
	struct timespec to;
	double		cpu;

	if (!run->shape->transactions)
		begin(session, session->ncontexts > 0 ? session->contexts[0] : NULL);
	cpu = processor_time(session);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < run->shape->operations; i++)
		PQclear(operate(run, session));
	clock_gettime(CLOCK_MONOTONIC, &to);
	session->cpu[round] = (processor_time(session) - cpu) / run->shape->operations;
	session->times[round] = microseconds(&from, &to) / run->shape->operations;
	if (!run->shape->transactions)
		command(session->conn, "COMMIT");
}

/* setting up ---------------------------------------------------------------------------- */

static void
fetch_values(Run *run)
{
	PGconn	   *conn;
	PGresult   *result;

	if (run->shape->values == NULL)
		return;
	conn = connect_as(run->shape->measures[0].variant, NULL);
	result = expect(conn, PQexec(conn, run->shape->values), run->shape->values);
	run->nvalues = PQntuples(result) < MAX_VALUES ? PQntuples(result) : MAX_VALUES;
	for (int i = 0; i < run->nvalues; i++)
		run->values[i] = strdup(PQgetvalue(result, i, 0));
	PQclear(result);
	PQfinish(conn);
	if (run->nvalues == 0)
		die("%s: there is no row", run->shape->values);
}

static void
make_contexts(const Run *run, Session *session)
{
	const char *setting = session->measure->variant->setting;
	bool		is_token = setting && strcmp(setting, "toms.token") == 0;

	if (setting == NULL)
		return;
	session->ncontexts = is_token && run->shape->tokens > 1 ? run->shape->tokens : 1;
	for (int i = 0; i < session->ncontexts; i++)
		session->contexts[i] = is_token ? mint(private_key, run->shape->person, i) : strdup(run->shape->person->tenant);
}

/* Messages of the simple protocol are made before the clock starts. */
static void
write_messages(const Run *run, Session *session)
{
	for (int i = 0; i < (run->nvalues > 0 ? run->nvalues : 1); i++)
		session->messages[i] = message_of(run->shape, session->measure->variant, session->sql,
										  session->ncontexts > 0 ? session->contexts[i % session->ncontexts] : NULL,
										  run->nvalues > 0 ? run->values[i] : NULL);
}

/* Somebody of another tenant leaves his plan in the session. */
static void
plan_by_other(const Run *run, Session *session)
{
	Session		other = *session;
	Shape		shape = *run->shape;
	Run			his = {.shape = &shape};

	shape.person = run->shape->other;
	make_contexts(&his, &other);
	for (int i = 0; i < WARM_UPS; i++)
	{
		begin(&other, other.contexts[0]);
		PQclear(expect(other.conn, execute_prepared(&his, &other, 0), other.sql));
		command(other.conn, "COMMIT");
	}
	free(other.contexts[0]);
}

static void
start_session(Run *run, const Measure *measure)
{
	Session    *session = &run->sessions[run->nsessions++];

	session->measure = measure;
	session->sql = statement_of(run->shape, measure->variant);
	make_contexts(run, session);
	write_messages(run, session);
}

static void
connect_session(const Run *run, Session *session)
{
	session->conn = connect_as(session->measure->variant, run->shape->options);
	session->next = 0;
	prepare(session);
	if (session->measure->planned_by_other)
		plan_by_other(run, session);
}

static void
end_session(const Run *run, Session *session)
{
	free(session->sql);
	for (int i = 0; i < session->ncontexts; i++)
		free(session->contexts[i]);
	for (int i = 0; i < (run->nvalues > 0 ? run->nvalues : 1); i++)
		free(session->messages[i]);
}

/* what came back ------------------------------------------------------------------------ */

/* A number that does not depend on the order of the rows. */
static uint64_t
digest(const PGresult *result)
{
	uint64_t	sum = PQntuples(result);

	for (int row = 0; row < PQntuples(result); row++)
	{
		uint64_t	hash = 14695981039346656037u;

		for (int column = 0; column < PQnfields(result); column++)
		{
			for (const char *c = PQgetvalue(result, row, column); *c; c++)
				hash = (hash ^ (unsigned char) *c) * 1099511628211u;
			hash = hash * 31 + PQgetisnull(result, row, column);
		}
		sum += hash;
	}
	return sum;
}

/* The last message of a transaction is COMMIT: it shows no rows, but must not fail. */
static uint64_t
warm_up(const Run *run, Session *session)
{
	bool		in_batch = !run->shape->transactions;
	int			operations = run->nvalues == 0 ? 2 : run->nvalues > WARM_UPS ? run->nvalues : WARM_UPS;
	uint64_t	sum = 0;

	if (in_batch)
		begin(session, session->ncontexts > 0 ? session->contexts[0] : NULL);
	for (int i = 0; i < operations; i++)
	{
		PGresult   *result = operate(run, session);

		sum += digest(result);
		PQclear(result);
	}
	if (in_batch)
		command(session->conn, "COMMIT");
	return sum;
}

/* printing ------------------------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* The value below which the fraction of the values lies. */
static double
quantile(const double *values, int count, double fraction)
{
	double		sorted[MAX_ROUNDS];

	memcpy(sorted, values, count * sizeof(double));
	qsort(sorted, count, sizeof(double), compare);
	return sorted[(int) (fraction * (count - 1) + 0.5)];
}

/* Where clock and processor time disagree, others were at work. */
static const char *
verdict(double bar, double ratio, double cpu)
{
	if (bar == 0 || quick)
		return "";
	bars++;
	if (ratio >= bar && cpu >= bar)
	{
		kept++;
		return "ok";
	}
	return ratio < bar && cpu < bar ? "short" : "unclear";
}

static void
print_header(void)
{
	printf("%-42s %-38s %9s %9s %6s %11s %6s %6s\n",
		   "shape", "variant", "us/op", "cpu us", "ratio", "p10-p90", "cpu", "bar");
}

static void
print_session(const Run *run, const Session *session)
{
	const Session *baseline = &run->sessions[0];
	const Measure *measure = session->measure;
	double		ratios[MAX_ROUNDS];
	double		cpu_ratios[MAX_ROUNDS];
	double		ratio;
	double		cpu;
	char	   *name = format("%s%s", measure->variant->name, measure->planned_by_other ? ", other's plan" : "");
	char	   *bar = measure->bar > 0 ? format("%.3f", measure->bar) : strdup("");

	for (int i = 0; i < run->rounds; i++)
	{
		ratios[i] = baseline->times[i] / session->times[i];
		cpu_ratios[i] = baseline->cpu[i] / session->cpu[i];
	}
	ratio = quantile(ratios, run->rounds, 0.5);
	cpu = quantile(cpu_ratios, run->rounds, 0.5);
	printf("%-42s %-38s %9.1f %9.1f %6.3f %5.2f-%5.2f %6.3f %6s %s\n", run->shape->name, name,
		   quantile(session->times, run->rounds, 0.5), quantile(session->cpu, run->rounds, 0.5),
		   ratio, quantile(ratios, run->rounds, 0.1), quantile(ratios, run->rounds, 0.9),
		   cpu, bar, verdict(measure->bar, ratio, cpu));
	free(name);
	free(bar);
}

/* the whole ----------------------------------------------------------------------------- */

/* All variants of the shape, each with a new connection, and the same rows for all. */
static void
connect_all(Run *run)
{
	uint64_t	expected = 0;

	for (int i = 0; i < run->nsessions; i++)
		connect_session(run, &run->sessions[i]);
	for (int i = 0; i < run->nsessions; i++)
	{
		uint64_t	sum = warm_up(run, &run->sessions[i]);

		if (i == 0)
			expected = sum;
		else if (sum != expected)
			die("%s: other rows than the baseline's: %s", run->shape->name, run->sessions[i].measure->variant->name);
	}
}

static void
disconnect_all(Run *run)
{
	for (int i = 0; i < run->nsessions; i++)
		PQfinish(run->sessions[i].conn);
}

static void
run_rounds(Run *run, int least, double seconds)
{
	int			last = run->rounds + least;
	struct timespec from;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	now = from;
	while (run->rounds < MAX_ROUNDS &&
		   (run->rounds < last || microseconds(&from, &now) < seconds * 1e6))
	{
		for (int i = 0; i < run->nsessions; i++)
			run_batch(run, &run->sessions[(run->rounds + i) % run->nsessions], run->rounds);
		run->rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
}

/*
 * Where a process happens to lie in memory is worth a percent: a shape of short operations
 * is measured in several processes.
 */
static void
measure(Run *run)
{
	int			connections = run->shape->operations > 1 && !quick ? CONNECTIONS : 1;
	int			least = quick ? 3 : 15;
	double		seconds = quick ? 0.3 : 10 * (run->shape->patience > 0 ? run->shape->patience : 1);

	for (int i = 0; i < connections; i++)
	{
		connect_all(run);
		run_rounds(run, (least + connections - 1) / connections, seconds / connections);
		disconnect_all(run);
	}
}

static void
run_shape(const Shape *shape)
{
	Run		   *run = calloc(1, sizeof(Run));

	run->shape = shape;
	fetch_values(run);
	for (int i = 0; i < MAX_MEASURES && shape->measures[i].variant; i++)
		start_session(run, &shape->measures[i]);
	measure(run);
	for (int i = 0; i < run->nsessions; i++)
		print_session(run, &run->sessions[i]);
	printf("\n");
	fflush(stdout);
	for (int i = 0; i < run->nsessions; i++)
		end_session(run, &run->sessions[i]);
	for (int i = 0; i < run->nvalues; i++)
		free(run->values[i]);
	free(run);
}

static bool
is_chosen(const Shape *shape, int nnames, char **names)
{
	for (int i = 0; i < nnames; i++)
	{
		if (strncmp(shape->name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return nnames == 0;
}

/* The last processor that we may use; work of others tends to gather on the first. */
static int
last_processor(void)
{
	cpu_set_t	set;
	int			last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		die("processors are not known: %s", strerror(errno));
	for (int i = 0; i < CPU_SETSIZE; i++)
	{
		if (CPU_ISSET(i, &set))
			last = i;
	}
	return last;
}

int
main(int argc, char **argv)
{
	int			first = 1;

	if (argc > 1 && strcmp(argv[1], "-q") == 0)
	{
		quick = true;
		first = 2;
	}
	if (argc < first + SERVER_COUNT + 1)
		die("usage: bench [-q] WITH LOADED WITHOUT KEY [NAME...]");
	for (int i = 0; i < SERVER_COUNT; i++)
		servers[i] = argv[first++];
	private_key = argv[first++];
	processor = last_processor();
	pin(0);

	print_header();
	for (int i = 0; i < shape_count; i++)
	{
		if (is_chosen(&shapes[i], argc - first, argv + first))
			run_shape(&shapes[i]);
	}
	if (quick)
		printf("Everything runs. With so few data and rounds the figures mean nothing.\n");
	else
		printf("%d of %d bars are kept%s.\n", kept, bars, kept < bars ? "; see the lines marked short or unclear" : "");
	return 0;
}
