/*
 * claims.c - what a token's header and payload may hold, and the context made of it.
 *
 * Called by token.c with decoded JSON.  Reads into palloc'd memory of the current
 * context; toms_claims_pack() makes the one block that guc.c keeps and frees.
 * No sentence here quotes a claim.
 */
#include "context/context_int.h"

#include "base/compat.h"
#include "base/json.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#define MAX_SECONDS INT64CONST(253402300799)	/* end of the year 9999 */
#define MAX_TEXT 200			/* bytes of an identifier */

typedef struct ClaimsWalk
{
	TomsClaims *claims;
	const char *problem;
} ClaimsWalk;

static const struct
{
	const char *name;
	size_t		offset;
	size_t		max;
}			text_claims[] = {
	{"tenant", offsetof(TomsClaims, tenant), MAX_TEXT},
	{"sub", offsetof(TomsClaims, subject), MAX_TEXT},
	{"role", offsetof(TomsClaims, role), NAMEDATALEN - 1},
	{"jti", offsetof(TomsClaims, jti), MAX_TEXT},
	{"env", offsetof(TomsClaims, environment), MAX_TEXT},
};

static const struct
{
	const char *name;
	size_t		offset;
	size_t		has_offset;
}			time_claims[] = {
	{"exp", offsetof(TomsClaims, exp), offsetof(TomsClaims, has_exp)},
	{"nbf", offsetof(TomsClaims, nbf), offsetof(TomsClaims, has_nbf)},
	{"iat", offsetof(TomsClaims, iat), offsetof(TomsClaims, has_iat)},
};

/* Why a text is not acceptable as an identifier, or NULL. */
static const char *
text_problem(const TomsJsonItem *item, size_t max)
{
	if (item->event != TOMS_JSON_STRING)
		return "is not a string";
	if (item->text[0] == '\0')
		return "is empty";
	if (strlen(item->text) > max)
		return "is too long";
	for (const unsigned char *c = (const unsigned char *) item->text; *c; c++)
	{
		if (*c < 0x20 || *c == 0x7f)
			return "holds a control character";
		if (*c > 0x7f && GetDatabaseEncoding() != PG_UTF8)
			return "holds characters that this database's encoding cannot be relied on for";
	}
	return NULL;
}

/* An integral number of seconds; fractions and exponents are not worth their risk. */
static const char *
seconds_problem(const TomsJsonItem *item, int64 *seconds)
{
	char	   *end;

	if (item->event != TOMS_JSON_NUMBER)
		return "is not a number";
	errno = 0;
	*seconds = strtoll(item->text, &end, 10);
	if (*end != '\0')
		return "is not an integral number of seconds";
	if (errno == ERANGE || *seconds < 0 || *seconds > MAX_SECONDS)
		return "is out of range";
	return NULL;
}

static void
note_problem(ClaimsWalk *walk, const char *claim, const char *problem)
{
	if (problem)
		walk->problem = psprintf("The claim \"%s\" %s.", claim, problem);
}

static void
read_purpose(ClaimsWalk *walk, const TomsJsonItem *item)
{
	TomsClaims *claims = walk->claims;

	note_problem(walk, "purpose", text_problem(item, NAMEDATALEN - 1));
	for (int i = 0; walk->problem == NULL && i < claims->npurposes; i++)
	{
		if (strcmp(claims->purposes[i], item->text) == 0)
			return;
	}
	if (walk->problem == NULL && claims->npurposes == TOMS_MAX_PURPOSES)
		note_problem(walk, "purpose", "holds too many purposes");
	if (walk->problem == NULL)
		claims->purposes[claims->npurposes++] = pstrdup(item->text);
}

static void
read_audience(ClaimsWalk *walk, const TomsJsonItem *item)
{
	TomsClaims *claims = walk->claims;

	note_problem(walk, "aud", text_problem(item, MAX_TEXT));
	if (walk->problem == NULL &&
		(claims->audience == NULL || strcmp(item->text, toms_settings_audience()) == 0))
		claims->audience = pstrdup(item->text);
}

/* A member of the payload itself that is a scalar. */
static void
read_member(ClaimsWalk *walk, const char *name, const TomsJsonItem *item)
{
	for (int i = 0; i < lengthof(text_claims); i++)
	{
		if (strcmp(name, text_claims[i].name) == 0)
		{
			note_problem(walk, name, text_problem(item, text_claims[i].max));
			if (walk->problem == NULL)
				*(char **) ((char *) walk->claims + text_claims[i].offset) = pstrdup(item->text);
			return;
		}
	}
	for (int i = 0; i < lengthof(time_claims); i++)
	{
		if (strcmp(name, time_claims[i].name) == 0)
		{
			note_problem(walk, name,
						 seconds_problem(item, (int64 *) ((char *) walk->claims + time_claims[i].offset)));
			*(bool *) ((char *) walk->claims + time_claims[i].has_offset) = true;
			return;
		}
	}
}

/* purpose, aud, amr may be arrays; act is an object with the member sub. */
static bool
visit_claim(void *arg, const TomsJsonItem *item)
{
	ClaimsWalk *walk = arg;
	const char *name = item->names[1];
	bool		element = item->depth == 2 && item->names[2] == NULL;
	bool		container = item->event >= TOMS_JSON_OBJECT_START;
	bool		is_list = strcmp(name, "purpose") == 0 || strcmp(name, "aud") == 0 || strcmp(name, "amr") == 0;

	if (item->event == TOMS_JSON_OBJECT_END)
		return true;
	if (is_list && item->depth == 1 && item->event == TOMS_JSON_ARRAY_START)
		return true;
	if (is_list && (container || !(item->depth == 1 || element)))
		note_problem(walk, name, "is neither a string nor a list of strings");
	else if (strcmp(name, "purpose") == 0)
		read_purpose(walk, item);
	else if (strcmp(name, "aud") == 0)
		read_audience(walk, item);
	else if (strcmp(name, "amr") == 0)
		walk->claims->mfa |= element && item->event == TOMS_JSON_STRING && strcmp(item->text, "mfa") == 0;
	else if (strcmp(name, "act") == 0 && item->depth == 2 && item->names[2] && strcmp(item->names[2], "sub") == 0)
	{
		note_problem(walk, "act.sub", text_problem(item, MAX_TEXT));
		if (walk->problem == NULL)
			walk->claims->actor = pstrdup(item->text);
	}
	else if (strcmp(name, "act") == 0 && item->depth == 1 && item->event != TOMS_JSON_OBJECT_START)
		note_problem(walk, "act", "is not an object");
	else if (item->depth == 1)
		read_member(walk, name, item);
	return walk->problem == NULL;
}

/* All that says who asks, each text closed by a null byte, which none can hold. */
static void
digest_principal(TomsClaims *claims)
{
	const char *const texts[] = {claims->tenant, claims->subject, claims->actor, claims->role};
	uint8		digest[TOMS_DIGEST_BYTES];
	StringInfoData all;

	initStringInfo(&all);
	for (int i = 0; i < lengthof(texts); i++)
		appendBinaryStringInfo(&all, texts[i], strlen(texts[i]) + 1);
	for (int i = 0; i < claims->npurposes; i++)
		appendBinaryStringInfo(&all, claims->purposes[i], strlen(claims->purposes[i]) + 1);
	appendStringInfoChar(&all, claims->mfa);
	toms_crypto_digest(digest, all.data, all.len, NULL, 0);
	memcpy(claims->principal, digest, TOMS_PRINCIPAL_BYTES);
}

TomsVerdict
toms_claims_read(const char *json, size_t length, TomsClaims *claims)
{
	ClaimsWalk	walk = {.claims = claims};
	const char *problem;
	const char *missing;

	memset(claims, 0, sizeof(*claims));
	problem = toms_json_walk(json, length, visit_claim, &walk);
	if (walk.problem)
		return TOMS_VERDICT(TOMS_TOKEN_CLAIM, walk.problem, NULL);
	if (problem)
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, psprintf("Its payload: %s.", problem), NULL);

	missing = claims->tenant == NULL ? "tenant" : claims->subject == NULL ? "sub" :
		claims->role == NULL ? "role" : claims->npurposes == 0 ? "purpose" :
		!claims->has_exp ? "exp" : NULL;
	if (missing)
		return TOMS_VERDICT(TOMS_TOKEN_CLAIM, psprintf("The claim \"%s\" is missing.", missing), NULL);
	if (claims->actor == NULL)
		claims->actor = claims->subject;
	digest_principal(claims);
	return TOMS_VERDICT_OK;
}

static bool
visit_header(void *arg, const TomsJsonItem *item)
{
	TomsHeader *header = arg;

	if (item->depth != 1)
		return true;
	if (strcmp(item->names[1], "crit") == 0)
		header->has_crit = true;
	if (strcmp(item->names[1], "alg") == 0)
		return item->event == TOMS_JSON_STRING &&
			strlcpy(header->alg, item->text, sizeof(header->alg)) < sizeof(header->alg);
	if (strcmp(item->names[1], "kid") == 0)
	{
		header->has_kid = true;
		return item->event == TOMS_JSON_STRING && item->text[0] &&
			strlcpy(header->kid, item->text, sizeof(header->kid)) < sizeof(header->kid);
	}
	return true;
}

TomsVerdict
toms_header_read(const char *json, size_t length, TomsHeader *header)
{
	const char *problem;

	memset(header, 0, sizeof(*header));
	problem = toms_json_walk(json, length, visit_header, header);
	if (problem)
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, psprintf("Its header: %s.", problem), NULL);
	if (strcmp(header->alg, "EdDSA") != 0)
		return TOMS_VERDICT(TOMS_TOKEN_ALGORITHM, "The only algorithm is EdDSA with Ed25519 (RFC 8037).",
							"The back end mints the token; it does not pass a log-in token on.");
	if (header->has_crit)
		return TOMS_VERDICT(TOMS_TOKEN_CRITICAL, "No critical header parameter is understood.", NULL);
	return TOMS_VERDICT_OK;
}

static const char *
place(char **room, const char *text)
{
	char	   *at = *room;

	strcpy(at, text);
	*room += strlen(text) + 1;
	return at;
}

TomsContext *
toms_claims_pack(const TomsClaims *claims, LocalTransactionId lxid)
{
	size_t		size = sizeof(TomsContext) + strlen(claims->tenant) + strlen(claims->subject) +
		strlen(claims->actor) + strlen(claims->role) + 4;
	TomsContext *context;
	char	   *room;

	for (int i = 0; i < claims->npurposes; i++)
		size += strlen(claims->purposes[i]) + 1;
	context = toms_guc_malloc(size);
	if (context == NULL)
		return NULL;

	memset(context, 0, sizeof(TomsContext));
	room = (char *) (context + 1);
	context->tenant = place(&room, claims->tenant);
	context->subject = place(&room, claims->subject);
	context->actor = place(&room, claims->actor);
	context->role = place(&room, claims->role);
	for (int i = 0; i < claims->npurposes; i++)
		context->purposes[context->npurposes++] = place(&room, claims->purposes[i]);
	context->mfa = claims->mfa;
	context->expires_at = time_t_to_timestamptz(claims->exp);
	context->lxid = lxid;
	memcpy(context->principal, claims->principal, TOMS_PRINCIPAL_BYTES);
	return context;
}
