/*
 * swap.h - entries of a block that have changed: did some of them change places?
 */
#ifndef TOMS_SWAP_H
#define TOMS_SWAP_H

#include "audit/verify.h"

#define TOMS_SWAP_LIMIT 32

typedef struct TomsSwap
{
	int			count;
	int64		ids[TOMS_SWAP_LIMIT];
} TomsSwap;

extern void toms_swap_start(TomsSwap *swap);

/* Keep a changed entry, to be told at the block's end; false: there are too many. */
extern bool toms_swap_keep(TomsSwap *swap, int64 id);

/* Report those that were kept as changed, or reordered where one stands under another's id. */
extern void toms_swap_tell(TomsSwap *swap, TomsVerification *run, const TomsCheckedBlock *block, TomsBytes manifest);

#endif							/* TOMS_SWAP_H */
