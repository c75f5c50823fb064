/*
 * commit.c - how far the writer's commits must have come before what they hold counts as recorded.
 *
 * Called by writer.c, session.c and lifetime.c.  A transaction is committed on this server alone.  What
 * toms.audit_synchronous_commit asks of standbys is waited for afterwards: PostgreSQL's own wait ends when it is
 * interrupted, as if they had it, and sessions would be told so.
 */
#include "audit/worker.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "utils/guc.h"

/* After a wait that ended although no standby has it: the setting may have been told to others before us. */
#define NAP_MS 10

/* toms.audit_synchronous_commit: PostgreSQL's own levels. */
static const struct config_enum_entry commit_options[] = {
	{"off", SYNCHRONOUS_COMMIT_OFF, false},
	{"local", SYNCHRONOUS_COMMIT_LOCAL_FLUSH, false},
	{"remote_write", SYNCHRONOUS_COMMIT_REMOTE_WRITE, false},
	{"on", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, false},
	{"remote_apply", SYNCHRONOUS_COMMIT_REMOTE_APPLY, false},
	{NULL, 0, false}
};

static int	audit_commit = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;

static volatile sig_atomic_t is_waiting = false;
static volatile sig_atomic_t has_given_up = false;

void
toms_commit_init(void)
{
	DefineCustomEnumVariable("toms.audit_synchronous_commit",
							 "How far events must have come before they count as recorded.",
							 "local: on this server's disk.  With on or remote_apply reads that wait for it stop where a synchronous standby is lost.",
							 &audit_commit, SYNCHRONOUS_COMMIT_LOCAL_FLUSH, commit_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
set_level(int level)
{
	for (int i = 0; commit_options[i].name && synchronous_commit != level; i++)
	{
		if (commit_options[i].val == level)
			SetConfigOption("synchronous_commit", commit_options[i].name, PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/* Who waits is told that it is durable: then it must be on a disk at least. */
void
toms_commit_choose(bool urgent)
{
	set_level(urgent || audit_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH ? SYNCHRONOUS_COMMIT_LOCAL_FLUSH : audit_commit);
}

/* Whether the standbys have the last commit as far as is asked, or nothing is asked of any. */
static bool
is_far_enough(void)
{
	int			mode = audit_commit == SYNCHRONOUS_COMMIT_REMOTE_WRITE ? SYNC_REP_WAIT_WRITE :
		audit_commit == SYNCHRONOUS_COMMIT_REMOTE_FLUSH ? SYNC_REP_WAIT_FLUSH : SYNC_REP_WAIT_APPLY;
	XLogRecPtr	reached;

	if (audit_commit <= SYNCHRONOUS_COMMIT_LOCAL_FLUSH || max_wal_senders == 0 || SyncRepStandbyNames == NULL || SyncRepStandbyNames[0] == '\0')
		return true;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	reached = WalSndCtl->lsn[mode];
	LWLockRelease(SyncRepLock);
	return reached >= XactLastCommitEnd;
}

/* One that an interrupt, or new settings, may end. */
static void
wait_once(void)
{
	set_level(audit_commit);
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	set_level(SYNCHRONOUS_COMMIT_LOCAL_FLUSH);
	toms_process_attend();
	if (is_far_enough() || has_given_up || ProcDiePending)
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NAP_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

bool
toms_commit_wait(void)
{
	bool		far_enough;

	Assert(InterruptHoldoffCount > 0);
	is_waiting = true;
	while (!(far_enough = is_far_enough()) && !has_given_up && !ProcDiePending)
		wait_once();
	is_waiting = false;
	QueryCancelPending = false;
	return far_enough;
}

/* In a signal handler. */
bool
toms_commit_interrupt(bool give_up)
{
	if (!is_waiting)
		return false;
	has_given_up |= give_up;
	if (has_given_up || ConfigReloadPending)
		QueryCancelPending = InterruptPending = true;
	return true;
}
