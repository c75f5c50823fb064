/*
 * purpose_int.h - between the files of slice purpose.
 */
#ifndef TOMS_PURPOSE_INT_H
#define TOMS_PURPOSE_INT_H

#include "purpose/purpose.h"

/* What a function's label says. */
typedef struct TomsBinding
{
	bool		is_bound;
	bool		is_intact;		/* its definition is the one that was bound */
	char		purpose[NAMEDATALEN];
} TomsBinding;

extern TomsBinding toms_purpose_binding(Oid function);

/* Hexadecimal digest of what a function does and as whom; NULL where that cannot be told. */
extern char *toms_purpose_definition(Oid function);

#endif							/* TOMS_PURPOSE_INT_H */
