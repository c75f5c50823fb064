/*
 * relation.h - what toms knows about a protected relation; part of catalog.h.
 */
#ifndef TOMS_RELATION_H
#define TOMS_RELATION_H

#include "postgres.h"

#include "catalog/column.h"
#include "catalog/declaration.h"
#include "catalog/retention.h"
#include "catalog/sealed.h"
#include "nodes/parsenodes.h"

typedef enum TomsMode
{
	TOMS_MODE_NONE,				/* not protected */
	TOMS_MODE_OBSERVE,			/* decided and recorded, nothing refused */
	TOMS_MODE_ENFORCE
} TomsMode;

/* PostgreSQL's own privilege bits, so that sets of them need no mapping. */
#define TOMS_VERBS (ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE)
#define TOMS_VERB_COUNT 4

extern const AclMode toms_verbs[TOMS_VERB_COUNT];

/* Whether the row security of a table is what toms made it; kept by slice policy. */
typedef enum TomsIntact
{
	TOMS_INTACT_UNKNOWN,
	TOMS_INTACT_YES,
	TOMS_INTACT_NO
} TomsIntact;

/* Whether the trail holds that a statement reads a table before the statement's first row. */
typedef enum TomsReadAudit
{
	TOMS_READ_AUDIT_DEFAULT,	/* if rows of it are of a special category */
	TOMS_READ_AUDIT_STRICT,
	TOMS_READ_AUDIT_ASYNCHRONOUS
} TomsReadAudit;

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
	bool		through_functions;	/* access functions alone reach it */
	char		category[NAMEDATALEN];
	TomsFreeText free_text;
	TomsReadAudit read_audit;
	TomsAlias	alias;
	int			nperson_keys;	/* columns by which other tables know the persons of this one */
	AttrNumber *person_keys;
	int			nparents;
	TomsParent *parents;
	int			nrow_labels;
	TomsRowLabel *row_labels;
	bool		is_special;		/* some of its rows are of a special category (Art. 9 GDPR) */
	bool		reads_strictly; /* what comes of read_audit */
	int			nseparations;
	TomsSeparation *separations;
	bool		is_undeclared;	/* closed for its sealed columns alone: nobody has protected it */
	int			nsealed;
	TomsSealedColumn *sealed;
	int			nlabelled;
	TomsLabelledColumn *labelled;	/* in the order of the columns */
	int			npermissions;
	TomsPermission *permissions;
	int			nconsents;
	TomsConsent *consents;
	int			nrules;			/* how long rows are kept */
	TomsRule   *rules;
	TomsIntact	intact;
	TomsIntact	intact_below;	/* its children, as far as sealed values are concerned */

	/* Answers that slices keep with it, in its memory context; NULL: none yet. */
	struct TomsJudgements *judgements;	/* policy */
	struct TomsPeriods *periods;	/* policy */
	struct TomsPassages *passages;	/* guard */
} TomsRelation;

/* The memory context that goes with a relation. */
#define toms_relation_context(relation) GetMemoryChunkContext((void *) (relation))

#endif							/* TOMS_RELATION_H */
