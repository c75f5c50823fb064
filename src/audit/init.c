/*
 * init.c - what slice audit starts with the server.
 *
 * Called by toms.c in the postmaster.
 */
#include "audit/audit_int.h"
#include "audit/outside.h"

void
toms_audit_init(void)
{
	toms_record_init();
	toms_payload_init();
	toms_object_init();
	toms_outside_init();
	toms_partition_init();
}
