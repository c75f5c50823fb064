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

/* The answer for now. */
static struct
{
	uint64		changes;		/* what toms_change_count was; 0: not known */
	LocalTransactionId lxid;
	Oid			session_user;
	TimestampTz holds_until;	/* for statements that start before */
	TomsReason	verdict;
	Oid			role;
	const char *purpose;
}			answer;

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

void
toms_token_init(void)
{
	DefineCustomStringVariable("toms.token",
							   "Signed token (compact JWS) that says who acts.",
							   "SELECT set_config('toms.token', $1, true) in the transaction that needs it.",
							   &token, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_hook, assign_hook, show_hook);
}

/* whether it is in force ------------------------------------------------------------ */

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

/* The purpose in force: the chosen one, else the only one; NULL if there is none. */
static const char *
find_purpose(void)
{
	const char *chosen = toms_settings_purpose();

	if (chosen == NULL)
		return assigned->npurposes == 1 ? assigned->purposes[0] : NULL;
	for (int i = 0; i < assigned->npurposes; i++)
	{
		if (strcmp(assigned->purposes[i], chosen) == 0)
			return assigned->purposes[i];
	}
	return NULL;
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
	answer.holds_until = DT_NOEND;
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
	answer.purpose = find_purpose();
	if (answer.purpose == NULL && toms_settings_purpose())
		return TOMS_PURPOSE_NOT_IN_TOKEN;
	if (!IsParallelWorker())
		note_transaction(assigned);
	return TOMS_OK;
}

/* A session's context goes on in the next transaction, which is its tenant's from now on. */
static bool
carries_over(void)
{
	if (answer.verdict != TOMS_OK || !toms_context_outlives_transaction() || IsParallelWorker())
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
toms_context_get(void)
{
	return toms_context_check() == TOMS_OK ? assigned : NULL;
}

TomsReason
toms_context_ask(TomsAsker *asker)
{
	TomsReason	reason = toms_context_check();

	asker->context = reason == TOMS_OK ? assigned : NULL;
	asker->role = answer.role;
	asker->purpose = answer.purpose;
	return reason;
}

const char *
toms_context_purpose(void)
{
	return toms_context_check() == TOMS_OK ? answer.purpose : NULL;
}

TimestampTz
toms_context_expires_at(void)
{
	return assigned ? assigned->expires_at + toms_settings_leeway_us() : DT_NOEND;
}

bool
toms_context_expired_now(void)
{
	/* tokens expire at full seconds, and these are cheaper to ask for */
	return toms_context_expires_at() <= time_t_to_timestamptz(time(NULL));
}

/* words ------------------------------------------------------------------------------ */

const char *
toms_context_who(void)
{
	const char *purpose;

	if (assigned == NULL)
		return "no context";
	purpose = toms_context_check() == TOMS_OK ? answer.purpose : toms_settings_purpose();
	return psprintf("tenant=%s role=%s purpose=%s", assigned->tenant, assigned->role,
					purpose ? purpose : "-");
}

static char *
purpose_list(void)
{
	char	   *list = pstrdup(assigned->purposes[0]);

	for (int i = 1; i < assigned->npurposes; i++)
		list = psprintf("%s, %s", list, assigned->purposes[i]);
	return list;
}

const char *
toms_context_detail(TomsReason reason)
{
	switch (reason)
	{
		case TOMS_CONTEXT_MISSING:
			return "This session has not set toms.token.";
		case TOMS_CONTEXT_ENDED:
			return toms_context_outlives_transaction() ? "The last context of this session has ended." :
				"A context lives for one transaction; the last one of this session has ended.";
		case TOMS_TENANT_UNKNOWN:
			return psprintf("Tenant \"%s\" is not in toms.tenants.", assigned->tenant);
		case TOMS_TENANT_ENDED:
			return psprintf("Tenant \"%s\" has ended.", assigned->tenant);
		case TOMS_ROLE_UNKNOWN:
			return psprintf("Role \"%s\" does not exist.", assigned->role);
		case TOMS_ROLE_NOT_MEMBER:
			return psprintf("User \"%s\" is not a member of role \"%s\".",
							GetUserNameFromId(GetSessionUserId(), false), assigned->role);
		case TOMS_PURPOSE_NOT_IN_TOKEN:
			return psprintf("toms.purpose is \"%s\"; the token holds: %s.", toms_settings_purpose(), purpose_list());
		default:
			return NULL;
	}
}

const char *
toms_context_hint(TomsReason reason)
{
	switch (reason)
	{
		case TOMS_CONTEXT_MISSING:
			return "BEGIN; SELECT set_config('toms.token', $1, true); … COMMIT;";
		case TOMS_CONTEXT_ENDED:
			return toms_context_outlives_transaction() ? "SELECT set_config('toms.token', $1, false);" :
				"Set the token in the transaction that needs it: a context set with SET LOCAL ended with its transaction; was there one?";
		case TOMS_CONTEXT_EXPIRED:
			return "Mint a new token and set it.";
		case TOMS_TENANT_UNKNOWN:
			return psprintf("SELECT toms.add_tenant(%s, name => '…');", quote_literal_cstr(assigned->tenant));
		case TOMS_ROLE_UNKNOWN:
			return psprintf("CREATE ROLE %s;", quote_identifier(assigned->role));
		case TOMS_ROLE_NOT_MEMBER:
			return psprintf("GRANT %s TO %s;", quote_identifier(assigned->role),
							quote_identifier(GetUserNameFromId(GetSessionUserId(), false)));
		case TOMS_PURPOSE_NOT_IN_TOKEN:
			return psprintf("SET LOCAL toms.purpose = %s;", quote_literal_cstr(assigned->purposes[0]));
		default:
			return NULL;
	}
}
