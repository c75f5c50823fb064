/*
 * init.c - what slice rights defines when the library is loaded.
 */
#include "rights/rights.h"

#include "retention/retention.h"

void
toms_rights_init(void)
{
	toms_rights_gate_init();
	toms_settle_init();
	toms_retention_round_step(toms_rights_step);
}
