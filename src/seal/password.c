/*
 * password.c - passwords of an application's users, as Argon2id hashes.
 *
 * Called from SQL by the application's log-in, before there is a context.  A hash is a PHC
 * string, "$argon2id$v=19$m=65536,t=3,p=1$salt$tag", which other programs read and write too.
 *
 * Computing one cannot be interrupted, so what it may cost is bounded, whoever chose it.  No
 * copy of a password outlives the call, and no message quotes a password or a hash.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "base/crypto.h"
#include "base/secret.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define PASSWORD_MAX		1024	/* bytes */
#define MEMORY_MIN			8192	/* kB */
#define MEMORY_MAX			262144
#define ITERATIONS_MAX		10
#define LANES_MAX			16
#define MEMORY_OF_LANE		8		/* kB; Argon2 has no use for less */

#define BASE64_CHARS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

PG_FUNCTION_INFO_V1(toms_password_hash);
PG_FUNCTION_INFO_V1(toms_password_verify);
PG_FUNCTION_INFO_V1(toms_password_needs_rehash);

/* What a hash says of itself. */
typedef struct Demand
{
	TomsPasswordCost cost;
	uint32		lanes;
} Demand;

static int	password_memory;
static int	password_iterations;

void
toms_password_init(void)
{
	DefineCustomIntVariable("toms.password_memory",
							"Memory that one call of toms.password_hash() takes.",
							"Hashes are verified with the memory that they were made with.",
							&password_memory, 65536, MEMORY_MIN, MEMORY_MAX, PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("toms.password_iterations",
							"How often toms.password_hash() passes over its memory.",
							NULL,
							&password_iterations, 3, 1, ITERATIONS_MAX, PGC_SUSET, 0,
							NULL, NULL, NULL);
}


/* ---- the form of a hash ---- */

static bool
skip(const char **at, const char *text)
{
	if (strncmp(*at, text, strlen(text)) != 0)
		return false;
	*at += strlen(text);
	return true;
}

/* A decimal number as Argon2 prints it: no sign, no leading zero. */
static bool
take_number(const char **at, uint32 *number)
{
	size_t		digits = strspn(*at, "0123456789");

	if (digits == 0 || digits > 9 || **at == '0')
		return false;
	*number = strtoul(*at, NULL, 10);
	*at += digits;
	return true;
}

static bool
skip_base64(const char **at)
{
	size_t		length = strspn(*at, BASE64_CHARS);

	*at += length;
	return length > 0;
}

static bool
read_demand(const char *hash, Demand *demand)
{
	const char *at = hash;

	return strlen(hash) < TOMS_PASSWORD_HASH_SIZE &&
		skip(&at, "$argon2id$v=19$m=") && take_number(&at, &demand->cost.memory) &&
		skip(&at, ",t=") && take_number(&at, &demand->cost.iterations) &&
		skip(&at, ",p=") && take_number(&at, &demand->lanes) &&
		skip(&at, "$") && skip_base64(&at) && skip(&at, "$") && skip_base64(&at) &&
		*at == '\0' && demand->cost.memory / MEMORY_OF_LANE >= demand->lanes;
}

static void
refuse_hash(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("not an Argon2id password hash"),
			 errhint("Pass what toms.password_hash() returned, whole."),
			 errhidestmt(true), errhidecontext(true)));
}

static Demand
require_demand(const char *hash)
{
	Demand		demand;

	if (!read_demand(hash, &demand))
		refuse_hash();
	return demand;
}

/* Whoever wrote the hash must not decide how long the server is busy. */
static void
check_demand(const Demand *demand)
{
	if (demand->cost.memory > MEMORY_MAX || demand->cost.iterations > ITERATIONS_MAX ||
		demand->lanes > LANES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("password hash demands more than %d MB, %d iterations or %d lanes",
						MEMORY_MAX / 1024, ITERATIONS_MAX, LANES_MAX),
				 errhint("Have the user set a new password, and store toms.password_hash() of it."),
				 errhidestmt(true), errhidecontext(true)));
}


/* ---- SQL ---- */

static void
report_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("memory for a password hash is not available"),
			 errhint("Lower toms.password_memory, or the number of connections that log users in."),
			 errhidestmt(true), errhidecontext(true)));
}

static TomsBytes
bytes_of(const text *value)
{
	return (TomsBytes) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* Wipes the password where it was unpacked for this call; the value itself is not ours. */
static void
wipe_copy(FunctionCallInfo fcinfo, int argument, text *password)
{
	if ((Pointer) password != PG_GETARG_POINTER(argument))
		toms_secret_wipe(password, VARSIZE_ANY(password));
}

static bool
too_long(const text *password)
{
	return VARSIZE_ANY_EXHDR(password) > PASSWORD_MAX;
}

static void
check_password(const text *password)
{
	if (too_long(password))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a password has at most %d bytes", PASSWORD_MAX),
				 errhint("Tell the user before calling toms.password_hash()."),
				 errhidestmt(true), errhidecontext(true)));
	if (VARSIZE_ANY_EXHDR(password) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an empty password is none"),
				 errhint("Store NULL where a user has no password."),
				 errhidestmt(true), errhidecontext(true)));
}

/* toms.password_hash(password) */
Datum
toms_password_hash(PG_FUNCTION_ARGS)
{
	text	   *password = PG_GETARG_TEXT_PP(0);
	TomsPasswordCost cost = {.memory = password_memory,.iterations = password_iterations};
	char		hash[TOMS_PASSWORD_HASH_SIZE];
	bool		done;

	CHECK_FOR_INTERRUPTS();
	check_password(password);
	done = toms_crypto_password_hash(hash, bytes_of(password), cost);
	wipe_copy(fcinfo, 0, password);
	if (!done)
		report_no_memory();
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/* toms.password_verify(hash, password): one that could not have been hashed is wrong, no error. */
Datum
toms_password_verify(PG_FUNCTION_ARGS)
{
	char	   *hash = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *password = PG_GETARG_TEXT_PP(1);
	Demand		demand = require_demand(hash);
	TomsPasswordVerdict verdict = TOMS_PASSWORD_WRONG;

	CHECK_FOR_INTERRUPTS();
	check_demand(&demand);
	if (!too_long(password))
		verdict = toms_crypto_password_verify(hash, bytes_of(password), demand.cost);
	wipe_copy(fcinfo, 1, password);
	if (verdict == TOMS_PASSWORD_NO_MEMORY)
		report_no_memory();
	if (verdict == TOMS_PASSWORD_NO_HASH)
		refuse_hash();
	PG_RETURN_BOOL(verdict == TOMS_PASSWORD_RIGHT);
}

/* toms.password_needs_rehash(hash): was it made otherwise than toms.password_hash() would now? */
Datum
toms_password_needs_rehash(PG_FUNCTION_ARGS)
{
	Demand		demand = require_demand(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_BOOL(demand.cost.memory != password_memory ||
				   demand.cost.iterations != password_iterations || demand.lanes != 1);
}
