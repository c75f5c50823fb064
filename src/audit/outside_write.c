/*
 * outside_write.c - appending to the log outside of the data directory.
 *
 * Called when blocks have been closed.  Nobody else appends meanwhile: the lock is taken when the
 * log is opened and lasts until the transaction ends.  A crash may leave a piece of a line at the
 * end; it stays there, as a line that is no record, and the next one is chained to it.
 */
#include "audit/outside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/outside_int.h"
#include "base/debug_point.h"
#include "base/flush.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

struct TomsOutside
{
	char	   *path;
	char	   *dataset;
	int			fd;
	off_t		end;			/* of the file */
	off_t		back;			/* where stepping back has come to */
	bool		torn;			/* the last line has no end */
	int64		n;				/* of the last record */
	uint8		previous[TOMS_HASH_BYTES];	/* digest of the last line */
	StringInfoData added;
	const uint8 *seed;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	char	   *buffer;
	MemoryContext context;
};

static void
refuse_file(const TomsOutside *log, const char *problem)
{
	toms_outside_refuse(psprintf("\"%s\": %s", log->path, problem));
}

static void
lock_log(void)
{
	LockDatabaseObject(RelationRelationId, get_relname_relid("dataset", get_namespace_oid("toms", false)), 0, ExclusiveLock);
}

static void
open_file(TomsOutside *log)
{
	struct stat st;

	log->fd = OpenTransientFilePerm(log->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
	if (log->fd < 0 || fstat(log->fd, &st) < 0)
		refuse_file(log, strerror(errno));
	if (!S_ISREG(st.st_mode))
		refuse_file(log, "it is not a regular file");
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)))
		refuse_file(log, "it is not the server's alone");
	log->end = log->back = st.st_size;
}

/* The line before the place that stepping back has come to. */
bool
toms_outside_step_back(TomsOutside *log, TomsOutsideLine *line)
{
	off_t		start = Max(0, log->back - (TOMS_OUTSIDE_LINE_LIMIT + 2));
	ssize_t		got;
	ssize_t		at;

	if (log->back == 0)
		return false;
	got = pread(log->fd, log->buffer, log->back - start, start);
	if (got != log->back - start)
		refuse_file(log, got < 0 ? strerror(errno) : "it became shorter");
	if (log->buffer[got - 1] == '\n')
		got--;
	for (at = got; at > 0 && log->buffer[at - 1] != '\n'; at--)
		;
	if (at == 0 && start > 0)
		refuse_file(log, "it is not a log of toms");
	log->buffer[got] = '\0';
	toms_outside_parse(log->buffer + at, got - at, line);
	log->back = start + at;
	return true;
}

static void
find_end(TomsOutside *log)
{
	TomsOutsideLine line;
	char		last = '\n';

	if (log->end > 0 && pread(log->fd, &last, 1, log->end - 1) != 1)
		refuse_file(log, strerror(errno));
	log->torn = last != '\n';
	for (bool first = true; log->n == 0 && toms_outside_step_back(log, &line); first = false)
	{
		if (first)
			toms_crypto_sha256(log->previous, line.text, line.length);
		log->n = line.whole ? line.n : 0;
	}
	log->back = log->end;
}

TomsOutside *
toms_outside_open(const uint8 dataset[16])
{
	TomsOutside *log = palloc0(sizeof(TomsOutside));
	char	   *problem = toms_outside_problem(true);

	if (problem)
		toms_outside_refuse(problem);
	if (toms_gate_is_foreign())
		toms_outside_refuse("This node is not one of those that work with this data.");
	lock_log();
	log->context = CurrentMemoryContext;
	log->path = toms_outside_path(dataset);
	log->dataset = toms_outside_dataset_name(dataset);
	log->buffer = palloc(TOMS_OUTSIDE_LINE_LIMIT + 4);
	initStringInfo(&log->added);
	open_file(log);
	find_end(log);
	return log;
}

int64
toms_outside_last(const TomsOutside *log)
{
	return log->n;
}

static void
read_key(TomsOutside *log)
{
	MemoryContext before = MemoryContextSwitchTo(log->context);

	toms_keyring_create("audit");
	log->seed = toms_keyring_seed("audit");
	toms_crypto_public_key(log->key, log->seed);
	MemoryContextSwitchTo(before);
}

void
toms_outside_add(TomsOutside *log, const char *type, const char *members)
{
	uint8		signature[TOMS_SIGNATURE_BYTES];
	int			start;

	if (log->seed == NULL)
		read_key(log);
	if (log->torn)
		appendStringInfoChar(&log->added, '\n');
	log->torn = false;
	start = log->added.len;
	appendStringInfo(&log->added, "{\"n\":" INT64_FORMAT ",\"dataset\":\"%s\",\"type\":\"%s\",%s,\"previous\":\"%s\",\"key\":\"%s\"",
					 ++log->n, log->dataset, type, members, toms_base64url_encode(log->previous, sizeof(log->previous)),
					 toms_base64url_encode(log->key, sizeof(log->key)));
	toms_crypto_sign(signature, log->added.data + start, log->added.len - start, log->seed);
	appendStringInfo(&log->added, ",\"signature\":\"%s\"}", toms_base64url_encode(signature, sizeof(signature)));
	if (log->added.len - start > TOMS_OUTSIDE_LINE_LIMIT)
		elog(ERROR, "a record of %d bytes is too long for the log outside of the database", log->added.len - start);
	toms_crypto_sha256(log->previous, log->added.data + start, log->added.len - start);
	appendStringInfoChar(&log->added, '\n');
}

static void
write_all(TomsOutside *log)
{
	int			written = 0;

	TOMS_DEBUG_POINT("outside-before-write");
	while (written < log->added.len)
	{
		ssize_t		step = write(log->fd, log->added.data + written, log->added.len - written);

		if (step < 0 && errno == EINTR)
			continue;
		if (step <= 0)
			refuse_file(log, step < 0 ? strerror(errno) : strerror(ENOSPC));
		written += step;
	}
}

/* Also what was found there: whoever wrote it may have failed at this. */
static void
flush(TomsOutside *log)
{
	if (pg_fsync(log->fd) != 0 || toms_flush_directory(toms_outside_directory()) != 0)
		refuse_file(log, strerror(errno));
}

void
toms_outside_close(TomsOutside *log)
{
	if (log->added.len > 0)
		write_all(log);
	flush(log);
	TOMS_DEBUG_POINT("outside-after-write");
	CloseTransientFile(log->fd);
	pfree(log->added.data);
	pfree(log->buffer);
	pfree(log);
}
