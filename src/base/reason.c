/*
 * reason.c - raises and records refusals.
 *
 * Called by every slice that refuses.  A refusal is written to the server log before
 * the error is raised, since an EXCEPTION block may swallow the error.  The statement's
 * text and the context are kept out of the log in both, for they may hold a token or a
 * health value.
 *
 * The counter is atomic and needs no lock.
 */
#include "base/reason.h"

#include "access/xact.h"
#include "base/name.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

typedef struct ReasonInfo
{
	const char *code;
	int			sqlstate;
	const char *text;
} ReasonInfo;

static const ReasonInfo reasons[] = {
	[TOMS_OK] = {"toms_ok", 0, "permitted"},
#define TOMS_REASON(name, code, sqlstate, text) [TOMS_##name] = {code, sqlstate, text},
#include "base/reason_list.h"
#undef TOMS_REASON
};

static pg_atomic_uint64 *refusals = NULL;

bool		toms_is_probing = false;

void		(*toms_refusal_listener) (const TomsRefusal *refusal, const char *action) = NULL;

PG_FUNCTION_INFO_V1(toms_sql_refuse);

const char *
toms_reason_code(TomsReason reason)
{
	return reasons[reason].code;
}

const char *
toms_reason_text(TomsReason reason)
{
	return reasons[reason].text;
}

int
toms_reason_sqlstate(TomsReason reason)
{
	return reasons[reason].sqlstate;
}

Size
toms_reason_shmem_size(void)
{
	return sizeof(pg_atomic_uint64);
}

void
toms_reason_shmem_init(bool found, void *area)
{
	refusals = area;
	if (!found)
		pg_atomic_init_u64(refusals, 0);
}

uint64
toms_refusal_count(void)
{
	return refusals ? pg_atomic_read_u64(refusals) : 0;
}

TomsReason
toms_reason_by_code(const char *code)
{
	for (int i = 0; i < TOMS_REASON_COUNT; i++)
	{
		if (strcmp(reasons[i].code, code) == 0)
			return (TomsReason) i;
	}
	elog(ERROR, "there is no reason \"%s\"", code);
}

/* Name of the session's user, also before log-in is complete. */
static const char *
login_name(void)
{
	char	   *name = NULL;

	if (IsTransactionState() && OidIsValid(GetSessionUserId()))
		name = GetUserNameFromId(GetSessionUserId(), true);
	return name ? name : "-";
}

void
toms_record_refusal(const TomsRefusal *refusal, const char *action)
{
	const char *table = OidIsValid(refusal->relid) ? toms_relation_name(refusal->relid) : "-";

	if (!toms_is_probing)
		ereport(LOG_SERVER_ONLY,
				(errmsg("toms %s %s: table=%s login=%s %s", action,
						toms_reason_code(refusal->reason), table, login_name(),
						refusal->who ? refusal->who : "-"),
				 errhidestmt(true), errhidecontext(true)));
	if (toms_refusal_listener)
		toms_refusal_listener(refusal, action);
}

/* toms.refuse(code, detail, hint): for the declarations that are written in SQL. */
Datum
toms_sql_refuse(PG_FUNCTION_ARGS)
{
	TomsRefusal refusal = {.reason = toms_reason_by_code(text_to_cstring(PG_GETARG_TEXT_PP(0))),
		.detail = text_to_cstring(PG_GETARG_TEXT_PP(1)),
	.hint = text_to_cstring(PG_GETARG_TEXT_PP(2))};

	toms_refuse(&refusal);
}

/* Error field: the table, with its schema. */
static int
error_table(Oid relid)
{
	err_generic_string(PG_DIAG_SCHEMA_NAME, get_namespace_name(get_rel_namespace(relid)));
	err_generic_string(PG_DIAG_TABLE_NAME, get_rel_name(relid));
	return 0;
}

void
toms_refuse(const TomsRefusal *refusal)
{
	const char *text = toms_reason_text(refusal->reason);
	char	   *table = OidIsValid(refusal->relid) ? get_rel_name(refusal->relid) : NULL;

	if (refusals && !toms_is_probing)
		pg_atomic_fetch_add_u64(refusals, 1);
	toms_record_refusal(refusal, "refused");
	ereport(ERROR,
			(errcode(toms_reason_sqlstate(refusal->reason)),
			 table ? errmsg("access to \"%s\" refused: %s", table, text)
			 : errmsg("%s", text),
			 refusal->detail ? errdetail("%s", refusal->detail) : 0,
			 refusal->hint ? errhint("%s", refusal->hint) : 0,
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, toms_reason_code(refusal->reason)),
			 table ? error_table(refusal->relid) : 0,
			 errhidestmt(true), errhidecontext(true)));
}
