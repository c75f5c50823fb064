/*
 * reveal.c - toms.reveal() and its kin: plain values, for who is permitted the table.
 *
 * The key of a value says whose it is: tenant, subject and table.  The context must be of that
 * tenant and be permitted to select rows of every category of the table, in scope own of that
 * subject only.  A limit on the rows of that person, restricted or having objected, holds for values that somebody took
 * along, too.  Another tenant's value, one of a key that is not known, and a damaged one get the same
 * answer.  Each call site keeps the decision until toms_change_count changes.
 *
 * Whose values are opened goes into the audit trail, once in a transaction: see reveal_event.c.
 */
#include "seal/seal_int.h"

#include <time.h>

#include "base/change.h"
#include "base/secret.h"
#include "catalog/pg_type.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

typedef struct RevealSite
{
	TomsSealedType type;		/* of the function's argument */
	uint64		changes;		/* what toms_change_count was; 0: nothing was decided */
	TimestampTz expires_at;		/* of the context; PL/pgSQL keeps call sites over statements */
	Oid			relid;			/* the table it was decided on */
	bool		all_subjects;	/* scope tenant */
	bool		limited;		/* some of the tenant's are restricted, or have objected */
	char		tenant[TOMS_IDENTIFIER_BYTES];
	char		subject[TOMS_IDENTIFIER_BYTES]; /* as the table writes it; empty: nobody */
} RevealSite;

PG_FUNCTION_INFO_V1(toms_reveal);
PG_FUNCTION_INFO_V1(toms_reveal_in);
PG_FUNCTION_INFO_V1(toms_is_erased);

void
toms_refuse_unreadable(void)
{
	TomsRefusal refusal = {.reason = TOMS_SEALED_UNREADABLE,
		.detail = "It was sealed for another tenant, with a key that this database does not have, or it has been changed.",
	.hint = "SELECT * FROM toms.verify_sealed('…'); names the values of a table that do not belong there."};

	toms_refuse(&refusal);
}

static void
refuse_pending(void)
{
	TomsRefusal refusal = {.reason = TOMS_SEALED_PENDING,
		.detail = "A value is bound to its data subject when it is written to a protected table.",
	.hint = "Write it to a table first; a copy of it somewhere else is worth nothing."};

	toms_refuse(&refusal);
}

static void
refuse_destroyed(const TomsDataKey *key)
{
	TomsRefusal refusal = {.reason = TOMS_KEY_DESTROYED,.relid = key->relid,
		.detail = "The data subject, the row's period or the tenant has been erased by key.",
	.hint = "Nobody can open it any more; toms.is_erased() tells which values are so."};

	toms_refuse(&refusal);
}

static void
refuse_subject(const TomsDataKey *key)
{
	TomsRefusal refusal = {.reason = TOMS_ROW_OTHER_SUBJECT,.relid = key->relid,.who = toms_context_who(),
		.detail = "In scope own only values of the context's own data subject are revealed.",
	.hint = "SELECT toms.permit(…, scope => 'tenant');"};

	toms_refuse(&refusal);
}

static void
refuse_decision(const TomsRelation *relation, const TomsDecision *decision)
{
	TomsRefusal refusal = {.reason = decision->reason,.relid = relation->root,.who = toms_context_who(),
		.detail = toms_policy_detail(relation, decision),
	.hint = toms_policy_hint(relation, decision)};

	toms_refuse(&refusal);
}

/* Who asks; refuses without a context in force. */
static void
renew(RevealSite *site)
{
	TomsReason	reason = toms_context_check();

	if (reason == TOMS_OK && toms_context_expired_now())
		reason = TOMS_CONTEXT_EXPIRED;
	if (reason != TOMS_OK)
	{
		TomsRefusal refusal = {.reason = reason,.detail = toms_context_detail(reason),.hint = toms_context_hint(reason)};

		toms_refuse(&refusal);
	}
	site->changes = toms_change_count;
	site->expires_at = toms_context_expires_at();
	site->relid = InvalidOid;
	strlcpy(site->tenant, toms_context_get()->tenant, sizeof(site->tenant));
}

/* Refuse rows of a category, or return whether those of all subjects are permitted. */
static bool
permits_all(TomsRelation *relation, const char *category, TomsAsker *asker)
{
	TomsDecision decision = toms_policy_decide(relation, ACL_SELECT, category);

	if (decision.reason != TOMS_OK)
		refuse_decision(relation, &decision);
	*asker = decision.asker;
	return decision.scope_tenant;
}

/*
 * Refuse, or take the decision on a table down.  Of which category the value's row is cannot be
 * told from the value: every category of the table must be permitted.
 */
static void
decide(RevealSite *site, Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);
	TomsAsker	asker;
	bool		all;
	Datum		subject;

	if (relation == NULL || relation->subject == 0)
		toms_refuse_unreadable();
	all = permits_all(relation, relation->category, &asker);
	for (int i = 0; i < relation->nrow_labels; i++)
		all &= permits_all(relation, relation->row_labels[i].category, &asker);
	site->relid = relid;
	site->all_subjects = all;
	site->limited = toms_policy_is_limited(relation, NULL);
	if (all ||
		!toms_alias_subject(relation, asker.context, relation->subject_type, &subject) ||
		!toms_identifier_text(relation->subject_type, subject, site->subject))
		site->subject[0] = '\0';
}

/* The key of a value of the context's tenant, destroyed or not. */
static const TomsDataKey *
key_of_tenant(RevealSite *site, int64 id)
{
	const TomsDataKey *key;

	if (site->changes != toms_change_count || site->expires_at <= time_t_to_timestamptz(time(NULL)))
		renew(site);
	key = toms_data_key_find(id);
	if (key == NULL || strcmp(site->tenant, key->tenant) != 0)
		toms_refuse_unreadable();
	return key;
}

/* Looking up the person may let the key go. */
static void
refuse_limited(const TomsDataKey *key)
{
	TomsRefusal refusal = {.relid = key->relid,.who = toms_context_who()};

	refusal.reason = toms_policy_limit_on_named(key->relid, NULL, pstrdup(key->subject));
	if (refusal.reason == TOMS_OK)
		return;
	toms_policy_tell_limit(&refusal);
	toms_refuse(&refusal);
}

/* The key of a value that the context may open. */
static const TomsDataKey *
permitted_key(RevealSite *site, int64 id)
{
	const TomsDataKey *key = key_of_tenant(site, id);

	if (site->relid != key->relid)
	{
		decide(site, key->relid);
		key = key_of_tenant(site, id);	/* looking up the table may have let it go */
	}
	if (key->bytes == NULL)
		refuse_destroyed(key);
	if (!site->all_subjects && (site->subject[0] == '\0' || strcmp(site->subject, key->subject) != 0))
		refuse_subject(key);
	if (site->limited)
	{
		refuse_limited(key);
		key = key_of_tenant(site, id);
	}
	return key;
}

const TomsDataKey *
toms_reveal_key(int64 id)
{
	RevealSite	site = {.changes = 0};

	return permitted_key(&site, id);
}

static RevealSite *
site_of(FunctionCallInfo fcinfo)
{
	RevealSite *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
	{
		Oid		   *arguments;
		int			count;

		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(RevealSite));
		(void) get_func_signature(fcinfo->flinfo->fn_oid, &arguments, &count);
		site->type = toms_sealed_type(arguments[0]);
		fcinfo->flinfo->fn_extra = site;
	}
	return site;
}

static Datum
open_value(const TomsEnvelope *envelope, const TomsDataKey *key)
{
	uint8		few[TOMS_CODE_WORD_BYTES];
	bool		fits = envelope->plain_length <= sizeof(few);
	uint8	   *plain = fits ? few : palloc(envelope->plain_length);
	Datum		value;

	if (!toms_envelope_open(envelope, key->bytes, plain))
		toms_refuse_unreadable();
	value = toms_plain_to_datum(envelope->type, plain, envelope->plain_length);
	toms_secret_wipe(plain, envelope->plain_length);
	if (!fits)
		pfree(plain);
	return value;
}

static void
read_value(FunctionCallInfo fcinfo, RevealSite *site, TomsEnvelope *envelope)
{
	if (!toms_envelope_read(PG_GETARG_VARLENA_PP(0), envelope) || envelope->type != site->type)
		toms_refuse_unreadable();
	if (envelope->key_id == 0)
		refuse_pending();
}

/* The same, once it is told whose value is opened.  That looks things up and may wait, so the answer comes last. */
static const TomsDataKey *
told_key(RevealSite *site, int64 id)
{
	if (!toms_reveal_is_told(id))
		toms_reveal_tell(permitted_key(site, id));
	return permitted_key(site, id);
}

/* toms.reveal(value) */
Datum
toms_reveal(PG_FUNCTION_ARGS)
{
	RevealSite *site = site_of(fcinfo);
	TomsEnvelope envelope;

	read_value(fcinfo, site, &envelope);
	return open_value(&envelope, told_key(site, envelope.key_id));
}

static bool
has_column(Oid relid, uint32 id)
{
	const TomsRelation *relation = toms_catalog_relation(relid);

	for (int i = 0; relation && i < relation->nsealed; i++)
	{
		if (relation->sealed[i].id == id)
			return true;
	}
	return false;
}

/* toms.reveal(value, relation, subject): the value must have been sealed for that table and subject. */
Datum
toms_reveal_in(PG_FUNCTION_ARGS)
{
	RevealSite *site = site_of(fcinfo);
	char	   *subject = text_to_cstring(PG_GETARG_TEXT_PP(2));
	const TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(1));
	Oid			root = relation ? relation->root : InvalidOid;
	TomsEnvelope envelope;
	const TomsDataKey *key;
	bool		known_column;

	read_value(fcinfo, site, &envelope);
	known_column = has_column(root, envelope.column_id);
	key = permitted_key(site, envelope.key_id);
	if (key->relid != root || strcmp(key->subject, subject) != 0 || !known_column)
	{
		TomsRefusal refusal = {.reason = TOMS_SEALED_ELSEWHERE,.relid = root,
			.detail = "It was sealed for another table, column or data subject.",
		.hint = "SELECT * FROM toms.verify_sealed('…'); names the values of a table that do not belong there."};

		toms_refuse(&refusal);
	}
	return open_value(&envelope, told_key(site, envelope.key_id));
}

/* toms.is_erased(value): whether its key has been destroyed, of the context's tenant's values. */
Datum
toms_is_erased(PG_FUNCTION_ARGS)
{
	RevealSite *site = site_of(fcinfo);
	TomsEnvelope envelope;

	read_value(fcinfo, site, &envelope);
	PG_RETURN_BOOL(key_of_tenant(site, envelope.key_id)->bytes == NULL);
}
