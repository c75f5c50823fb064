/*
 * envelope.c - the bytes of a sealed value, and their text form.
 *
 * Called by all of slice seal.  Nothing here knows whose key it is given.  Every byte of a value
 * may come from a client: lengths are checked before anything is read.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

#define VERSION 1
#define ARMOUR "toms1:"
#define NONCES 256

/* The longest sealed text or bytea. */
#define MAX_PLAIN (64 * 1024 * 1024)

static bool
length_fits(TomsSealedType type, int64 key_id, int length)
{
	switch (type)
	{
		case TOMS_HEALTH_FLAG:
			return length == TOMS_FLAG_BYTES;
		case TOMS_HEALTH_DATE:
			return length == TOMS_DATE_BYTES;
		case TOMS_HEALTH_CODE:
			return length == TOMS_CODE_BYTES || (key_id == 0 && length == TOMS_CODE_WORD_BYTES);
		case TOMS_SEALED_TEXT:
		case TOMS_SEALED_BYTEA:
			return length > 0 && length <= MAX_PLAIN;
		default:
			return false;
	}
}

bool
toms_envelope_read(const struct varlena *value, TomsEnvelope *envelope)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(value);
	Size		size = VARSIZE_ANY_EXHDR(value);
	uint64		key_id;
	uint32		column_id;

	if (size <= TOMS_ENVELOPE_BYTES || bytes[0] != VERSION)
		return false;
	memcpy(&key_id, bytes + 2, sizeof(key_id));
	memcpy(&column_id, bytes + 10, sizeof(column_id));
	envelope->type = bytes[1];
	envelope->key_id = (int64) pg_ntoh64(key_id);
	envelope->column_id = pg_ntoh32(column_id);
	envelope->bytes = bytes;
	envelope->plain_length = size - TOMS_ENVELOPE_BYTES;
	return length_fits(envelope->type, envelope->key_id, envelope->plain_length);
}

int64
toms_envelope_key_id(const struct varlena *header)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(header);
	uint64		key_id;

	if (VARSIZE_ANY_EXHDR(header) < TOMS_HEADER_BYTES || bytes[0] != VERSION)
		return 0;
	memcpy(&key_id, bytes + 2, sizeof(key_id));
	return (int64) pg_ntoh64(key_id);
}

/*
 * Nonces are drawn ahead, since asking the system for each costs half as much as sealing does.
 * A child of the postmaster never uses what was drawn before the fork.
 */
static void
draw_nonce(uint8 *nonce)
{
	static uint8 drawn[NONCES][TOMS_NONCE_BYTES];
	static int	left = 0;
	static int	drawn_by = 0;

	if (left == 0 || drawn_by != MyProcPid)
	{
		toms_crypto_random_many(drawn, sizeof(drawn));
		left = NONCES;
		drawn_by = MyProcPid;
	}
	memcpy(nonce, drawn[--left], TOMS_NONCE_BYTES);
}

/* All but nonce and ciphertext. */
struct varlena *
toms_envelope_begin(TomsSealedType type, int64 key_id, uint32 column_id, int length)
{
	Size		size = VARHDRSZ + TOMS_ENVELOPE_BYTES + length;
	struct varlena *value = palloc(size);
	uint8	   *bytes = (uint8 *) VARDATA(value);
	uint64		key_bytes = pg_hton64((uint64) key_id);
	uint32		column_bytes = pg_hton32(column_id);

	SET_VARSIZE(value, size);
	bytes[0] = VERSION;
	bytes[1] = type;
	memcpy(bytes + 2, &key_bytes, sizeof(key_bytes));
	memcpy(bytes + 10, &column_bytes, sizeof(column_bytes));
	return value;
}

struct varlena *
toms_envelope_seal(const TomsSealedColumn *column, int64 key_id, const uint8 *key, const uint8 *plain, int length)
{
	struct varlena *value = toms_envelope_begin(column->type, key_id, column->id, length);
	uint8	   *bytes = (uint8 *) VARDATA(value);

	draw_nonce(bytes + TOMS_HEADER_BYTES);
	toms_crypto_seal(bytes + TOMS_SEALED_OFFSET, (TomsBytes) {plain, length},
					 (TomsBytes) {bytes, TOMS_HEADER_BYTES}, bytes + TOMS_HEADER_BYTES, key);
	return value;
}

bool
toms_envelope_open(const TomsEnvelope *envelope, const uint8 *key, uint8 *plain)
{
	const uint8 *bytes = envelope->bytes;

	return toms_crypto_open(plain, (TomsBytes) {bytes + TOMS_SEALED_OFFSET, envelope->plain_length + TOMS_TAG_BYTES},
							(TomsBytes) {bytes, TOMS_HEADER_BYTES}, bytes + TOMS_HEADER_BYTES, key);
}

bool
toms_envelope_opens(const TomsEnvelope *envelope, const uint8 *key)
{
	uint8	   *plain = palloc(envelope->plain_length);
	bool		opens = toms_envelope_open(envelope, key, plain);

	toms_secret_wipe(plain, envelope->plain_length);
	pfree(plain);
	return opens;
}

char *
toms_armour(const struct varlena *value)
{
	char	   *encoded = toms_base64url_encode((const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	char	   *armour = psprintf(ARMOUR "%s", encoded);

	pfree(encoded);
	return armour;
}

struct varlena *
toms_dearmour(const char *text, TomsSealedType type)
{
	size_t		length = strlen(text);
	struct varlena *value;
	TomsEnvelope envelope;
	size_t		written;

	if (strncmp(text, ARMOUR, strlen(ARMOUR)) != 0)
		return NULL;
	value = palloc(VARHDRSZ + length);
	if (!toms_base64url_decode(text + strlen(ARMOUR), length - strlen(ARMOUR), (uint8 *) VARDATA(value), length, &written))
		written = 0;
	SET_VARSIZE(value, VARHDRSZ + written);
	if (!toms_envelope_read(value, &envelope) || envelope.type != type)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("the sealed value is damaged, or of another type"),
				 toms_hide_value()));
	return value;
}
