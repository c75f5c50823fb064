/*
 * relation.h - what toms knows about a protected relation; part of catalog.h.
 */
#ifndef TOMS_RELATION_H
#define TOMS_RELATION_H

#include "postgres.h"

#include "access/attnum.h"
#include "catalog/column.h"
#include "catalog/sealed.h"
#include "datatype/timestamp.h"
#include "nodes/parsenodes.h"

typedef enum TomsMode
{
	TOMS_MODE_NONE,				/* not protected */
	TOMS_MODE_OBSERVE,			/* decided and recorded, nothing refused */
	TOMS_MODE_ENFORCE
} TomsMode;

/* A verb is PostgreSQL's own privilege bit, so that sets of them need no mapping. */
#define TOMS_VERBS (ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE)
#define TOMS_VERB_COUNT 4

extern const AclMode toms_verbs[TOMS_VERB_COUNT];

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

/* Whether the row security of a table is what toms made it; kept by slice policy. */
typedef enum TomsIntact
{
	TOMS_INTACT_UNKNOWN,
	TOMS_INTACT_YES,
	TOMS_INTACT_NO
} TomsIntact;

typedef struct TomsRelation
{
	Oid			relid;
	TomsMode	mode;
	Oid			root;			/* whose permissions count: a partition's topmost parent */
	AttrNumber	tenant;			/* 0: rows belong to their parents' tenant */
	AttrNumber	subject;		/* 0: the table has no data subject */
	AttrNumber	parent_key;		/* 0, or what refers to the parent row */
	AttrNumber	parent_type;	/* 0, or what says which table that is in */
	Oid			tenant_type;	/* int2, int4, int8, uuid or text (varchar is text) */
	Oid			subject_type;
	bool		subject_not_null;
	bool		shares_null_tenant; /* every tenant reads rows without one */
	bool		shares_rows;	/* the same, or children of such rows */
	char		category[NAMEDATALEN];
	TomsFreeText free_text;
	TomsAlias	alias;
	int			nparents;
	TomsParent *parents;
	int			nrow_labels;
	TomsRowLabel *row_labels;
	bool		is_undeclared;	/* closed for its sealed columns alone: nobody has protected it */
	int			nsealed;
	TomsSealedColumn *sealed;
	int			noptional;
	TomsOptionalColumn *optional;	/* in the order of the columns */
	int			npermissions;
	TomsPermission *permissions;
	TomsIntact	intact;
	TomsIntact	intact_below;	/* its children, as far as sealed values are concerned */

	/* Answers that slices keep with it, in its memory context; NULL: none yet. */
	struct TomsJudgements *judgements;	/* policy */
	struct TomsPassages *passages;	/* guard */
} TomsRelation;

/* The memory context that goes with a relation. */
#define toms_relation_context(relation) GetMemoryChunkContext((void *) (relation))

#endif							/* TOMS_RELATION_H */
