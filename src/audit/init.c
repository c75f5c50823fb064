/*
 * init.c - what slice audit starts with the server.
 *
 * Called by toms.c in the postmaster.
 */
#include "audit/audit_int.h"
#include "audit/outside.h"
#include "audit/tally_int.h"
#include "audit/worker.h"

void
toms_audit_init(void)
{
	toms_record_init();
	toms_payload_init();
	toms_tally_init();
	toms_object_init();
	toms_outside_init();
	toms_partition_init();
	toms_workers_init();
	toms_worker_init();
	toms_launcher_init();
	toms_commit_init();
}
