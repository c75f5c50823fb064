/*
 * words.c - what is said about the context in errors and records.
 *
 * Called by policy and guard when they refuse.
 */
#include "context/context_int.h"

#include "miscadmin.h"
#include "utils/builtins.h"

const char *
toms_context_who(void)
{
	const TomsContext *assigned = toms_context_assigned();
	const char *purpose;

	if (assigned == NULL)
		return "no context";
	purpose = toms_context_check() == TOMS_OK ? toms_context_purpose() : toms_context_chosen_purpose();
	return psprintf("tenant=%s role=%s purpose=%s", assigned->tenant, assigned->role,
					purpose ? purpose : "-");
}

static char *
purpose_list(const TomsContext *assigned)
{
	char	   *list = pstrdup(assigned->purposes[0]);

	for (int i = 1; i < assigned->npurposes; i++)
		list = psprintf("%s, %s", list, assigned->purposes[i]);
	return list;
}

/* The chosen one, else the only one. */
static const char *
excluded_purpose(const TomsContext *assigned)
{
	const char *chosen = toms_context_chosen_purpose();

	return chosen ? chosen : assigned->purposes[0];
}

const char *
toms_context_detail(TomsReason reason)
{
	const TomsContext *assigned = toms_context_assigned();

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
			return psprintf("%s is \"%s\"; the token holds: %s.", toms_context_in_frame() ? "The access function's purpose" : "toms.purpose",
							toms_context_chosen_purpose(), purpose_list(assigned));
		case TOMS_PURPOSE_EXCLUDED:
			return psprintf("Purpose \"%s\" is excluded.", excluded_purpose(assigned));
		default:
			return NULL;
	}
}

const char *
toms_context_hint(TomsReason reason)
{
	const TomsContext *assigned = toms_context_assigned();

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
		case TOMS_PURPOSE_EXCLUDED:
			return "SELECT * FROM toms.purposes WHERE NOT excluded;";
		default:
			return NULL;
	}
}
