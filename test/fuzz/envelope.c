/*
 * envelope.c - libFuzzer's harness of src/seal/envelope.c: what a client sends as a sealed value.
 *
 * Built and run by "make check-fuzz".  Stands in for the few functions of the server that
 * envelope.c and crypto.c call; memory comes from malloc() to the byte, so that the
 * address sanitizer sees each byte too many.  Of an input the first byte chooses what is tried.
 */
#include "seal/seal_int.h"

#include <setjmp.h>

#include "base/secret.h"
#include "miscadmin.h"

/* The sanitizer tells the line. */
#define REQUIRE(what) do { if (!(what)) __builtin_trap(); } while (0)
#undef vsnprintf

/* The server */

int			MyProcPid = 1;
MemoryContext CurrentMemoryContext = NULL;

static sigjmp_buf refused;
static int	level;

/* What one input has allocated. */
static void *allocated[256];
static int	nallocated = 0;

void *
palloc(Size size)
{
	REQUIRE(nallocated < lengthof(allocated));
	return allocated[nallocated++] = malloc(size);
}

void
pfree(void *pointer)
{
	for (int i = 0; i < nallocated; i++)
	{
		if (allocated[i] == pointer)
		{
			allocated[i] = allocated[--nallocated];
			break;
		}
	}
	free(pointer);
}

char *
psprintf(const char *format,...)
{
	va_list		arguments;
	int			length;
	char	   *text;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	text = palloc(length + 1);
	va_start(arguments, format);
	(void) vsnprintf(text, length + 1, format, arguments);
	va_end(arguments);
	return text;
}

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *file, int line, const char *function)
{
	REQUIRE(level == ERROR);
	siglongjmp(refused, 1);
}

int
errcode(int code)
{
	return 0;
}

int
errmsg(const char *format,...)
{
	return 0;
}

int
errdetail(const char *format,...)
{
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	return 0;
}

int
toms_hide_value(void)
{
	return 0;
}

void *
toms_secret_alloc(MemoryContext context, size_t size)
{
	REQUIRE(false);
}

void
toms_secret_wipe(void *bytes, size_t length)
{
	memset(bytes, 0, length);
}

/* Inputs */

static const uint8 key[TOMS_KEY_BYTES] = "a key of thirty-two bytes, fixed";
static const uint8 other_key[TOMS_KEY_BYTES] = "another key of as many bytes....";

/* A value as it stands in a row: with a header of four bytes, or of one where it is short. */
static struct varlena *
value_of(const uint8 *bytes, size_t length, bool is_short)
{
	struct varlena *value;

	if (is_short && length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		value = palloc(VARHDRSZ_SHORT + length);
		SET_VARSIZE_SHORT(value, VARHDRSZ_SHORT + length);
	}
	else
	{
		value = palloc(VARHDRSZ + length);
		SET_VARSIZE(value, VARHDRSZ + length);
	}
	memcpy(VARDATA_ANY(value), bytes, length);
	return value;
}

static bool
opens(const TomsEnvelope *envelope, const uint8 *with)
{
	return toms_envelope_open(envelope, with, palloc(envelope->plain_length));
}

/* Bytes: what is an envelope has the form of one, opens with no key, and survives its text form. */
static void
try_bytes(const uint8 *bytes, size_t length, bool is_short)
{
	struct varlena *value = value_of(bytes, length, is_short);
	TomsEnvelope envelope;
	struct varlena *again;

	if (!toms_envelope_read(value, &envelope))
		return;
	REQUIRE(envelope.plain_length > 0 && envelope.plain_length + TOMS_ENVELOPE_BYTES == length);
	REQUIRE(envelope.type >= TOMS_HEALTH_FLAG && envelope.type <= TOMS_SEALED_BYTEA);
	REQUIRE(!opens(&envelope, key));
	again = toms_dearmour(toms_armour(value), envelope.type);
	REQUIRE(again && VARSIZE_ANY_EXHDR(again) == length && memcmp(VARDATA_ANY(again), bytes, length) == 0);
}

/* Text: there is one text form of an envelope. */
static void
try_text(const uint8 *bytes, size_t length, TomsSealedType type)
{
	char	   *text = palloc(length + 1);
	struct varlena *value;

	memcpy(text, bytes, length);
	text[length] = '\0';
	value = toms_dearmour(text, type);
	if (value)
		REQUIRE(strcmp(toms_armour(value), text) == 0);
	else
		REQUIRE(strncmp(text, "toms1:", 6) != 0);
}

/* A sealed value opens with its key alone, and not if a byte was changed. */
static void
try_changed(const uint8 *bytes, size_t length)
{
	size_t		at = bytes[0] | bytes[1] << 8;
	uint8		change = bytes[2];
	struct varlena *value = toms_envelope_seal(TOMS_SEALED_TEXT, bytes[3], bytes[4], key, bytes + 5, length - 5);
	TomsEnvelope envelope;

	REQUIRE(toms_envelope_read(value, &envelope) && opens(&envelope, key) && !opens(&envelope, other_key));
	((uint8 *) VARDATA_ANY(value))[at % VARSIZE_ANY_EXHDR(value)] ^= change;
	if (change && toms_envelope_read(value, &envelope))
		REQUIRE(!opens(&envelope, key));
}

int			LLVMFuzzerTestOneInput(const uint8 *input, size_t length);

int
LLVMFuzzerTestOneInput(const uint8 *input, size_t length)
{
	static bool started = false;

	if (!started)
		toms_crypto_init();
	started = true;
	if (length == 0)
		return 0;
	if (sigsetjmp(refused, 0) == 0)
	{
		switch (input[0] % 8)
		{
			case 0:
			case 1:
				try_bytes(input + 1, length - 1, input[0] % 2);
				break;
			case 2:
				if (length > 6)
					try_changed(input + 1, length - 1);
				break;
			default:
				try_text(input + 1, length - 1, input[0] % 8 - 2);
		}
	}
	while (nallocated > 0)
		free(allocated[--nallocated]);
	return 0;
}
