/*
 * seal_int.h - between the files of slice seal.
 */
#ifndef TOMS_SEAL_INT_H
#define TOMS_SEAL_INT_H

#include "seal/seal.h"

#include "base/crypto.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "fmgr.h"
#include "utils/relcache.h"

/*
 * A sealed value, after its varlena header:
 *
 *	byte 0		version, 1: XChaCha20-Poly1305
 *	byte 1		TomsSealedType
 *	2 to 9		id of the data key, big-endian; 0: pending, under the server's key
 *	10 to 13	id of the column, big-endian
 *	14 to 37	nonce
 *	38 on		ciphertext and tag
 *
 * The first fourteen bytes are authenticated with the rest.  The data key stands for tenant,
 * subject and table: each of them has keys of its own.
 */
#define TOMS_HEADER_BYTES 14
#define TOMS_SEALED_OFFSET (TOMS_HEADER_BYTES + TOMS_NONCE_BYTES)
#define TOMS_ENVELOPE_BYTES (TOMS_HEADER_BYTES + TOMS_NONCE_BYTES + TOMS_TAG_BYTES)

typedef struct TomsEnvelope
{
	TomsSealedType type;
	int64		key_id;			/* 0: pending */
	uint32		column_id;
	const uint8 *bytes;			/* all of it */
	int			plain_length;
} TomsEnvelope;

/* Plain values are bytes here; how many tells a code that is still a word from a number. */
#define TOMS_FLAG_BYTES 1
#define TOMS_DATE_BYTES 4
#define TOMS_CODE_BYTES 4		/* catalogue and code, big-endian, two bytes each */
#define TOMS_CODE_WORD_BYTES 64 /* length and word, padded */

/* envelope.c */

/* False if it is none: another version, type or length. */
extern bool toms_envelope_read(const struct varlena *value, TomsEnvelope *envelope);
extern int64 toms_envelope_key_id(const struct varlena *header);	/* of its first bytes; 0: none */
extern struct varlena *toms_envelope_begin(TomsSealedType type, int64 key_id, uint32 column_id, int length);
extern struct varlena *toms_envelope_seal(const TomsSealedColumn *column, int64 key_id, const uint8 *key,
										  const uint8 *plain, int length);

/* Into "plain", which has room for plain_length bytes; false if it was not sealed so. */
extern bool toms_envelope_open(const TomsEnvelope *envelope, const uint8 *key, uint8 *plain);

/* Whether it would open, without showing what it holds. */
extern bool toms_envelope_opens(const TomsEnvelope *envelope, const uint8 *key);

/* "toms1:" and base64url; armour that is damaged is an error, what is no armour NULL. */
extern char *toms_armour(const struct varlena *value);
extern struct varlena *toms_dearmour(const char *text, TomsSealedType type);

/* pending.c: under the key of the server's life */
extern struct varlena *toms_pending_seal(TomsSealedType type, const uint8 *plain, int length);
extern bool toms_pending_open(const TomsEnvelope *envelope, uint8 *plain);

/*
 * plain.c: plain values as bytes.  None of its errors shows the value.  toms_hide_value() belongs
 * into the ereport() of any error about a value: nothing that PostgreSQL says of where
 * the value stood is shown, be it a line of COPY, a parameter or a query.
 */
extern int	toms_hide_value(void);

typedef struct TomsPlain
{
	uint8	   *bytes;			/* palloc'd; wiped by toms_plain_wipe() */
	int			length;
} TomsPlain;

extern TomsPlain toms_plain_from_text(TomsSealedType type, const char *text, int length, int32 typmod);
extern TomsPlain toms_plain_from_flag(bool flag);
extern TomsPlain toms_plain_from_date(int32 date);
extern TomsPlain toms_plain_from_bytes(const void *bytes, int length);
extern Datum toms_plain_to_datum(TomsSealedType type, const uint8 *bytes, int length);
extern void toms_plain_wipe(TomsPlain *plain);

/* catalogue.c: the closed lists of codes.  A typmod is a catalogue's number. */
extern void toms_catalogue_init(void);
extern int	toms_catalogue_by_name(const char *name);	/* error if there is none */
extern TomsPlain toms_code_bytes(int catalogue, const char *word, int length);
extern Datum toms_code_word(const uint8 *bytes);	/* as text */

/* row.c: the tenant of rows without a tenant column, whatever the context; InvalidOid ends that. */
extern void toms_row_give_tenant(Oid root, const char *tenant);

/* reveal.c: the key of a value that the context in force may open; refuses if it may not. */
extern const TomsDataKey *toms_reveal_key(int64 id);

/*
 * reveal_event.c: whether the audit trail has been told in this transaction that who acts opened values under a
 * data key; and tell it whose they are.  Both let keys go.
 */
extern bool toms_reveal_is_told(int64 id);
extern void toms_reveal_tell(const TomsDataKey *key);

/* blind.c: the tenant of the context, palloc'd; refuses without one. */
extern const char *toms_seal_tenant_in_force(void);

/* convert.c: whether the column, or any if NULL, is being sealed or unsealed */
extern bool toms_seal_is_converting(Oid relid, const char *column);

extern void toms_password_init(void);
extern void toms_view_init(void);
extern void toms_refuse_unreadable(void) __attribute__((noreturn));

#endif							/* TOMS_SEAL_INT_H */
