/*
 * catalog.h - what toms knows about a relation, a tenant and an officer.
 *
 * The truth is in SECURITY LABELs (which table, which columns) and in the tables
 * toms.permission and toms.tenant; the answers here come from one cache per backend
 * that any change to these, committed by anybody, throws away.
 */
#ifndef TOMS_CATALOG_H
#define TOMS_CATALOG_H

#include "postgres.h"

#include "base/name.h"
#include "catalog/limit.h"
#include "catalog/relation.h"
#include "catalog/objectaddress.h"

typedef enum TomsTenantState
{
	TOMS_TENANT_IS_UNKNOWN,
	TOMS_TENANT_IS_ACTIVE,
	TOMS_TENANT_HAS_ENDED
} TomsTenantState;

extern void toms_catalog_init(void);

/*
 * The protected relation "relid", or NULL if it is not protected.  The result stays
 * readable until this function is next called for the same relation; it may be out of date
 * as soon as a lock is taken.
 */
extern TomsRelation *toms_catalog_relation(Oid relid);

/* A table of toms itself, with the permissions for it; not kept. */
extern TomsRelation *toms_catalog_own(Oid relid);

/* Whether the extension has been created in this database. */
extern bool toms_catalog_is_installed(void);

/* ends_at: when an active tenant ends; DT_NOEND: that is not known. */
extern TomsTenantState toms_catalog_tenant(const char *tenant, TimestampTz *ends_at);

/* What a purpose is registered as; one that is not registered is none of these. */
typedef struct TomsPurpose
{
	bool		is_registered;
	bool		is_excluded;	/* nothing permits it */
	bool		is_aggregate;	/* answers statistics, never a row */
} TomsPurpose;

extern TomsPurpose toms_catalog_purpose(const char *name);

/* Whether a tenant has enabled an optional category. */
extern bool toms_catalog_enabled(const char *tenant, const char *category);

/* The tables of schema toms that are read from C, by their indexes. */
typedef enum TomsConfigTable
{
	TOMS_CONFIG_TENANT,
	TOMS_CONFIG_PERMISSION,
	TOMS_CONFIG_PARENT,
	TOMS_CONFIG_SUBJECT_ALIAS,
	TOMS_CONFIG_ALIASES_OF_TABLE,
	TOMS_CONFIG_SEPARATION,
	TOMS_CONFIG_AUDIT_CONSENT,
	TOMS_CONFIG_CATEGORY,
	TOMS_CONFIG_PURPOSE,
	TOMS_CONFIG_ENABLED_CATEGORY,
	TOMS_CONFIG_KEY_EPOCH,
	TOMS_CONFIG_KEY_EPOCHS_OF_TENANT,
	TOMS_CONFIG_RETENTION_RULE,
	TOMS_CONFIG_HOLD,
	TOMS_CONFIG_RESTRICTION,
	TOMS_CONFIG_OBJECTION,
	TOMS_CONFIG_TENANT_END,
	TOMS_CONFIG_TABLES
} TomsConfigTable;

/* OID of a table; InvalidOid where the extension is not installed. */
extern Oid	toms_config_table(TomsConfigTable table);

/*
 * Call "row" for each row whose key column (tenant; relation; id) equals key, as it is
 * committed now or written by this transaction.  The values live until the scan ends.
 */
typedef void (*TomsConfigRow) (const Datum *values, const bool *nulls, void *answer);
extern void toms_config_scan(TomsConfigTable table, Datum key, TomsConfigRow row, void *answer);

/* The type under a domain; varchar is text. */
extern Oid	toms_plain_type(Oid type);

/* Which sealed type it is, of itself or as a domain over one. */
extern TomsSealedType toms_sealed_type(Oid type);

/*
 * Make every backend forget what it cached, at commit: a table's parents and children are
 * judged by its label too.
 */
extern void toms_catalog_forget(void);

/* Label grammar: "key" or "key=value", separated by commas; value is palloc'd. */
extern bool toms_label_get(const char *label, const char *key, char **value);

/* The words of TomsFreeText; parse returns -1 for any other. */
extern int	toms_free_text_parse(const char *word);
extern const char *toms_free_text_word(TomsFreeText free_text);

/* Checks that a SECURITY LABEL FOR toms may be set, before it is written. */
extern void toms_label_check(const ObjectAddress *object, const char *label);
extern void toms_seal_label_check(const ObjectAddress *object, const char *label);

/* Text of a verb set, for messages: "select, update". */
extern char *toms_verb_text(AclMode verbs);
extern AclMode toms_verb_parse(const char *verb);	/* 0: there is no such verb */

#endif							/* TOMS_CATALOG_H */
