/*
 * number.c - the numbers of entries: by the clock, unique in the cluster, and rising in each backend.
 *
 * Called for every entry, by slice audit and by event.c, and for segments.  A number is the time in microseconds and,
 * in its last bits, one of many counters in shared memory: a backend uses the one of its place,
 * which never gives a moment twice, whatever the clock does while the server runs.  No sequence:
 * its nextval() would be what the application's lastval() returns.
 */
#include "trail/trail.h"

#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define COUNTER_BITS 12
#define COUNTERS (1 << COUNTER_BITS)

/* Numbers count from 2020 on, so that they last until 2091. */
#define FIRST_MOMENT (INT64CONST(7305) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(toms_audit_number);

/* The last moment that each counter has given. */
static pg_atomic_uint64 *moments;

Size
toms_number_shmem_size(void)
{
	return mul_size(COUNTERS, sizeof(pg_atomic_uint64));
}

void
toms_number_shmem_init(bool found, void *area)
{
	moments = area;
	for (int i = 0; !found && i < COUNTERS; i++)
		pg_atomic_init_u64(&moments[i], 0);
}

int64
toms_number_floor(TimestampTz now)
{
	return (now - FIRST_MOMENT) << COUNTER_BITS;
}

int64
toms_number_next(TimestampTz now)
{
	int			counter = toms_process_number() & (COUNTERS - 1);
	uint64		moment = now - FIRST_MOMENT;
	uint64		last = pg_atomic_read_u64(&moments[counter]);
	uint64		next;

	do
		next = Max(moment, last + 1);
	while (!pg_atomic_compare_exchange_u64(&moments[counter], &last, next));
	return (int64) (next << COUNTER_BITS | counter);
}

/* toms.audit_number() */
Datum
toms_audit_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(toms_number_next(GetCurrentTimestamp()));
}
