/*
 * payload.c - what an entry says beyond its columns: sealed under a key of the person concerned.
 *
 * Called by row.c and who.c for every entry.  The key is one of toms.data_key, of the tenant, the
 * person, toms.audit_entry and the month: destroying it erases the payload, and whose it was, and
 * leaves the entry and every proof of it as they are.
 */
#include "audit/audit_int.h"

#include "base/relcache.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "replication/logicalworker.h"
#include "seal/seal.h"
#include "utils/lsyscache.h"

static Oid	relation = InvalidOid;

static void
relcache_callback(Oid relid)
{
	if (!OidIsValid(relid) || relid == relation)
		relation = InvalidOid;
}

void
toms_payload_init(void)
{
	toms_on_relation_change(relcache_callback);
}

Oid
toms_payload_relation(void)
{
	if (!OidIsValid(relation))
		relation = get_relname_relid("audit_entry", get_namespace_oid("toms", false));
	return relation;
}

void
toms_payload_to_utf8(StringInfo text)
{
	char	   *converted = pg_server_to_any(text->data, text->len, PG_UTF8);

	if (converted == text->data)
		return;
	resetStringInfo(text);
	appendStringInfoString(text, converted);
	pfree(converted);
}

/*
 * Rows of a tenant whom nobody has registered belong to nobody who could read them.  A logical
 * subscriber may not have the keys; whose row it was stands in the trail of the publisher.
 */
static bool
has_keys(const char *tenant)
{
	TimestampTz ends_at;

	return !IsLogicalWorker() && toms_catalog_tenant(tenant, &ends_at) != TOMS_TENANT_IS_UNKNOWN;
}

void
toms_payload_seal(TomsEntry *entry, const char *subject, const StringInfoData *text)
{
	uint8		nonce[TOMS_NONCE_BYTES];
	const TomsDataKey *key;
	uint8	   *sealed;

	if (entry->tenant == NULL || !has_keys(entry->tenant))
		return;
	key = toms_data_key_for(toms_payload_relation(), entry->tenant, subject);
	entry->key = key->id;
	toms_entry_nonce(entry, nonce);
	sealed = palloc(text->len + TOMS_TAG_BYTES);
	toms_crypto_seal(sealed, (TomsBytes) {text->data, text->len}, (TomsBytes) {NULL, 0}, nonce, key->bytes);
	entry->payload = (TomsBytes) {sealed, text->len + TOMS_TAG_BYTES};
}
