/*
 * context.c - the setting toms.token, and whether the context it holds is in force.
 *
 * The check hook verifies once and hands the result to guc.c as "extra"; the assign hook
 * only remembers the pointer, so SET LOCAL, savepoints, ROLLBACK, RESET and DISCARD ALL
 * are guc.c's own doing.  The stored value is "<transaction>~<token>": that lets a
 * parallel worker, which gets the value from its leader and verifies nothing, tell
 * whether the leader's context still is that of the leader's transaction.
 *
 * What needs a catalogue (tenant, role, membership) is asked at the first use in a
 * transaction and remembered in "answer" until the transaction, the setting or the
 * configuration changes, or time is up.
 */
#include "context/context_int.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/change.h"
#include "base/compat.h"
#include "catalog/catalog.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static char *token = NULL;
static const TomsContext *assigned = NULL;	/* belongs to guc.c */
static bool had_context = false;	/* this session had one at some time */
static uint64 accepted = 0;		/* tokens so far, by number */
static uint64 refused_up_to = 0;	/* contexts up to this number have ended */

/* The tenant of the transaction's first context: there is no other one in it. */
static struct
{
	LocalTransactionId lxid;
	char		tenant[256];
}			transaction;

typedef struct Answer
{
	uint64		changes;		/* what toms_change_count was; 0: not known */
	LocalTransactionId lxid;
	Oid			session_user;
	TimestampTz holds_until;	/* for statements that start before */
	TomsReason	verdict;
	Oid			role;
	const char *purpose;
	bool		aggregate;		/* the purpose answers statistics alone */
} Answer;

static Answer answer;			/* for now */

/*
 * What runs inside of an access function has the function's purpose.  Frames are entered and
 * left in order, also by errors.
 */
struct TomsFrame
{
	TomsFrame  *enclosing;
	char		purpose[NAMEDATALEN];
	Oid			function;		/* InvalidOid: a statistic, which reads rows for an aggregate purpose; its groups alone come out */
	int			place;			/* what the place was around it */
	uint64		changes;		/* what toms_change_count was around it */
	uint64		changes_inside; /* and became when it was entered */
	Answer		answer;			/* the one around it */
};

static TomsFrame *frame = NULL;

/*
 * The purpose of the innermost frame by its place in the token, from 1 on; 0: there is no
 * frame.  A setting, since that is how parallel workers learn of it.
 */
static int	frame_place = 0;

/* the setting --------------------------------------------------------------------- */

/*
 * A token written into the statement's text can be read in pg_stat_activity and the log
 * by whoever may: take it out of both, and say once in a session how to do better.
 */
static void
hide_token_text(const char *token)
{
	static const char *const hidden = "SELECT set_config('toms.token', '***', true)";
	static bool has_warned = false;

	if (debug_query_string == NULL || strstr(debug_query_string, token) == NULL ||
		strchr(token, '.') == NULL)
		return;
	debug_query_string = hidden;
	pgstat_report_activity(STATE_RUNNING, hidden);
	if (has_warned)
		return;
	has_warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("a token stands in the text of a statement"),
			 errhint("Pass it as a parameter: SELECT set_config('toms.token', $1, true)."),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * A session's context does not outlast a token that is refused: the client who has the
 * connection now is another one perhaps, and goes on all the same.  A rollback that brings the
 * former value back does not bring it into force.
 */
static void
note_refused(void)
{
	if (toms_context_outlives_transaction())
		refused_up_to = accepted;
	toms_note_change();
}

/*
 * A client gets the full error.  Where a value comes from a file or a catalogue guc.c
 * wants to go on, so it gets false and prints its own warning, without the value.
 */
static bool
refuse_token(TomsVerdict verdict, GucSource source)
{
	TomsRefusal refusal = {.reason = verdict.reason,.detail = verdict.detail,.hint = verdict.hint};

	note_refused();
	if (source == PGC_S_CLIENT || source == PGC_S_SESSION || source == PGC_S_TEST)
		toms_refuse(&refusal);
	GUC_check_errcode(toms_reason_sqlstate(verdict.reason));
	GUC_check_errmsg("%s", toms_reason_text(verdict.reason));
	if (verdict.detail)
		GUC_check_errdetail("%s", verdict.detail);
	return false;
}

static TomsVerdict
check_transaction(const TomsClaims *claims)
{
	if (transaction.lxid == toms_proc_lxid(MyProc) &&
		strcmp(transaction.tenant, claims->tenant) != 0)
		return TOMS_VERDICT(TOMS_CONTEXT_SWAPPED, "Within a transaction a context can be left or renewed, not swapped for another tenant's.",
							"End the transaction first.");
	return TOMS_VERDICT_OK;
}

static TomsVerdict
check_single_use(const TomsClaims *claims)
{
	if (!toms_settings_single_use())
		return TOMS_VERDICT_OK;
	if (claims->jti == NULL)
		return TOMS_VERDICT(TOMS_TOKEN_CLAIM, "The claim \"jti\" is missing.", "toms.single_use_tokens needs it.");
	if (!toms_replay_claim(claims->jti, claims->exp + toms_settings_leeway_us() / USECS_PER_SEC))
		return TOMS_VERDICT(TOMS_TOKEN_REPLAYED, NULL, "Mint a token for each transaction.");
	return TOMS_VERDICT_OK;
}

/* Everything that a token set by a client must pass. */
static TomsVerdict
check_token(const char *token, TomsClaims *claims)
{
	TomsVerdict verdict = toms_settings_check_connection();

	if (verdict.reason == TOMS_OK)
		verdict = toms_token_read(token, false, claims);
	if (verdict.reason == TOMS_OK)
		verdict = check_transaction(claims);
	if (verdict.reason == TOMS_OK)
		verdict = check_single_use(claims);
	return verdict;
}

/* Split "<transaction>~<token>", as a leader stored it. */
static TomsVerdict
take_from_leader(const char *value, TomsClaims *claims, LocalTransactionId *lxid)
{
	char	   *end;

	*lxid = strtoul(value, &end, 10);
	if (*end != '~')
		elog(ERROR, "unexpected value of toms.token in a parallel worker");
	return toms_token_read(end + 1, true, claims);
}

static bool
check_in_context(char **newval, void **extra, GucSource source)
{
	LocalTransactionId lxid;
	TomsClaims	claims;
	TomsVerdict verdict;
	char	   *value = NULL;

	if (InitializingParallelWorker)
		verdict = take_from_leader(*newval, &claims, &lxid);
	else
	{
		verdict = check_token(*newval, &claims);
		lxid = toms_proc_lxid(MyProc);
	}
	if (verdict.reason != TOMS_OK)
		return refuse_token(verdict, source);

	*extra = toms_claims_pack(&claims, lxid);
	if (*extra == NULL)
		return false;
	((TomsContext *) *extra)->number = ++accepted;
	if (!InitializingParallelWorker)
	{
		value = toms_stored_value(*newval, lxid);
		if (value == NULL)
			return false;
		toms_guc_free(*newval);
		*newval = value;
	}
	return true;
}

static bool
check_hook(char **newval, void **extra, GucSource source)
{
	MemoryContext work;
	MemoryContext old;
	bool		accepted;

	*extra = NULL;
	if (*newval == NULL || (*newval)[0] == '\0')
		return true;
	if (!InitializingParallelWorker)
		hide_token_text(*newval);
	if (source != PGC_S_CLIENT && source != PGC_S_SESSION && !InitializingParallelWorker)
		return refuse_token(TOMS_VERDICT(TOMS_TOKEN_SOURCE, "Not in a file, not by ALTER ROLE, ALTER DATABASE, ALTER SYSTEM or CREATE FUNCTION … SET.",
										 "SELECT set_config('toms.token', $1, true) in the transaction that needs it."), source);
	if (MyProc == NULL)
		return false;

	work = AllocSetContextCreate(CurrentMemoryContext, "toms token", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	accepted = check_in_context(newval, extra, source);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return accepted;
}

static void
note_transaction(const TomsContext *context)
{
	transaction.lxid = toms_proc_lxid(MyProc);
	strlcpy(transaction.tenant, context->tenant, sizeof(transaction.tenant));
}

static void
assign_hook(const char *newval, void *extra)
{
	assigned = extra;
	toms_note_change();
	if (assigned == NULL)
		return;
	had_context = true;
	if (MyProc && assigned->lxid == toms_proc_lxid(MyProc))
		note_transaction(assigned);
}

static const char *
show_hook(void)
{
	return assigned ? "(set)" : "";
}

/* Access functions set the variable itself. */
static bool
check_frame_place(int *newval, void **extra, GucSource source)
{
	if (*newval == 0 || InitializingParallelWorker)
		return true;
	GUC_check_errmsg("a frame is entered by calling an access function");
	return false;
}

void
toms_token_init(void)
{
	DefineCustomStringVariable("toms.token",
							   "Signed token (compact JWS) that says who acts.",
							   "SELECT set_config('toms.token', $1, true) in the transaction that needs it.",
							   &token, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_hook, assign_hook, show_hook);
	DefineCustomIntVariable("toms.frame_place",
							"Internal: tells parallel workers of the purpose of an access function.",
							NULL, &frame_place, 0, 0, TOMS_MAX_PURPOSES, PGC_SUSET,
							GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_RESET_ALL,
							check_frame_place, NULL, NULL);
	/* what has its default only is not handed to workers */
	SetConfigOption("toms.frame_place", "0", PGC_POSTMASTER, PGC_S_DYNAMIC_DEFAULT);
}

/* whether it is in force ------------------------------------------------------------ */

/* What was set, unless toms works on rows itself. */
static inline const TomsContext *
present(void)
{
	const TomsContext *work = toms_context_of_work();

	return unlikely(work != NULL) ? work : assigned;
}

bool
toms_context_in_transaction(void)
{
	return transaction.lxid == toms_proc_lxid(MyProc);
}

void
toms_context_forget_transaction(void)
{
	transaction.lxid = InvalidLocalTransactionId;
}

/* The place of a purpose in the token, from 1 on; 0: it is not there. */
static int
place_of(const char *purpose)
{
	const TomsContext *context = present();

	for (int i = 0; i < context->npurposes; i++)
	{
		if (strcmp(context->purposes[i], purpose) == 0)
			return i + 1;
	}
	return 0;
}

/* What was chosen, by a frame first; NULL: nothing was. */
const char *
toms_context_chosen_purpose(void)
{
	if (frame)
		return frame->purpose;
	if (IsParallelWorker() && frame_place > 0 && frame_place <= assigned->npurposes)
		return assigned->purposes[frame_place - 1];
	return toms_context_of_work() ? toms_context_of_work()->purposes[0] : toms_settings_purpose();
}

/* The purpose in force: the chosen one, else the only one; NULL if there is none. */
static TomsReason
find_purpose(const char **purpose)
{
	const char *chosen = toms_context_chosen_purpose();
	const TomsContext *context = present();
	TomsPurpose known;
	int			place = chosen ? place_of(chosen) : context->npurposes == 1 ? 1 : 0;

	if (frame)
		frame_place = place;	/* in another token the purpose may stand elsewhere */
	*purpose = place > 0 ? context->purposes[place - 1] : NULL;
	if (*purpose == NULL && chosen == NULL)
		return TOMS_OK;
	known = toms_catalog_purpose(*purpose ? *purpose : chosen);
	answer.aggregate = known.is_aggregate && !toms_context_in_statistic();
	if (known.is_excluded)
		return TOMS_PURPOSE_EXCLUDED;
	return *purpose ? TOMS_OK : TOMS_PURPOSE_NOT_IN_TOKEN;
}

/* A parallel worker asks like its leader, and by the same statement's start. */
static TomsReason
check_standing(Oid role)
{
	TimestampTz expires_at = assigned->expires_at + toms_settings_leeway_us();
	TimestampTz ends_at = DT_NOEND;

	if (expires_at <= GetCurrentStatementStartTimestamp())
		return TOMS_CONTEXT_EXPIRED;
	switch (toms_catalog_tenant(assigned->tenant, &ends_at))
	{
		case TOMS_TENANT_IS_UNKNOWN:
			return TOMS_TENANT_UNKNOWN;
		case TOMS_TENANT_HAS_ENDED:
			return TOMS_TENANT_ENDED;
		case TOMS_TENANT_IS_ACTIVE:
			break;
	}
	if (!OidIsValid(role))
		return TOMS_ROLE_UNKNOWN;
	if (!toms_may_act_as(GetSessionUserId(), role))
		return TOMS_ROLE_NOT_MEMBER;
	answer.holds_until = Min(expires_at, ends_at);
	return TOMS_OK;
}

static TomsReason
find_verdict(void)
{
	TomsReason	reason;

	answer.role = InvalidOid;
	answer.purpose = NULL;
	answer.aggregate = false;
	answer.holds_until = DT_NOEND;
	if (toms_context_of_work())
	{
		answer.role = get_role_oid(toms_context_of_work()->role, true);
		return OidIsValid(answer.role) ? find_purpose(&answer.purpose) : TOMS_ROLE_UNKNOWN;
	}
	if (assigned == NULL)
		return had_context ? TOMS_CONTEXT_ENDED : TOMS_CONTEXT_MISSING;
	if (!toms_settings_is_current(assigned->lxid) || assigned->number <= refused_up_to)
		return TOMS_CONTEXT_ENDED;
	if (!IsParallelWorker() && toms_context_in_transaction() && !toms_settings_is_test() &&
		strcmp(transaction.tenant, assigned->tenant) != 0)
		return TOMS_CONTEXT_SWAPPED;

	answer.role = get_role_oid(assigned->role, true);
	reason = check_standing(answer.role);
	if (reason != TOMS_OK)
		return reason;
	reason = find_purpose(&answer.purpose);
	if (reason != TOMS_OK)
		return reason;
	if (!IsParallelWorker())
		note_transaction(assigned);
	return TOMS_OK;
}

/* A session's context goes on in the next transaction, which is its tenant's from now on. */
static bool
carries_over(void)
{
	if (answer.verdict != TOMS_OK || !toms_context_outlives_transaction() || IsParallelWorker() || toms_context_of_work())
		return false;
	answer.lxid = toms_proc_lxid(MyProc);
	note_transaction(assigned);
	return true;
}

static bool
answer_holds(void)
{
	return answer.changes == toms_change_count && answer.session_user == GetSessionUserId() &&
		GetCurrentStatementStartTimestamp() < answer.holds_until &&
		(answer.lxid == toms_proc_lxid(MyProc) || carries_over());
}

/* What was kept with a former answer, by functions of policies for instance, goes with it. */
TomsReason
toms_context_check(void)
{
	/* looking things up may take in invalidations: ask until the answer is settled */
	for (int tries = 0; !answer_holds() && tries < 8; tries++)
	{
		uint64		changes;

		toms_note_change();
		changes = toms_change_count;
		answer.changes = 0;		/* an error in between must not leave the old answer */
		answer.lxid = toms_proc_lxid(MyProc);
		answer.session_user = GetSessionUserId();
		answer.verdict = find_verdict();
		answer.changes = changes;
	}
	return answer.verdict;
}

const TomsContext *
toms_context_assigned(void)
{
	return present();
}

const TomsContext *
toms_context_get(void)
{
	return toms_context_check() == TOMS_OK ? present() : NULL;
}

TomsReason
toms_context_ask(TomsAsker *asker)
{
	TomsReason	reason = toms_context_check();

	asker->context = reason == TOMS_OK ? present() : NULL;
	asker->role = answer.role;
	asker->purpose = answer.purpose;
	asker->aggregate = answer.aggregate;
	return reason;
}

const char *
toms_context_purpose(void)
{
	return toms_context_check() == TOMS_OK ? answer.purpose : NULL;
}

/* frames ------------------------------------------------------------------------------- */

bool
toms_context_holds_purpose(const char *purpose)
{
	/* none may be in force yet, or another one be refused */
	(void) toms_context_check();
	return (toms_context_of_work() || (assigned && toms_settings_is_current(assigned->lxid))) && place_of(purpose) > 0;
}

TomsFrame *
toms_context_enter_frame(const char *purpose, Oid function)
{
	TomsFrame  *entered = MemoryContextAlloc(TopMemoryContext, sizeof(TomsFrame));

	entered->enclosing = frame;
	strlcpy(entered->purpose, purpose, NAMEDATALEN);
	entered->function = function;
	entered->place = frame_place;
	entered->changes = toms_change_count;
	entered->answer = answer;
	frame = entered;
	frame_place = place_of(purpose);
	toms_note_change();
	entered->changes_inside = toms_change_count;
	PG_TRY();
	{
		(void) toms_context_check();	/* settles the count */
	}
	PG_CATCH();
	{
		toms_context_leave_frame(entered);
		PG_RE_THROW();
	}
	PG_END_TRY();
	entered->changes_inside = toms_change_count;
	return entered;
}

/* Outside all is as it was before, unless something has changed meanwhile. */
void
toms_context_leave_frame(TomsFrame *left)
{
	Assert(left == frame);
	frame = left->enclosing;
	frame_place = left->place;
	if (toms_change_count == left->changes_inside)
	{
		answer = left->answer;
		toms_change_count = left->changes;
	}
	else
		toms_note_change();
	pfree(left);
}

bool
toms_context_in_statistic(void)
{
	return frame != NULL && !OidIsValid(frame->function);
}

Oid
toms_context_function(void)
{
	return frame ? frame->function : InvalidOid;
}

bool
toms_context_in_frame(void)
{
	return frame != NULL || (IsParallelWorker() && frame_place > 0);
}

TimestampTz
toms_context_expires_at(void)
{
	return assigned && !toms_context_of_work() ? assigned->expires_at + toms_settings_leeway_us() : DT_NOEND;
}

bool
toms_context_expired_now(void)
{
	/* tokens expire at full seconds, and these are cheaper to ask for */
	return toms_context_expires_at() <= time_t_to_timestamptz(time(NULL));
}
