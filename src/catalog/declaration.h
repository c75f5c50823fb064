/*
 * declaration.h - what officers declare for a protected relation; part of relation.h.
 */
#ifndef TOMS_DECLARATION_H
#define TOMS_DECLARATION_H

#include "postgres.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "nodes/parsenodes.h"

typedef struct TomsPermission
{
	Oid			role;
	AclMode		verbs;
	bool		scope_tenant;	/* false: the actor's own rows only */
	bool		require_mfa;
	TimestampTz valid_from;
	TimestampTz valid_until;
	int			npurposes;
	char	  **purposes;
	int			ncategories;	/* 0: the table's own */
	char	  **categories;
} TomsPermission;

/* The row's tenant is that of the row of relid that its parent key refers to. */
typedef struct TomsParent
{
	Oid			relid;
	bool		shares_rows;	/* some of its rows are every tenant's, for reading */
	AttrNumber	column;			/* what the parent key refers to; 0: it is gone */
	Oid			lookup;			/* view of the parents' keys of the tenant in force */
	char	   *type_value;		/* counts where the type column has it; NULL: always */
} TomsParent;

/* The subject column holds another key of the person than tokens do. */
typedef struct TomsAlias
{
	int64		id;				/* of its declaration; 0: no alias */
	Oid			relid;			/* the persons' table; InvalidOid: the declaration is gone */
	AttrNumber	canonical;		/* the key that tokens hold; 0: the column is gone */
	AttrNumber	alias;
} TomsAlias;

#define TOMS_ROWS_POLICY "toms_rows_"

/* Rows are of the category unless the condition is definitely false. */
typedef struct TomsRowLabel
{
	char	   *condition;
	char	   *category;
} TomsRowLabel;

/* A table that no statement may reach beside this one, unless for one of the purposes. */
typedef struct TomsSeparation
{
	Oid			other;
	int			npurposes;
	char	  **purposes;
} TomsSeparation;

/* A tenant who has consented that the audit trail holds values of his rows. */
typedef struct TomsConsent
{
	char	   *tenant;
	TimestampTz until;
} TomsConsent;

#endif							/* TOMS_DECLARATION_H */
