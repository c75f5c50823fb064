/*
 * turns.c - lets variants of the same work take turns, and prints how fast each is beside the first.
 *
 *     turns [-b OPERATIONS] [-r] TITLE NAME=FILE...
 *
 * Called by growth/run.sh and gdpr/run.sh.  A file holds lines of fields that are separated by tabs:
 *
 *     connect  CONNECTION STRING            once, first
 *     setup    SQL                          before the clock starts
 *     prepare  NAME  SQL                    the same, with $1, $2, ...
 *     also     PROCESS                      whose processor time counts too: of a log's or a trail's writer
 *     do       NAME  VALUE...  [; NAME VALUE...]
 *
 * Each "do" is an operation: one message to the server and one answer, whose statements are one transaction.  All files
 * have as many.  Variants stay connected; they take turns in batches of OPERATIONS, each round one variant further, and
 * the ratio is the median over the rounds of the first variant's time by the variant's time of the same round: what slows
 * the machine down for a while slows both.  The same of processor time, of the server alone, stands beside it.
 * -r: all must return the same number of rows.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_VARIANTS 8
#define MAX_FIELDS 32
#define MAX_PROCESSES 16

typedef struct Variant
{
	const char *name;
	PGconn	   *conn;
	char	  **operations;
	int			noperations;
	int			processes[MAX_PROCESSES];
	int			nprocesses;
	long		rows;
	double	   *times;			/* of each round, microseconds per operation */
	double	   *cpu;
} Variant;

static Variant variants[MAX_VARIANTS];
static int	nvariants = 0;
static int	batch = 50;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("turns: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	exit(1);
}

/* Ends each field in the line and notes where it begins. */
static int
split(char *line, char **fields)
{
	int			count = 0;
	char	   *field;

	while ((field = strsep(&line, "\t")) != NULL)
	{
		if (count == MAX_FIELDS)
			die("more than %d fields: %s", MAX_FIELDS, fields[0]);
		fields[count++] = field;
	}
	return count;
}

/* the server ---------------------------------------------------------------------------- */

static void
expect(Variant *variant, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		die("%s: %s: %s", variant->name, what, PQerrorMessage(variant->conn));
	PQclear(result);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

static void
open_connection(Variant *variant, const char *info)
{
	variant->conn = PQconnectdb(info);
	if (PQstatus(variant->conn) != CONNECTION_OK)
		die("%s: %s", variant->name, PQerrorMessage(variant->conn));
	PQsetNoticeReceiver(variant->conn, ignore_notice, NULL);
	variant->processes[variant->nprocesses++] = PQbackendPID(variant->conn);
}

/* The statements that have been sent are answered, the last one by rows that count. */
static void
take_answers(Variant *variant, int statements, const char *operation)
{
	for (int i = 0; i < statements; i++)
	{
		PGresult   *result = PQgetResult(variant->conn);

		variant->rows += i == statements - 1 ? PQntuples(result) : 0;
		expect(variant, result, operation);
		PQclear(PQgetResult(variant->conn));
	}
	if (PQresultStatus(PQgetResult(variant->conn)) != PGRES_PIPELINE_SYNC)
		die("%s: %s: no end of the answer", variant->name, operation);
}

static void
operate(Variant *variant, const char *operation)
{
	char	   *line = strdup(operation);
	char	   *fields[MAX_FIELDS];
	int			nfields = split(line, fields);
	int			statements = 0;

	for (int first = 0, end; first < nfields; first = end + 1)
	{
		for (end = first; end < nfields && strcmp(fields[end], ";") != 0;)
			end++;
		if (!PQsendQueryPrepared(variant->conn, fields[first], end - first - 1, (const char *const *) &fields[first + 1], NULL, NULL, 0))
			die("%s: %s", variant->name, PQerrorMessage(variant->conn));
		statements++;
	}
	if (!PQpipelineSync(variant->conn))
		die("%s: %s", variant->name, PQerrorMessage(variant->conn));
	take_answers(variant, statements, operation);
	free(line);
}

/* the file ------------------------------------------------------------------------------ */

static void
add_operation(Variant *variant, const char *operation)
{
	if ((variant->noperations & (variant->noperations - 1)) == 0)
		variant->operations = realloc(variant->operations, (2 * variant->noperations + 1) * sizeof(char *));
	variant->operations[variant->noperations++] = strdup(operation);
}

static void
take_line(Variant *variant, char *line)
{
	char	   *rest = strchr(line, '\t');
	char	   *fields[MAX_FIELDS];

	if (rest == NULL)
		die("%s: no field in: %s", variant->name, line);
	*rest++ = '\0';
	if (strcmp(line, "do") == 0)
		add_operation(variant, rest);
	else if (strcmp(line, "connect") == 0)
		open_connection(variant, rest);
	else if (strcmp(line, "setup") == 0)
		expect(variant, PQexec(variant->conn, rest), rest);
	else if (strcmp(line, "also") == 0 && variant->nprocesses < MAX_PROCESSES)
		variant->processes[variant->nprocesses++] = atoi(rest);
	else if (strcmp(line, "prepare") == 0 && split(rest, fields) == 2)
		expect(variant, PQprepare(variant->conn, fields[0], fields[1], 0, NULL), fields[1]);
	else
		die("%s: not known: %s", variant->name, line);
}

static void
read_variant(char *argument)
{
	Variant    *variant = &variants[nvariants++];
	char	   *path = strchr(argument, '=');
	char	   *line = NULL;
	size_t		size = 0;
	FILE	   *file;

	if (path == NULL || nvariants > MAX_VARIANTS)
		die("at most %d of NAME=FILE", MAX_VARIANTS);
	*path++ = '\0';
	variant->name = argument;
	file = fopen(path, "r");
	if (file == NULL)
		die("%s cannot be read", path);
	while (getline(&line, &size, file) > 0)
	{
		line[strcspn(line, "\n")] = '\0';
		take_line(variant, line);
	}
	fclose(file);
	free(line);
	if (variant->noperations != variants[0].noperations)
		die("%s: %d operations, of the first %d", variant->name, variant->noperations, variants[0].noperations);
	if (!PQenterPipelineMode(variant->conn))
		die("%s: no pipeline", variant->name);
}

/* the rounds ---------------------------------------------------------------------------- */

/* Microseconds of the server's processes so far. */
static double
processor_time(const Variant *variant)
{
	double		sum = 0;

	for (int i = 0; i < variant->nprocesses; i++)
	{
		char		path[64];
		unsigned long long nanoseconds;
		FILE	   *file;

		snprintf(path, sizeof(path), "/proc/%d/schedstat", variant->processes[i]);
		file = fopen(path, "r");
		if (file == NULL || fscanf(file, "%llu", &nanoseconds) != 1)
			die("%s: %s cannot be read", variant->name, path);
		fclose(file);
		sum += nanoseconds / 1e3;
	}
	return sum;
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void
run_batch(Variant *variant, int round)
{
	double		cpu = processor_time(variant);
	double		from = now();

	for (int i = 0; i < batch; i++)
		operate(variant, variant->operations[round * batch + i]);
	variant->times[round] = (now() - from) / batch;
	variant->cpu[round] = (processor_time(variant) - cpu) / batch;
}

/* printing ------------------------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static double
quantile(const double *values, int count, double fraction)
{
	double		sorted[count];

	memcpy(sorted, values, count * sizeof(double));
	qsort(sorted, count, sizeof(double), compare);
	return sorted[(int) (fraction * (count - 1) + 0.5)];
}

/* Of each round the first one's by this one's. */
static double *
ratios(const double *first, const double *values, int rounds)
{
	double	   *result = malloc(rounds * sizeof(double));

	for (int i = 0; i < rounds; i++)
		result[i] = first[i] / values[i];
	return result;
}

static double
mean(const double *values, int count)
{
	double		sum = 0;

	for (int i = 0; i < count; i++)
		sum += values[i];
	return sum / count;
}

static void
print_variant(const char *title, const Variant *variant, int rounds)
{
	double	   *by_clock = ratios(variants[0].times, variant->times, rounds);
	double	   *by_processor = ratios(variants[0].cpu, variant->cpu, rounds);

	printf("%-40s %-24s %9.0f %9.1f %7.2f %6.2f-%-6.2f %7.2f %9ld\n", title, variant->name,
		   1e6 / mean(variant->times, rounds), mean(variant->cpu, rounds),
		   quantile(by_clock, rounds, 0.5), quantile(by_clock, rounds, 0.1), quantile(by_clock, rounds, 0.9),
		   quantile(by_processor, rounds, 0.5), variant->rows);
	free(by_clock);
	free(by_processor);
}

int
main(int argc, char **argv)
{
	bool		same_rows = false;
	int			option;
	int			rounds;
	const char *title;

	while ((option = getopt(argc, argv, "b:r")) != -1)
	{
		if (option == 'b')
			batch = atoi(optarg);
		else if (option == 'r')
			same_rows = true;
		else
			return 2;
	}
	if (argc < optind + 2 || batch < 1)
		die("usage: turns [-b OPERATIONS] [-r] TITLE NAME=FILE...");
	title = argv[optind++];
	while (optind < argc)
		read_variant(argv[optind++]);
	rounds = variants[0].noperations / batch;
	if (rounds < 1)
		die("%s: fewer operations than a batch has", title);
	for (int i = 0; i < nvariants; i++)
	{
		variants[i].times = calloc(rounds, sizeof(double));
		variants[i].cpu = calloc(rounds, sizeof(double));
	}
	for (int round = 0; round < rounds; round++)
	{
		for (int i = 0; i < nvariants; i++)
			run_batch(&variants[(round + i) % nvariants], round);
	}
	for (int i = 0; i < nvariants; i++)
	{
		if (same_rows && variants[i].rows != variants[0].rows)
			die("%s: %s returned %ld rows, %s %ld", title, variants[i].name, variants[i].rows, variants[0].name, variants[0].rows);
		print_variant(title, &variants[i], rounds);
		PQfinish(variants[i].conn);
	}
	return 0;
}
