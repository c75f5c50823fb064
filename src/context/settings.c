/*
 * settings.c - the settings of slice context, and the tests that depend on them alone.
 *
 * Called by token.c (what a token must satisfy) and context.c (when a context holds; the
 * setting toms.token itself is defined there).  A client may set toms.token, toms.purpose
 * and toms.reason, nothing else.
 */
#include "context/context_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "access/parallel.h"
#include "base/change.h"
#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_passes_unencrypted);

typedef enum RequireTls
{
	REQUIRE_TLS_OFF,
	REQUIRE_TLS_REMOTE,
	REQUIRE_TLS_ON
} RequireTls;

void		(*toms_context_reason_listener) (const char *reason) = NULL;

static const struct config_enum_entry require_tls_options[] = {
	{"off", REQUIRE_TLS_OFF, false},
	{"remote", REQUIRE_TLS_REMOTE, false},
	{"on", REQUIRE_TLS_ON, false},
	{NULL, 0, false}
};

static const struct config_enum_entry missing_options[] = {
	{"error", false, false},
	{"empty", true, false},
	{NULL, 0, false}
};

static char *purpose = NULL;
static char *stated_reason = NULL;
static char *jwks_file = NULL;
static char *audience = NULL;
static char *environment = NULL;
static int	max_token_age = 3600;
static int	clock_leeway = 5;
static int	require_tls = REQUIRE_TLS_REMOTE;
static bool session_context = false;
static bool single_use_tokens = false;
static int	on_missing_context = false;

/* What is written to the log must not look like lines of its own. */
static bool
is_printable(const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c; c++)
	{
		if (*c < 0x20 || *c == 0x7f)
		{
			GUC_check_errmsg("control characters are not accepted here");
			return false;
		}
	}
	return true;
}

/*
 * A reason is stated by who acts, when he acts: not once and for all in a file, a role or
 * a database.
 */
static bool
check_reason(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || (*newval)[0] == '\0' || InitializingParallelWorker)
		return true;
	if (source == PGC_S_CLIENT || source == PGC_S_SESSION)
		return is_printable(*newval);
	GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
	GUC_check_errmsg("toms.reason cannot be stored in a configuration");
	GUC_check_errhint("SET toms.reason = '…' in the session, or PGOPTIONS='-c toms.reason=…'.");
	return false;
}

/*
 * A purpose that is SET is that transaction's, like the token; the stored value is
 * "<transaction>~<purpose>", for parallel workers too.  One from a start-up option, role
 * or database is the session's and stored with transaction 0.
 */
static bool
check_purpose(char **newval, void **extra, GucSource source)
{
	LocalTransactionId lxid = source == PGC_S_SESSION && MyProc ? toms_proc_lxid(MyProc) : InvalidLocalTransactionId;
	char	   *stored;

	if (*newval == NULL || (*newval)[0] == '\0' || InitializingParallelWorker)
		return true;
	if (strlen(*newval) >= NAMEDATALEN)
	{
		GUC_check_errmsg("a purpose has at most %d bytes", NAMEDATALEN - 1);
		return false;
	}
	if (!is_printable(*newval))
		return false;
	stored = toms_stored_value(*newval, lxid);
	if (stored == NULL)
		return false;
	toms_guc_free(*newval);
	*newval = stored;
	return true;
}

static const char *
show_purpose(void)
{
	const char *chosen = toms_settings_purpose();

	return chosen ? chosen : "";
}

static void
assign_purpose(const char *newval, void *extra)
{
	toms_note_change();
}

static void
assign_reason(const char *newval, void *extra)
{
	if (toms_context_reason_listener)
		toms_context_reason_listener(newval ? newval : "");
	toms_note_change();
}

static void
assign_session_context(bool newval, void *extra)
{
	toms_note_change();
}

/* Also called when the configuration is read again and the name has stayed. */
static void
assign_jwks_file(const char *newval, void *extra)
{
	toms_jwks_look_again();
}

static void
define_client_settings(void)
{
	DefineCustomStringVariable("toms.purpose",
							   "The one of the token's purposes that is in force.",
							   "Needed only if the token holds several.",
							   &purpose, "", PGC_USERSET, GUC_NOT_IN_SAMPLE,
							   check_purpose, assign_purpose, show_purpose);
	DefineCustomStringVariable("toms.reason",
							   "Stated reason of administrative access, for the record.",
							   "Superusers and roles with BYPASSRLS reach protected tables only with it.",
							   &stated_reason, "", PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_reason, assign_reason, NULL);
}

static void
define_token_settings(void)
{
	DefineCustomStringVariable("toms.jwks_file",
							   "File with the public keys (JWKS) that tokens are verified with.",
							   "Read again within a second of a change; a broken file keeps the former keys.",
							   &jwks_file, "", PGC_SIGHUP, 0, NULL, assign_jwks_file, NULL);
	DefineCustomStringVariable("toms.audience",
							   "Value that the claim \"aud\" of a token must hold; empty: not tested.",
							   NULL, &audience, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("toms.environment",
							   "Value that the claim \"env\" of a token must equal; empty: not tested.",
							   "production, staging, test and so on.",
							   &environment, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.max_token_age",
							"Longest life of a token, from \"iat\" (or now) to \"exp\".",
							NULL, &max_token_age, 3600, 1, 86400, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("toms.clock_leeway",
							"How far the clocks of server and token issuer may differ.",
							NULL, &clock_leeway, 5, 0, 60, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomEnumVariable("toms.require_tls",
							 "Which TCP connections must be encrypted to set a token.",
							 "remote: all but loopback; on: all; off: none. Unix sockets always pass.",
							 &require_tls, REQUIRE_TLS_REMOTE, require_tls_options, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("toms.single_use_tokens",
							 "Accept each token id (\"jti\") in one transaction only.",
							 "Kept in this server's shared memory, not shared with other servers.",
							 &single_use_tokens, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
toms_settings_init(void)
{
	define_client_settings();
	define_token_settings();
	DefineCustomBoolVariable("toms.session_context",
							 "Let a context live as long as its token instead of one transaction.",
							 "For connections that no pooler shares between clients; by ALTER ROLE … SET.",
							 &session_context, false, PGC_SUSET, 0, NULL, assign_session_context, NULL);
	DefineCustomEnumVariable("toms.on_missing_context",
							 "What a query of a protected table without any context gets: error or empty.",
							 NULL, &on_missing_context, false, missing_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
}

bool
toms_context_outlives_transaction(void)
{
	return session_context;
}

bool
toms_settings_single_use(void)
{
	return single_use_tokens;
}

const char *
toms_settings_jwks_file(void)
{
	return jwks_file;
}

const char *
toms_settings_audience(void)
{
	return audience;
}

const char *
toms_settings_environment(void)
{
	return environment;
}

bool
toms_settings_is_test(void)
{
	return strcmp(environment, "test") == 0;
}

bool
toms_settings_is_current(LocalTransactionId lxid)
{
	PGPROC	   *proc = IsParallelWorker() ? MyProc->lockGroupLeader : MyProc;

	return session_context || (proc && lxid == toms_proc_lxid(proc));
}

char *
toms_stored_value(const char *value, LocalTransactionId lxid)
{
	size_t		size = strlen(value) + 16;
	char	   *stored = toms_guc_malloc(size);

	if (stored)
		snprintf(stored, size, "%u~%s", lxid, value);
	return stored;
}

const char *
toms_settings_purpose(void)
{
	char	   *value;
	LocalTransactionId lxid;

	if (purpose == NULL || purpose[0] == '\0')
		return NULL;
	lxid = strtoul(purpose, &value, 10);
	return lxid == InvalidLocalTransactionId || toms_settings_is_current(lxid) ? value + 1 : NULL;
}

int64
toms_settings_leeway_us(void)
{
	return (int64) clock_leeway * USECS_PER_SEC;
}

bool
toms_context_missing_is_empty(void)
{
	return on_missing_context;
}

const char *
toms_context_stated_reason(void)
{
	return stated_reason && stated_reason[0] ? stated_reason : NULL;
}

/* Audience, environment, times: all in seconds since 1970. */
TomsVerdict
toms_settings_check_claims(const TomsClaims *claims)
{
	int64		now = (int64) time(NULL);

	if (audience[0] && (claims->audience == NULL || strcmp(claims->audience, audience) != 0))
		return TOMS_VERDICT(TOMS_TOKEN_AUDIENCE, "The claim \"aud\" does not hold the value of toms.audience.", NULL);
	if (environment[0] && (claims->environment == NULL || strcmp(claims->environment, environment) != 0))
		return TOMS_VERDICT(TOMS_TOKEN_ENVIRONMENT, "The claim \"env\" does not equal toms.environment.", NULL);
	if (claims->exp + clock_leeway <= now)
		return TOMS_VERDICT(TOMS_CONTEXT_EXPIRED, "The claim \"exp\" lies in the past.", "Mint a new token.");
	if (claims->has_nbf && claims->nbf - clock_leeway > now)
		return TOMS_VERDICT(TOMS_CONTEXT_NOT_YET_VALID, "The claim \"nbf\" lies in the future.",
							"Compare the clocks of the server and the token's issuer; toms.clock_leeway bridges seconds.");
	if (claims->has_iat && claims->iat - clock_leeway > now)
		return TOMS_VERDICT(TOMS_CONTEXT_NOT_YET_VALID, "The claim \"iat\" lies in the future.",
							"Compare the clocks of the server and the token's issuer; toms.clock_leeway bridges seconds.");
	if (claims->exp - (claims->has_iat ? claims->iat : now) > max_token_age)
		return TOMS_VERDICT(TOMS_TOKEN_TOO_LONG_LIVED, psprintf("At most %d seconds are allowed.", max_token_age),
							"Mint tokens with a shorter life.");
	return TOMS_VERDICT_OK;
}

static bool
is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24) == 127;
	if (address->ss_family == AF_INET6)
	{
		const struct in6_addr *ip = &((const struct sockaddr_in6 *) address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
	}
	return false;
}

/* Whether a token may come from this address over a connection that is not encrypted. */
static bool
passes_unencrypted(const struct sockaddr_storage *address)
{
	return require_tls == REQUIRE_TLS_OFF || address->ss_family == AF_UNIX || (require_tls == REQUIRE_TLS_REMOTE && is_loopback(address));
}

TomsVerdict
toms_settings_check_connection(void)
{
	const Port *port = MyProcPort;

	if (port == NULL || port->ssl_in_use || passes_unencrypted(&port->raddr.addr))
		return TOMS_VERDICT_OK;
	return TOMS_VERDICT(TOMS_TOKEN_UNENCRYPTED, "toms.require_tls asks for TLS on this connection.",
						"Connect with sslmode=verify-full; the token that was sent must be taken as known to others.");
}

/* toms.passes_unencrypted(address): asked by the check, of an address of IPv4 */
Datum
toms_passes_unencrypted(PG_FUNCTION_ARGS)
{
	struct sockaddr_storage address = {.ss_family = AF_INET};

	if (inet_pton(AF_INET, text_to_cstring(PG_GETARG_TEXT_PP(0)), &((struct sockaddr_in *) &address)->sin_addr) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("this is no address of IPv4")));
	PG_RETURN_BOOL(passes_unencrypted(&address));
}
