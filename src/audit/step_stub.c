/*
 * step_stub.c - stands for block.c until that is there; to be deleted then.
 *
 * Called by worker.c.
 */
#include "audit/worker.h"

int64
toms_block_close(void)
{
	return 0;
}

void
toms_block_publish(void)
{
}
