/*
 * envelope.c - libFuzzer's harness of src/seal/envelope.c: what a client sends as a sealed value.
 *
 * Built and run by "make fuzz".  Of an input the first byte chooses what is tried.
 */
#include "server.h"

#include "seal/seal_int.h"

#include "base/secret.h"

int
toms_hide_value(void)
{
	return 0;
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
	TomsSealedColumn column = {.type = TOMS_SEALED_TEXT,.id = bytes[4]};
	struct varlena *value = toms_envelope_seal(&column, bytes[3], key, bytes + 5, length - 5);
	TomsEnvelope envelope;

	REQUIRE(toms_envelope_read(value, &envelope) && opens(&envelope, key) && !opens(&envelope, other_key));
	((uint8 *) VARDATA_ANY(value))[at % VARSIZE_ANY_EXHDR(value)] ^= change;
	if (change && toms_envelope_read(value, &envelope))
		REQUIRE(!opens(&envelope, key));
}

static void
attempt(const uint8 *input, size_t length)
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

int
LLVMFuzzerTestOneInput(const uint8 *input, size_t length)
{
	static bool started = false;

	if (!started)
		toms_crypto_init();
	started = true;
	if (length > 0)
		run(attempt, input, length);
	return 0;
}
