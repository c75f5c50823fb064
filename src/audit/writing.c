/*
 * writing.c - the worker that writes: it makes entries of queued events as long as the server runs.
 *
 * Started by launcher.c; process.c tells how it comes and goes.  Sessions wait for it, so it does nothing
 * else, and no error ends it: what cannot be written stays in the queue and is tried again.
 *
 * SIGTERM comes when the server shuts down, to sessions at the same time: then it waits until they are
 * gone, since they may still add events, and the trail tells that nothing was left.  From anybody else
 * it ends the worker when the queue has been written, and another one takes its place.
 */
#include "audit/worker.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "login/login.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "seal/seal.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/pidfile.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include <fcntl.h>
#include <unistd.h>

/* From SIGTERM on: how long what is under way may take, what is left, and sessions to leave a server that stops. */
#define LAST_TRANSACTION_MS 3000
#define LAST_BATCHES_MS 2000
#define LINGER_MS 20000
#define LINGER_NAP_MS 20

/* Somebody wants the database to himself. */
#define LEAVE_MS 400

#define FIRST_RETRY_MS 100
#define LONGEST_RETRY_MS 2000
#define IDLE_MS TOMS_WORKER_ROUND_MS

extern PGDLLEXPORT void toms_writer_main(Datum database);

static volatile TimestampTz terminated_at = 0;
static volatile sig_atomic_t is_busy = true;	/* writes, connects or looks for the extension */
static TimeoutId watch;

/* What is under way goes on, unless it waits for something in vain: see watch_over(). */
static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (!toms_process_terminating)
		terminated_at = toms_clock_steady();
	toms_process_terminating = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

static void
watch_over(void)
{
	bool		is_late = toms_process_terminating && TimestampDifferenceExceeds(terminated_at, toms_clock_steady(), LAST_TRANSACTION_MS);

	/* what has been committed here needs no more than that to be told so */
	if (is_busy && !toms_commit_interrupt(is_late) && is_late)
		toms_die();
}

static void
be_busy(bool on)
{
	is_busy = on;
	if (on)
		enable_timeout_every(watch, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 1000), 1000);
	else
		disable_timeout(watch, false);
}

/* Who holds a lock on the trail must not stop it for longer than sessions wait. */
static void
limit_locks(void)
{
	static int	known = -1;
	int			limit = Max(toms_audit_timeout() * 3 / 4, 5);

	if (limit == known)
		return;
	SetConfigOption("lock_timeout", psprintf("%d", limit), PGC_SUSET, PGC_S_OVERRIDE);
	known = limit;
}

static void
describe_writing(void *arg)
{
	errcontext("background worker of database %u, writing the audit trail", MyDatabaseId);
}

/* Returns whether it succeeded; *any: whether there was something. */
static bool
write_once(bool *any)
{
	volatile bool succeeded = false;
	volatile bool wrote = false;
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = describe_writing};

	error_context_stack = &callback;
	MemoryContextSwitchTo(toms_process_context);
	be_busy(true);
	PG_TRY();
	{
		limit_locks();
		wrote = toms_writer_drain();
		wrote |= toms_session_drain();
		succeeded = true;
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	be_busy(false);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(toms_process_context);
	MemoryContextReset(toms_process_context);
	if (wrote)
		pgstat_report_stat(false);
	*any = wrote;
	return succeeded;
}

static void
nap(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/* the end --------------------------------------------------------------------------------- */

/* Whether the postmaster has been told to stop: it writes so before it tells anybody. */
static bool
server_stops(void)
{
	char		text[BLCKSZ];
	char	   *line = text;
	int			file = open("postmaster.pid", O_RDONLY | PG_BINARY, 0);
	ssize_t		length;

	if (file < 0)
		return false;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	text[Max(length, 0)] = '\0';
	for (int i = 1; line && i < LOCK_FILE_LINE_PM_STATUS; i++)
	{
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}

/* Logical ones are connected to the database until the server's last moment. */
static int
count_walsenders(void)
{
	int			found = 0;

	for (int i = 0; i < max_wal_senders; i++)
	{
		pid_t		pid = WalSndCtl->walsnds[i].pid;
		PGPROC	   *process = pid != 0 ? BackendPidGetProc(pid) : NULL;

		found += process && process->databaseId == MyDatabaseId;
	}
	return found;
}

/* Others than the workers of this database that are connected to it. */
static bool
sessions_are_left(void)
{
	int			ours = count_walsenders();

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	for (int i = 0; i < TOMS_WORKER_ROLES; i++)
		ours += toms_process_slot->posts[i].pid != 0;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return CountDBBackends(MyDatabaseId) > ours || toms_login_sessions_are_left();
}

/* Write all that is waiting, and all that comes while sessions are left if it waits for them; false if that took too long. */
static bool
drain(long limit, bool for_sessions)
{
	TimestampTz end = TimestampTzPlusMilliseconds(toms_clock_steady(), limit);

	while (toms_clock_steady() < end)
	{
		/* in this order: what it added before it went is seen below */
		bool		left = for_sessions && sessions_are_left();
		bool		any;
		bool		succeeded = write_once(&any);

		toms_process_attend();
		if (succeeded && !any && !left)
			return true;
		if (!succeeded || !any)
			nap(LINGER_NAP_MS);
	}
	return false;
}

static void
say_unwritten(void)
{
	if (!toms_queue_is_empty())
		ereport(LOG,
				(errmsg("events are left in the audit queue of database %u", MyDatabaseId),
				 errdetail("They could not be written; if the server stops now, they are lost.")));
}

static void
finish(void)
{
	bool		stops = server_stops();

	if (drain(stops ? LINGER_MS : LAST_BATCHES_MS, stops) && stops)
	{
		PG_TRY();
		{
			toms_lifetime_end();
		}
		PG_CATCH();
		{
			toms_process_clean_up_error();
		}
		PG_END_TRY();
	}
	say_unwritten();
}

/* work ------------------------------------------------------------------------------------ */

/* Ends the worker if it is not there; false if that could not be found out. */
static bool
look_for_extension(void)
{
	volatile bool succeeded = false;

	be_busy(true);
	PG_TRY();
	{
		limit_locks();
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		toms_process_require_extension();
		CommitTransactionCommand();
		succeeded = true;
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	be_busy(false);
	return succeeded;
}

/* Whether it is to leave. */
static bool
attend(void)
{
	static bool is_unsure = true;
	bool		leaving;

	toms_process_attend();
	if (toms_process_is_told(&leaving) || (is_unsure && !leaving && !toms_process_terminating))
		is_unsure = !look_for_extension();
	return leaving;
}

/* After an error sessions do not make it hurry. */
static void
wait_after_error(int failed)
{
	TimestampTz until = TimestampTzPlusMilliseconds(toms_clock_steady(), Min(FIRST_RETRY_MS << Min(failed - 1, 10), LONGEST_RETRY_MS));
	long		rest;

	while (!toms_process_terminating && !attend() && (rest = TimestampDifferenceMilliseconds(toms_clock_steady(), until)) > 0)
		nap(rest);
}

/* What could not be told is told with the next change. */
static void
tell_settings(void)
{
	PG_TRY();
	{
		(void) toms_settings_compare();
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(toms_process_context);
}

static void
work(void)
{
	int			failed = 0;

	for (;;)
	{
		bool		leaving = attend();
		bool		any = false;

		if (leaving)
			(void) drain(LEAVE_MS, false);
		else if (toms_process_terminating)
			finish();
		if (leaving || toms_process_terminating)
			return;
		if (write_once(&any))
			failed = 0;
		else
			failed++;
		if (any || failed > 0 || toms_process_post->steps == 0)
			toms_process_count(failed == 0);
		if (failed == 0)
			tell_settings();
		if (failed > 0)
			wait_after_error(failed);
		else if (!toms_process_terminating)
			toms_queue_sleep(toms_audit_delay(), IDLE_MS);
	}
}

/* All queues are other databases': sessions here are refused what must be recorded first. */
static void
wait_for_queue(void)
{
	bool		said = false;

	while (!toms_queue_start_writing())
	{
		if (!said)
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("there is no audit queue left for database %u", MyDatabaseId),
					 errhint("Raise toms.audit_queues: it must be the number of databases with the extension at least.")));
		said = true;
		nap(1000);
		if (attend() || toms_process_terminating)
			proc_exit(0);
	}
}

void
toms_writer_main(Datum database)
{
	watch = RegisterTimeout(USER_TIMEOUT, watch_over);
	be_busy(true);
	toms_process_begin(DatumGetObjectId(database), TOMS_WORKER_WRITER, handle_terminate);
	toms_commit_choose(true);	/* it waits for standbys nowhere else than it says */
	toms_data_key_without_waiting();
	(void) attend();
	wait_for_queue();
	work();
	proc_exit(0);
}
