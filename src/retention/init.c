/*
 * init.c - what slice retention defines when the library is loaded.
 */
#include "retention/worker.h"

void
toms_retention_init(void)
{
	toms_retention_worker_init();
	toms_position_init();
}
