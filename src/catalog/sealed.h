/*
 * sealed.h - the sealed types and their columns, part of catalog.h.
 */
#ifndef TOMS_SEALED_H
#define TOMS_SEALED_H

#include "postgres.h"

#include "access/attnum.h"

/* The types whose values are ciphertext, by the number that stands in each value. */
typedef enum TomsSealedType
{
	TOMS_NOT_SEALED = 0,
	TOMS_HEALTH_FLAG = 1,
	TOMS_HEALTH_CODE = 2,
	TOMS_HEALTH_DATE = 3,
	TOMS_SEALED_TEXT = 4,
	TOMS_SEALED_BYTEA = 5
} TomsSealedType;

/* A column of a sealed type; its id is the label's, the same in all partitions, and never an OID. */
typedef struct TomsSealedColumn
{
	AttrNumber	column;
	uint32		id;				/* 0: there is no label yet */
	TomsSealedType type;
	int32		modifier;		/* of a health_code: its catalogue */
	bool		is_array;		/* or whatever else holds values of the type */
} TomsSealedColumn;

/* Binds sealed values to their rows; the last of all, since triggers run in the order of names. */
/* Names of our triggers begin so: they run after others. */
#define TOMS_TRIGGERS "~toms_"
#define TOMS_SEAL_TRIGGER TOMS_TRIGGERS "seal"
#define TOMS_AUDIT_TRIGGER TOMS_TRIGGERS "audit"

#endif							/* TOMS_SEALED_H */
