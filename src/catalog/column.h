/*
 * column.h - what DDL may add to a table, and columns with a category of their own; part of
 * catalog.h.
 */
#ifndef TOMS_COLUMN_H
#define TOMS_COLUMN_H

#include "postgres.h"

#include "access/attnum.h"

/* Which columns DDL may add to a table; what is there already stays. */
typedef enum TomsFreeText
{
	TOMS_FREE_TEXT_ACCEPT,
	TOMS_FREE_TEXT_SEALED,		/* text and files as sealed types only */
	TOMS_FREE_TEXT_REFUSE		/* closed types only */
} TomsFreeText;

/* A column with a category of its own. */
typedef struct TomsLabelledColumn
{
	AttrNumber	column;
	bool		optional;		/* takes values of tenants that have enabled it */
	char		category[NAMEDATALEN];
} TomsLabelledColumn;

#endif							/* TOMS_COLUMN_H */
