/*
 * enter.c - toms.enter() and toms.leave(): contexts for jobs, without a token issuer.
 *
 * toms.enter() in SQL decides who may enter what (toms.enter_permission); the function
 * here makes a token with the key "enter" of the keyring and sets it like any other, so
 * that it passes the same check hook, expires and ends like any other.
 */
#include "context/context_int.h"

#include "base/compat.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(toms_mint_context);
PG_FUNCTION_INFO_V1(toms_create_enter_key);
PG_FUNCTION_INFO_V1(toms_leave);

static void
set_token(const char *token, GucAction action)
{
	set_config_option("toms.token", token, PGC_USERSET, PGC_S_SESSION, action, true, 0, false);
}

static void
append_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, ",\"%s\":", name);
	escape_json(json, text);
}

/* The claim set; audience and environment are this server's own. */
static char *
claims_json(const char *tenant, const char *subject, const char *role, const char *purpose,
			const char *actor, int64 seconds)
{
	int64		now = (int64) time(NULL);
	uint8		id[16];
	StringInfoData json;

	toms_crypto_random(id, sizeof(id));
	initStringInfo(&json);
	appendStringInfo(&json, "{\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT, now, now + seconds);
	append_member(&json, "jti", toms_base64url_encode(id, sizeof(id)));
	append_member(&json, "tenant", tenant);
	append_member(&json, "sub", subject);
	append_member(&json, "role", role);
	append_member(&json, "purpose", purpose);
	if (toms_settings_audience()[0])
		append_member(&json, "aud", toms_settings_audience());
	if (toms_settings_environment()[0])
		append_member(&json, "env", toms_settings_environment());
	if (actor)
	{
		appendStringInfoString(&json, ",\"act\":{\"sub\":");
		escape_json(&json, actor);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

static char *
sign_token(const char *claims)
{
	static const char header[] = "{\"alg\":\"EdDSA\",\"kid\":\"" TOMS_ENTER_KID "\"}";
	const uint8 *seed = toms_keyring_seed(TOMS_ENTER_KEY);
	uint8		signature[TOMS_SIGNATURE_BYTES];
	char	   *signed_part;

	if (seed == NULL)
	{
		TomsRefusal refusal = {.reason = TOMS_KEYRING,.detail = "The keyring holds no key for toms.enter().",
		.hint = "SELECT toms.allow_enter(…) makes it."};

		toms_refuse(&refusal);
	}
	signed_part = psprintf("%s.%s", toms_base64url_encode((const uint8 *) header, strlen(header)),
						   toms_base64url_encode((const uint8 *) claims, strlen(claims)));
	toms_crypto_sign(signature, signed_part, strlen(signed_part), seed);
	return psprintf("%s.%s", signed_part, toms_base64url_encode(signature, sizeof(signature)));
}

/* A text argument, or NULL. */
static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static char *
required_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
	return text_argument(fcinfo, n);
}

static void
check_membership(const char *role)
{
	Oid			roleid = get_role_oid(role, true);
	char	   *login = GetUserNameFromId(GetSessionUserId(), false);

	if (!OidIsValid(roleid) || !toms_may_act_as(GetSessionUserId(), roleid))
	{
		TomsRefusal refusal = {.reason = OidIsValid(roleid) ? TOMS_ROLE_NOT_MEMBER : TOMS_ROLE_UNKNOWN,
			.detail = psprintf("Log-in \"%s\" cannot act as \"%s\".", login, role),
		.hint = psprintf("GRANT %s TO %s;", quote_identifier(role), quote_identifier(login))};

		toms_refuse(&refusal);
	}
}

/* toms.mint_context(tenant, subject, role, purpose, actor, seconds, is_local) */
Datum
toms_mint_context(PG_FUNCTION_ARGS)
{
	char	   *tenant = required_argument(fcinfo, 0, "tenant");
	char	   *subject = required_argument(fcinfo, 1, "subject");
	char	   *role = required_argument(fcinfo, 2, "role");
	char	   *purpose = required_argument(fcinfo, 3, "purpose");
	char	   *claims;

	if (toms_settings_is_test())
		toms_context_forget_transaction();
	if (toms_context_in_transaction())
	{
		TomsRefusal refusal = {.reason = TOMS_ENTER_NOT_ALLOWED,
			.detail = "This transaction already had a context.",
		.hint = "End the transaction first; toms.enter() is for jobs, never for the log-in that runs requests."};

		toms_refuse(&refusal);
	}
	if (!PG_GETARG_BOOL(6) && !toms_context_outlives_transaction())
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("the context ends with its transaction all the same"),
				 errhint("ALTER ROLE … SET toms.session_context = on; lets it live longer.")));
	check_membership(role);
	claims = claims_json(tenant, subject, role, purpose, text_argument(fcinfo, 4), PG_GETARG_INT64(5));
	ereport(LOG_SERVER_ONLY,
			(errmsg("toms entered: tenant=%s role=%s purpose=%s login=%s", tenant, role, purpose,
					GetUserNameFromId(GetSessionUserId(), false)),
			 errhidestmt(true), errhidecontext(true)));
	set_token(sign_token(claims), PG_GETARG_BOOL(6) ? GUC_ACTION_LOCAL : GUC_ACTION_SET);
	PG_RETURN_VOID();
}

Datum
toms_create_enter_key(PG_FUNCTION_ARGS)
{
	toms_keyring_create(TOMS_ENTER_KEY);
	PG_RETURN_VOID();
}

/* '' rather than RESET: a token given at start-up would come back. */
Datum
toms_leave(PG_FUNCTION_ARGS)
{
	set_token("", GUC_ACTION_SET);
	PG_RETURN_VOID();
}
