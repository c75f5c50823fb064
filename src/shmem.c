/*
 * shmem.c - shared memory and locks of all slices.
 *
 * Called by hooks.c when the postmaster asks for sizes and when memory is there.  Each
 * slice lays out its own area and says which lock guards what; nothing is shared between
 * slices.
 */
#include "postgres.h"

#include "audit/audit.h"
#include "base/lock.h"
#include "base/reason.h"
#include "context/context.h"
#include "guard/guard.h"
#include "login/login.h"
#include "seal/seal.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "trail/trail.h"

typedef struct SharedArea
{
	const char *name;
	Size		(*size) (void);
	void		(*init) (bool found, void *area);
	Size		(*beside) (void);	/* what init() allocates by itself, or NULL */
} SharedArea;

static const SharedArea shared_areas[] = {
	{"toms refusals", toms_reason_shmem_size, toms_reason_shmem_init, NULL},
	{"toms context", toms_context_shmem_size, toms_context_shmem_init, NULL},
	{"toms seal", toms_seal_shmem_size, toms_seal_shmem_init, NULL},
	{"toms guard", toms_guard_shmem_size, toms_guard_shmem_init, toms_guard_shmem_beside},
	{"toms gate", toms_gate_shmem_size, toms_gate_shmem_init, NULL},
	{"toms audit numbers", toms_number_shmem_size, toms_number_shmem_init, NULL},
	{"toms audit queues", toms_queue_shmem_size, toms_queue_shmem_init, NULL},
	{"toms log-ins", toms_login_shmem_size, toms_login_shmem_init, NULL},
	{"toms workers", toms_worker_shmem_size, toms_worker_shmem_init, NULL},
};

void
toms_shmem_request(void)
{
	for (int i = 0; i < lengthof(shared_areas); i++)
	{
		RequestAddinShmemSpace(shared_areas[i].size());
		if (shared_areas[i].beside)
			RequestAddinShmemSpace(shared_areas[i].beside());
	}
	RequestNamedLWLockTranche("toms", TOMS_LOCK_COUNT);
	RequestNamedLWLockTranche("toms_queue", toms_queue_count());
}

void
toms_shmem_startup(void)
{
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < lengthof(shared_areas); i++)
	{
		bool		found;
		void	   *area = ShmemInitStruct(shared_areas[i].name, shared_areas[i].size(), &found);

		shared_areas[i].init(found, area);
	}
	LWLockRelease(AddinShmemInitLock);
}
