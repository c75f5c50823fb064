/*
 * decide.c - the decision on a relation, a verb set and the context in force.
 *
 * Called by qual.c (scope of rows) and by guard (refusals, explain_access), so that both
 * walls follow one rule: for each verb some permission in force, held by the context's role
 * or by a role whose privileges it has, names the category, the verb and the purpose, and the
 * second factor is there if it demands one.  Default is nothing.
 */
#include "policy/policy_int.h"

#include "base/change.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static bool
names_purpose(const TomsPermission *permission, const char *purpose)
{
	for (int i = 0; purpose && i < permission->npurposes; i++)
	{
		if (strcmp(permission->purposes[i], purpose) == 0)
			return true;
	}
	return false;
}

/* A permission that names no category is for the table's own. */
static bool
names_category(const TomsRelation *relation, const TomsPermission *permission, const char *category)
{
	if (permission->ncategories == 0)
		return strcmp(relation->category, category) == 0;
	for (int i = 0; i < permission->ncategories; i++)
	{
		if (strcmp(permission->categories[i], category) == 0)
			return true;
	}
	return false;
}

/* Without a category: for any that rows of the table can have. */
static bool
concerns(const TomsRelation *relation, const TomsPermission *permission, const char *category)
{
	if (category)
		return names_category(relation, permission, category);
	if (names_category(relation, permission, relation->category))
		return true;
	for (int i = 0; i < relation->nrow_labels; i++)
	{
		if (names_category(relation, permission, relation->row_labels[i].category))
			return true;
	}
	return false;
}

static bool
in_force(const TomsPermission *permission, Oid role, TimestampTz now)
{
	return permission->valid_from <= now && now < permission->valid_until &&
		has_privs_of_role(role, permission->role);
}

/* The furthest that any permission gets decides what is said to be missing. */
static TomsReason
weigh(const TomsRelation *relation, const TomsAsker *asker, AclMode verb, const char *category,
	  TimestampTz now, bool *scope_tenant)
{
	TomsReason	reason = TOMS_PERMISSION_MISSING;

	for (int i = 0; i < relation->npermissions; i++)
	{
		const TomsPermission *permission = &relation->permissions[i];

		if (!in_force(permission, asker->role, now))
			continue;
		if (!concerns(relation, permission, category))
		{
			if (reason == TOMS_PERMISSION_MISSING)
				reason = TOMS_CATEGORY_NOT_PERMITTED;
		}
		else if ((permission->verbs & verb) == 0)
		{
			if (reason == TOMS_PERMISSION_MISSING || reason == TOMS_CATEGORY_NOT_PERMITTED)
				reason = TOMS_VERB_NOT_PERMITTED;
		}
		else if (!names_purpose(permission, asker->purpose))
		{
			if (reason != TOMS_OK && reason != TOMS_MFA_REQUIRED)
				reason = asker->purpose ? TOMS_PURPOSE_NOT_PERMITTED : TOMS_PURPOSE_MISSING;
		}
		else if (permission->require_mfa && !asker->context->mfa)
		{
			if (reason != TOMS_OK)
				reason = TOMS_MFA_REQUIRED;
		}
		else
		{
			reason = TOMS_OK;
			*scope_tenant |= permission->scope_tenant;
		}
	}
	return reason;
}

/* Where the tenant is a parent's the parent's column decides, if it can be told. */
static bool
identifiers_fit(const TomsRelation *relation, const TomsContext *context, bool scope_tenant)
{
	Oid			subject_type = toms_alias_canonical_type(relation);
	Datum		value;

	return (!OidIsValid(relation->tenant_type) || toms_identifier_value(context->tenant, relation->tenant_type, &value)) &&
		(scope_tenant || toms_identifier_value(context->subject, subject_type, &value));
}

/*
 * What the permissions on a relation say to a role with a purpose; the context has no other
 * part in it.  It holds until something is configured, or a permission begins or ends.
 */
typedef struct Judgement
{
	uint64		configuration;	/* what toms_configuration_count was; 0: none */
	TimestampTz holds_until;
	Oid			role;
	bool		mfa;
	AclMode		verbs;
	char		purpose[NAMEDATALEN];	/* empty: none is in force */
	char		category[NAMEDATALEN];	/* empty: any */

	TomsReason	reason;
	bool		scope_tenant;
	AclMode		missing;
	uint64		fitted;			/* what toms_change_count was when tenant and subject fitted */
} Judgement;

/*
 * The last ones on a relation: a statement asks for the same ones several times, and a pool's connection serves many
 * roles and purposes in turn.  Few are needed mostly, so each is made when it is.
 */
#define MOST_KEPT 128

typedef struct TomsJudgements
{
	uint64		configuration;	/* under which they were made; those of an earlier one are written over first */
	int			count;
	int			next;
	Judgement  *kept[MOST_KEPT];
} TomsJudgements;

/* When the next permission begins or ends. */
static TimestampTz
next_change(const TomsRelation *relation, TimestampTz now)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < relation->npermissions; i++)
	{
		if (relation->permissions[i].valid_from > now)
			next = Min(next, relation->permissions[i].valid_from);
		if (relation->permissions[i].valid_until > now)
			next = Min(next, relation->permissions[i].valid_until);
	}
	return next;
}

/* Scope is tenant only if every verb has it: the narrowest verb speaks for all. */
static void
judge(const TomsRelation *relation, const TomsAsker *asker, AclMode verbs, const char *category,
	  Judgement *judgement)
{
	TimestampTz now = GetCurrentTimestamp();

	judgement->configuration = toms_configuration_count;
	judgement->holds_until = next_change(relation, now);
	judgement->role = asker->role;
	judgement->mfa = asker->context->mfa;
	judgement->verbs = verbs;
	strlcpy(judgement->purpose, asker->purpose ? asker->purpose : "", NAMEDATALEN);
	strlcpy(judgement->category, category ? category : "", NAMEDATALEN);
	judgement->reason = TOMS_OK;
	judgement->scope_tenant = true;
	judgement->missing = 0;
	judgement->fitted = 0;
	for (AclMode verb = 1; verb <= verbs; verb <<= 1)
	{
		bool		scope_tenant = false;
		TomsReason	reason;

		if ((verbs & verb) == 0)
			continue;
		reason = weigh(relation, asker, verb, category, now, &scope_tenant);
		if (reason != TOMS_OK)
			judgement->missing |= verb;
		if (judgement->reason == TOMS_OK)
			judgement->reason = reason;
		judgement->scope_tenant &= scope_tenant;
	}
}

/* Anybody can ask for any category by calling a policy's function. */
static bool
is_keepable(const char *category)
{
	return category == NULL || (category[0] != '\0' && strlen(category) < NAMEDATALEN);
}

static Judgement *
find_kept(const TomsRelation *relation, const TomsAsker *asker, AclMode verbs, const char *category)
{
	for (int i = 0; relation->judgements && i < relation->judgements->count; i++)
	{
		Judgement  *kept = relation->judgements->kept[i];

		if (kept->configuration == toms_configuration_count && kept->verbs == verbs &&
			kept->role == asker->role && kept->mfa == asker->context->mfa &&
			strcmp(kept->category, category ? category : "") == 0 &&
			strcmp(kept->purpose, asker->purpose ? asker->purpose : "") == 0 &&
			(kept->holds_until == DT_NOEND || GetCurrentTimestamp() < kept->holds_until))
			return kept;
	}
	return NULL;
}

/* One that was overtaken by a change while it was made is not found again. */
static Judgement *
keep(TomsRelation *relation, const Judgement *judgement)
{
	TomsJudgements *all = relation->judgements;
	Judgement **kept;

	if (all == NULL)
		all = relation->judgements = MemoryContextAllocZero(toms_relation_context(relation), sizeof(TomsJudgements));
	if (all->configuration != toms_configuration_count)
		all->next = 0;
	all->configuration = toms_configuration_count;
	kept = &all->kept[all->next];
	if (*kept == NULL)
		*kept = MemoryContextAlloc(toms_relation_context(relation), sizeof(Judgement));
	**kept = *judgement;
	all->next = (all->next + 1) % MOST_KEPT;
	all->count = Max(all->count, (int) (kept - all->kept) + 1);
	return *kept;
}

TomsDecision
toms_policy_decide(TomsRelation *relation, AclMode verbs, const char *category)
{
	TomsDecision decision = {.scope_tenant = true,.category = category};
	Judgement	fresh;
	Judgement  *judgement;
	uint64		changes;

	decision.reason = toms_context_ask(&decision.asker);
	if (decision.reason == TOMS_OK && toms_context_is_own_work_on(relation->root))
		return decision;
	if (decision.reason == TOMS_OK && decision.asker.aggregate)
		decision.reason = TOMS_PURPOSE_AGGREGATE;
	if (decision.reason == TOMS_OK && relation->through_functions && !toms_context_in_frame())
		decision.reason = TOMS_ACCESS_FUNCTION;
	if (decision.reason != TOMS_OK)
		return decision;
	changes = toms_change_count;
	judgement = is_keepable(category) ? find_kept(relation, &decision.asker, verbs, category) : NULL;
	if (judgement == NULL)
	{
		judge(relation, &decision.asker, verbs, category, &fresh);
		judgement = is_keepable(category) ? keep(relation, &fresh) : &fresh;
	}
	decision.reason = judgement->reason;
	decision.scope_tenant = judgement->scope_tenant;
	decision.missing = judgement->missing;
	if (decision.reason != TOMS_OK || judgement->fitted == toms_change_count)
		return decision;
	if (identifiers_fit(relation, decision.asker.context, decision.scope_tenant))
		judgement->fitted = changes;
	else
		decision.reason = relation->alias.id && !OidIsValid(toms_alias_canonical_type(relation)) ?
			TOMS_PROTECTION_INCOMPLETE : TOMS_IDENTIFIER_TYPE;
	return decision;
}

/* The scope that a role has on the relation already is the one to propose. */
static const char *
proposed_scope(const TomsRelation *relation, Oid role)
{
	for (int i = 0; i < relation->npermissions; i++)
	{
		if (relation->permissions[i].scope_tenant &&
			has_privs_of_role(role, relation->permissions[i].role))
			return "tenant";
	}
	return relation->subject ? "own" : "tenant";
}

/* A text[] of one element as a literal. */
static char *
array_literal(const char *element)
{
	Datum		text = CStringGetTextDatum(element);

	return quote_literal_cstr(OidOutputFunctionCall(F_ARRAY_OUT,
													PointerGetDatum(construct_array(&text, 1, TEXTOID, -1, false, TYPALIGN_INT))));
}

static char *
permit_call(const TomsRelation *relation, const TomsDecision *decision)
{
	const TomsAsker *asker = &decision->asker;

	return psprintf("SELECT toms.permit(role => %s, relation => %s, verbs => '{%s}', purposes => %s, scope => '%s'%s);",
					quote_literal_cstr(asker->context->role),
					quote_literal_cstr(toms_relation_name(relation->root)),
					toms_verb_text(decision->missing), array_literal(asker->purpose ? asker->purpose : "…"),
					proposed_scope(relation, asker->role),
					decision->category && strcmp(decision->category, relation->category) != 0 ?
					psprintf(", categories => %s", array_literal(decision->category)) : "");
}

const char *
toms_policy_detail(const TomsRelation *relation, const TomsDecision *decision)
{
	const TomsAsker *asker = &decision->asker;

	switch (decision->reason)
	{
		case TOMS_PERMISSION_MISSING:
			return psprintf("Role \"%s\" has no permission for %s.", asker->context->role, toms_relation_name(relation->root));
		case TOMS_CATEGORY_NOT_PERMITTED:
			return psprintf("Role \"%s\" is not permitted to %s rows of category \"%s\".", asker->context->role,
							toms_verb_text(decision->missing), decision->category ? decision->category : relation->category);
		case TOMS_VERB_NOT_PERMITTED:
			return psprintf("Role \"%s\" is not permitted to %s.", asker->context->role, toms_verb_text(decision->missing));
		case TOMS_PURPOSE_NOT_PERMITTED:
			return psprintf("Role \"%s\" is not permitted to %s for purpose \"%s\".", asker->context->role,
							toms_verb_text(decision->missing), asker->purpose);
		case TOMS_PURPOSE_AGGREGATE:
			return psprintf("Purpose \"%s\" answers for groups of persons, by toms.statistic().", asker->purpose);
		case TOMS_ACCESS_FUNCTION:
			return psprintf("No access function is running; \"%s\" is the purpose of this statement itself.", asker->purpose ? asker->purpose : "none");
		case TOMS_PURPOSE_MISSING:
			return "The token holds several purposes; exactly one must be in force.";
		case TOMS_MFA_REQUIRED:
			return "The claim \"amr\" of the token does not hold \"mfa\" (RFC 8176).";
		case TOMS_PROTECTION_INCOMPLETE:
			return "The table of persons in which its subject alias was declared, or the declaration, is gone.";
		case TOMS_IDENTIFIER_TYPE:
			return "Tenant or subject of the context is not written as a value of the column's type.";
		default:
			return toms_context_detail(decision->reason);
	}
}

const char *
toms_policy_hint(const TomsRelation *relation, const TomsDecision *decision)
{
	switch (decision->reason)
	{
		case TOMS_PERMISSION_MISSING:
		case TOMS_CATEGORY_NOT_PERMITTED:
		case TOMS_VERB_NOT_PERMITTED:
		case TOMS_PURPOSE_NOT_PERMITTED:
			return permit_call(relation, decision);
		case TOMS_PURPOSE_MISSING:
			return "SET LOCAL toms.purpose = '…'; SELECT purposes FROM toms.context() shows the choice.";
		case TOMS_PURPOSE_AGGREGATE:
			return "SELECT * FROM toms.statistic('…');";
		case TOMS_ACCESS_FUNCTION:
			return "Call the access function that is there for it; for officers: SELECT * FROM toms.access_functions;";
		case TOMS_PROTECTION_INCOMPLETE:
			return "SELECT toms.add_subject_alias(…); then toms.protect(…, subject_alias => '…') again.";
		case TOMS_MFA_REQUIRED:
			return "Log in with a second factor and mint a new token.";
		default:
			return toms_context_hint(decision->reason);
	}
}
