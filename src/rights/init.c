/*
 * init.c - what slice rights defines when the library is loaded.
 */
#include "rights/rights.h"

void
toms_rights_init(void)
{
	toms_rights_gate_init();
	toms_settle_init();
}
