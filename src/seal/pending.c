/*
 * pending.c - values between the client and the row they are written to.
 *
 * Called by type.c and row.c.  Wherever PostgreSQL puts such a value meanwhile (a sort's
 * temporary file, a table that nobody protects), it is ciphertext, worth nothing to another
 * session and to nobody once the server has stopped: the key is drawn at start and lives in
 * shared memory alone.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bswap.h"
#include "storage/proc.h"
#include "storage/shmem.h"

/* How many numbers a process takes at once. */
#define NUMBERS 1024

typedef struct PendingArea
{
	uint8		key[TOMS_KEY_BYTES];	/* written once, before there is any backend */
	pg_atomic_uint64 next;		/* the first number that no process has taken */
} PendingArea;

static PendingArea *area = NULL;

Size
toms_seal_shmem_size(void)
{
	return sizeof(PendingArea);
}

void
toms_seal_shmem_init(bool found, void *place)
{
	area = place;
	if (found)
		return;
	toms_crypto_random(area->key, sizeof(area->key));
	pg_atomic_init_u64(&area->next, 0);
}

/* What stands in the place of the column: the session, the leader's in a parallel worker. */
static uint32
session_number(void)
{
	return MyProc->lockGroupLeader ? MyProc->lockGroupLeader->pid : MyProcPid;
}

/* Each number once in the server's life. */
static void
number_nonce(uint8 *nonce)
{
	static uint64 next = 0;
	static int	left = 0;
	uint64		number;

	if (left == 0)
	{
		next = pg_atomic_fetch_add_u64(&area->next, NUMBERS);
		left = NUMBERS;
	}
	left--;
	number = pg_hton64(next++);
	memset(nonce, 0, TOMS_NONCE_BYTES);
	memcpy(nonce, &number, sizeof(number));
}

struct varlena *
toms_pending_seal(TomsSealedType type, const uint8 *plain, int length)
{
	struct varlena *value = toms_envelope_begin(type, 0, session_number(), length);
	uint8	   *bytes = (uint8 *) VARDATA(value);

	number_nonce(bytes + TOMS_HEADER_BYTES);
	toms_crypto_seal_briefly(bytes + TOMS_SEALED_OFFSET, (TomsBytes) {plain, length},
							 (TomsBytes) {bytes, TOMS_HEADER_BYTES}, bytes + TOMS_HEADER_BYTES, area->key);
	return value;
}

bool
toms_pending_open(const TomsEnvelope *envelope, uint8 *plain)
{
	const uint8 *bytes = envelope->bytes;

	return envelope->key_id == 0 && envelope->column_id == session_number() &&
		toms_crypto_open_brief(plain, (TomsBytes) {bytes + TOMS_SEALED_OFFSET, envelope->plain_length + TOMS_TAG_BYTES},
							   (TomsBytes) {bytes, TOMS_HEADER_BYTES}, bytes + TOMS_HEADER_BYTES, area->key);
}
