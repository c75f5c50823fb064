/*
 * work.c - the context of what toms itself does to the rows of one tenant.
 *
 * Called by retention around its statements, asked by context.c and by policy.
 */
#include "context/context_int.h"

bool
toms_context_is_working(void)
{
	return false;
}

bool
toms_context_is_own_work(void)
{
	return false;
}
